"""What must fit together about the policy: who is asked what, and where."""

from collections.abc import Iterator

from authz_service.config.checks.rules import is_loopback, plain_http
from authz_service.config.finding import Finding, Place
from authz_service.config.model import AskedPolicy, Authz, Config
from authz_service.domain.time_budget import LONGEST_POLICY_ANSWER


def policy_findings(config: Config) -> Iterator[Finding]:
    policy = config.policy
    if not isinstance(config.proxy.authz, Authz):
        return
    if not isinstance(policy, AskedPolicy):
        if policy.bundle is not None:
            yield from plain_http(("policy", "bundle", "url"), policy.bundle.url)
        return
    server: Place = ("policy", "server")
    if policy.server.url.scheme == "https" or not is_loopback(policy.server.url.host or "localhost"):
        fix = "run OPA beside the sidecar: unix:///run/opa/opa.sock, or http://127.0.0.1:8181"
        yield Finding((*server, "url"), f"{policy.server.url} is not on this host, or asks for TLS", fix)
    if policy.server.timeout > LONGEST_POLICY_ANSWER:
        fix = "write at most 300ms: Envoy asks another worker after 400ms"
        yield Finding((*server, "timeout"), "is longer than Envoy waits for a decision", fix)
