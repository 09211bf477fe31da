"""Where requests may go: the service itself, other plain upstreams, the egress targets. Not how to connect to them."""

import re
from dataclasses import dataclass

from authz_service.config.model import Config, Endpoint, Target
from authz_service.errors import RenderError

APP = "app"


@dataclass(frozen=True, slots=True)
class Upstream:
    """One place, known to Envoy as one cluster. `target` None: a plain neighbour that gets no credentials."""

    cluster: str
    endpoint: Endpoint
    target_name: str = ""
    target: Target | None = None

    @property
    def speaks_by_agreement(self) -> bool:
        """TLS lets both sides agree on HTTP/1.1 or HTTP/2 (ALPN); plain text does not."""
        return self.endpoint.scheme == "https"

    @property
    def speaks_http2(self) -> bool:
        """Never because of what a caller sends: gRPC's content type would choose it (SECURITY T30)."""
        return self.speaks_by_agreement or self.endpoint.http2


def of_target(name: str, target: Target) -> Upstream:
    """One that begins to exchange tokens, or no longer does, is another cluster: none is half of each for a moment."""
    return Upstream(f"{'exchanged' if target.auth.exchanges else 'target'}_{name}", target.url, name, target)


def of_ingress(config: Config, endpoint: Endpoint | None) -> Upstream:
    """Where an ingress route leads. An egress target's URL means that target, with its TLS and its token."""
    endpoint = endpoint or config.proxy.upstream
    if config.egress.enabled:
        for name, target in config.egress.targets.items():
            if target.url == endpoint:
                return of_target(name, target)
    if endpoint.scheme == "https":
        raise RenderError(f"{endpoint} is no egress target: nothing says which CA and certificate to use for it")
    return Upstream(APP if endpoint == config.proxy.upstream else str(endpoint), endpoint)


def stat_names(config: Config) -> dict[str, str]:
    """Of clusters named by an address: what its statistics are called: after the first route that leads to it."""
    names: dict[str, str] = {}
    for route in config.proxy.routes if config.proxy.enabled and not config.is_decision_only else ():
        upstream = of_ingress(config, route.upstream)
        if upstream.target is None and upstream.cluster not in {APP, *names}:
            name = "route_" + (re.sub(r"[^A-Za-z0-9-]+", "_", route.path).strip("_") or "root")
            while name in names.values():
                name += "_2"
            names[upstream.cluster] = name
    return names


def all_upstreams(config: Config) -> list[Upstream]:
    """Each once, in the order of the configuration."""
    found: list[Upstream] = []
    if config.proxy.enabled and not config.is_decision_only:
        routes = config.proxy.routes
        found += [of_ingress(config, route.upstream) for route in routes] if routes else [of_ingress(config, None)]
    if config.egress.enabled:
        found += [of_target(name, target) for name, target in config.egress.targets.items()]
    return list({upstream.cluster: upstream for upstream in found}.values())
