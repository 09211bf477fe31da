"""Routes: does what is sent arrive at something that is there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from authz_service.errors import AuthzServiceError
from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.rule import Found
from authz_service.mesh.matrix.asker import Asker
from authz_service.mesh.matrix.resources import ID, paths_of_policy
from authz_service.mesh.model import Call, Sidecar
from authz_service.mesh.target_token import TokenInHand
from authz_service.request_form import METHODS

_ANY = "5f0c9e6a"  # a segment that nobody names
_VERSION = re.compile(r"v[0-9]+")


def arrives_nowhere(ground: Ground) -> Iterator[Found]:
    """By the routes of the sidecar that is called, or what mesh.yaml says that the service has."""
    for call in ground.mesh.calls:
        sidecar = call.destination
        if sidecar is None:
            continue
        served = [route.path for route in sidecar.config.proxy.routes]
        spot = sidecar.spot("proxy", "routes")
        if not served:
            served = list(ground.mesh.serves.get(sidecar.name, ()))
            spot = ground.mesh.spot_of(ground.mesh.folder / "mesh.yaml")
        if served and not any(_meet(call, path) for path in served):
            yield Found(
                call.source.spot(*call.place),
                f"{call.base} of {call.source.name} arrives as {call.arrives_as}",
                "add or correct strip_prefix, so that it arrives as a path that is there",
                spot,
                f"{sidecar.name} has {', '.join(served)}",
            )


def version_is_passed_on(ground: Ground) -> Iterator[Found]:
    """`/api/v1/orders` of a gateway, at a service that nothing says has such paths."""
    for call in ground.mesh.calls:
        sidecar = call.destination
        if sidecar is None or not call.of_ingress or call.strip_prefix is not None or sidecar.config.proxy.routes:
            continue
        steps = [step for step in call.base.split("/") if step == "api" or _VERSION.fullmatch(step)]
        if not steps or ground.mesh.serves.get(sidecar.name) or _is_known(ground, sidecar, steps):
            continue
        prefix = call.base[: call.base.index(steps[-1]) + len(steps[-1])]
        yield Found(
            call.source.spot(*call.place),
            f"{call.base} arrives at {sidecar.name} as {call.arrives_as}, with {prefix} in front",
            f"write strip_prefix: {prefix} at the route, or say in mesh.yaml (serves) that the service has such paths",
            sidecar.spot("proxy"),
            f"neither a route nor the policy of {sidecar.name} knows {prefix}",
        )


def policy_without_the_path(ground: Ground) -> Iterator[Found]:
    """Where no route and no mesh.yaml says which paths the target has: its policy names others, and refuses all that
    could arrive, whoever asks.
    """
    told = {found.spot for found in version_is_passed_on(ground)}
    asker = Asker(ground.mesh, lambda: ground.now, ground.compiled, {})
    for call in ground.mesh.calls:
        sidecar, spot = call.destination, call.source.spot(*call.place)
        if sidecar is None or sidecar.config.proxy.routes or ground.mesh.serves.get(sidecar.name) or spot in told:
            continue
        paths = sorted(paths_of_policy(sidecar, asker.policies.get(sidecar.name)))
        if not paths or any(_could_be(call, path) for path in paths) or _lets_in(asker, call, paths):
            continue
        yield Found(
            spot,
            f"{call.base} of {call.source.name} arrives as {call.arrives_as}, and nobody is let in there",
            "add or correct strip_prefix, so that it arrives as a path that the policy names",
            sidecar.spot("policy", "path"),
            f"the policy of {sidecar.name} names {', '.join(path for path in paths if ID not in path)}",
        )


def _could_be(call: Call, path: str) -> bool:
    """As far as both say it, segment by segment."""
    arriving, named = (text.strip("/").split("/") if text != "/" else [] for text in (call.arrives_as, path))
    return all(theirs in {ours, ID} for ours, theirs in zip(arriving, named, strict=False))


def _lets_in(asker: Asker, call: Call, paths: Sequence[str]) -> bool:
    """Whether anybody may do anything at what arrives; also where that cannot be judged."""
    base = call.arrives_as.rstrip("/")
    below = () if call.exact else (f"{base}/{_ANY}", *(base + path.replace(ID, _ANY) for path in paths))
    tokens = [TokenInHand(None, None, "none"), *map(asker.token, asker.mesh.principals)]
    try:
        return any(
            asker.send(call, token, method, path, (), 0).allowed
            for path in (base or "/", *below)
            for method in call.methods or METHODS
            for token in tokens
        )
    except AuthzServiceError:
        return True


def _is_known(ground: Ground, sidecar: Sidecar, steps: list[str]) -> bool:
    found = ground.policy(sidecar)
    if found is None or found.compiled is None:
        return False
    texts = found.compiled.policy.texts.values()
    return any(f'"{step}"' in text or f"/{step}/" in text for text in texts for step in steps)


def _meet(call: Call, path: str) -> bool:
    """Whether some request of the call is of the route."""
    base, arrives = path.removesuffix("/**").rstrip("/"), call.arrives_as.rstrip("/")
    is_below = path.endswith("/**") and (arrives == base or arrives.startswith(f"{base}/"))
    return is_below or base == arrives or (not call.exact and base.startswith(f"{arrives}/"))


def route_that_nobody_calls(ground: Ground) -> Iterator[Found]:
    """Of a sidecar that wants a certificate: whoever calls it is in the mesh."""
    for sidecar in ground.served:
        calls = [call for call in ground.mesh.calls if call.destination is sidecar]
        if sidecar.config.http.tls.client_auth != "require" or not calls:
            continue
        for number, route in enumerate(sidecar.config.proxy.routes):
            if route.auth_required and not any(_meet(call, route.path) for call in calls):
                ways = ", ".join(dict.fromkeys(f"{call.arrives_as} ({call.source.name})" for call in calls))
                yield Found(
                    sidecar.spot("proxy", "routes", number, "path"),
                    f"nobody of this mesh calls {route.path} of {sidecar.name}",
                    "remove the route, or correct the caller's",
                    calls[0].source.spot(*calls[0].place),
                    f"what arrives is below {ways}",
                )


def target_without_a_route(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.mesh.sidecars.values():
        if not sidecar.config.egress.enabled:
            continue
        used = {call.target_name for call in ground.mesh.calls if call.source is sidecar}
        for name in sidecar.config.egress.targets:
            if name not in used:
                yield Found(
                    sidecar.spot("egress", "targets", name),
                    f"no route leads to the target {name} of {sidecar.name}",
                    "remove the target with its credentials, or add a route",
                )


def leads_to_nobody(ground: Ground) -> Iterator[Found]:
    for call in ground.mesh.calls:
        if call.destination is None and call.url.scheme == "https":
            yield Found(
                call.source.spot(*call.target_place, "url"),
                f"{call.source.name} calls {call.url}, which is no sidecar of this mesh",
                "if it should be one, add its configuration, or its host to names in mesh.yaml",
            )
