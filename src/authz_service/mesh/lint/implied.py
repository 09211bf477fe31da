"""What the files do not say, and what is done in its place. Notes, not findings: each is right, and better known."""

from __future__ import annotations

from collections.abc import Iterator

from authz_rego.check.walk import walk
from authz_rego.syntax.tree import Ref, Rule
from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.hygiene import has_own_service
from authz_service.mesh.lint.policies import below_input
from authz_service.mesh.lint.rule import Found

_CONTEXT = "X-User-Context"


def route_and_target(ground: Ground) -> Iterator[Found]:
    for call in ground.mesh.calls:
        if call.of_ingress:
            yield Found(
                call.source.spot(*call.place, "upstream"),
                f"{call.base} leads to {call.url}",
                "keep both URLs the same: the certificates and the token of the target go with the route",
                call.source.spot(*call.target_place, "url"),
                f"the target {call.target_name} has this url, so its certificates and its token apply",
            )


def upstream(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.served:
        if has_own_service(sidecar) and not sidecar.is_written("proxy", "upstream"):
            yield Found(
                sidecar.spot("proxy"),
                f"proxy.upstream of {sidecar.name} is not written: requests go to {sidecar.config.proxy.upstream}",
                "write where the service listens",
            )


def egress_address(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.mesh.sidecars.values():
        egress = sidecar.config.egress
        if egress.enabled and egress.routes and not sidecar.is_written("egress", "addr"):
            yield Found(
                sidecar.spot("egress"),
                f"egress.addr of {sidecar.name} is not written: its service calls http://{egress.addr}",
                "write where the service reaches it",
            )


def user_context(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.served:
        headers = sidecar.config.proxy.headers
        if _CONTEXT not in headers.extract:
            continue
        callers = [call.source for call, destination in ground.arrows if destination is sidecar]
        for caller in callers[:1]:
            yield Found(
                sidecar.spot("proxy", "headers", "extract"),
                f"{sidecar.name} records {_CONTEXT} as the service of {caller.name} writes it: an id, or a name",
                "let services write the user's sub, as inject_user_id gives it to them: an id does not change",
                caller.spot("proxy", "headers"),
                f"no sidecar sets {_CONTEXT}",
            )


def whose_resource(ground: Ground) -> Iterator[Found]:
    """A user's token is let in, and the policy never holds the user against what is asked for."""
    for sidecar in ground.served:
        users = [one for one in ground.principals(sidecar) if one.kind == "user"]
        found = ground.modules(sidecar)
        if not users or found is None or not has_own_service(sidecar):
            continue
        policy, modules = found
        rule = next((rule for module in modules for rule in module.rules if _reads(rule, ("request", "method"))), None)
        if rule is not None and not any(_owns(rule) for module in modules for rule in module.rules):
            yield Found(
                policy.spot(rule.place.file, rule.place.row),
                f"the policy of {sidecar.name} does not ask whose resource it is: who may read one may read all",
                "let the service answer 404 for what is not the user's own, or the policy compare input.token.sub",
            )


def _owns(rule: Rule) -> bool:
    """`sub` beside a part of the request, in one statement."""
    for expr in rule.body:
        paths = [below_input(node) for node in walk(expr) if isinstance(node, Ref)]
        if any(path[:2] == ("token", "sub") for path in paths) and any(path[:1] == ("request",) for path in paths):
            return True
    return False


def _reads(rule: Rule, wanted: tuple[str, ...]) -> bool:
    return any(isinstance(node, Ref) and below_input(node) == wanted for node in walk(rule))
