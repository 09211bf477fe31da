"""What must fit together in a configuration whose single values are right: the table of contents, and the name."""

from collections.abc import Iterator

from authz_service.config.checks.audit import audit_findings
from authz_service.config.checks.decision_only import decision_only_findings, reverse_proxy_findings
from authz_service.config.checks.egress import egress_findings, exchange_findings
from authz_service.config.checks.headers import header_findings
from authz_service.config.checks.listeners import caller_findings, ingress_findings, listener_findings
from authz_service.config.checks.policy import policy_findings
from authz_service.config.checks.routes import route_findings
from authz_service.config.checks.tokens import introspection_findings, token_findings
from authz_service.config.finding import Finding
from authz_service.config.model import Authz, Config, OAuth2


def cross_findings(config: Config) -> Iterator[Finding]:
    """Everything that does not fit together."""
    if config.proxy.enabled:
        if config.is_decision_only:
            yield from decision_only_findings(config)
        else:
            yield from reverse_proxy_findings(config)
            yield from ingress_findings(config)
        yield from caller_findings(config)
        yield from token_findings(config)
        yield from policy_findings(config)
        yield from route_findings(config)
        yield from introspection_findings(config)
        yield from header_findings(config.proxy)
    if config.egress.enabled:
        yield from egress_findings(config.egress)
        yield from exchange_findings(config)
    yield from _one_agent(config)
    if not config.proxy.enabled and not config.egress.enabled:
        fix = "add a proxy section (requests that arrive), an egress section (requests that leave), or both"
        yield Finding((), "neither an ingress nor an egress is enabled", fix)
    yield from audit_findings(config.audit)
    yield from listener_findings(config)
    yield from _name(config)


def default_name(config: Config) -> str:
    """The first OAuth2 client of the egress, else the package of the policy's rule; "" if there is neither."""
    targets = config.egress.targets.values() if config.egress.enabled else ()
    clients = [target.auth.client_id for target in targets if isinstance(target.auth, OAuth2)]
    query = config.proxy.authz.policy_query if isinstance(config.proxy.authz, Authz) else ""
    return clients[0] if clients else ".".join(query.split(".")[1:-1])


def _name(config: Config) -> Iterator[Finding]:
    if (
        not config.service.name
        and not default_name(config)
        and not (config.proxy.enabled and config.proxy.authz.enabled)
    ):
        found = "is missing, and there is neither an OAuth2 client nor a policy_query to take it from"
        yield Finding(("service", "name"), found, "name the service, such as order-service")


def _one_agent(config: Config) -> Iterator[Finding]:
    sockets = sorted(map(str, config.sds_sockets))
    if len(sockets) > 1:
        found = f"there are {len(sockets)} agents: {', '.join(sockets)}"
        yield Finding(("http", "tls", "sds"), found, "write the same socket wherever sds stands")
