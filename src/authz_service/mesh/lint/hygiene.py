"""What cannot be used, as the loader says of it; and what works, and should not be left so: allowed without need,
secrets in files, plain HTTP, a compose file that lacks something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from authz_service.identity.certificates import is_match, parse_client_rule
from authz_service.mesh.ground import Ground
from authz_service.mesh.lint.rule import Found
from authz_service.mesh.model import Sidecar
from authz_service.mesh.spot import Spot

_SECRETS = {"client_secret", "encryption_key", "key", "token"}
_LOOPBACK = ("127.", "localhost", "::1")


def unreadable(ground: Ground) -> Iterator[Found]:
    for problem in ground.mesh.problems:
        spot = ground.mesh.spot_of(Path(problem.file), problem.line)
        yield Found(spot, f"{problem.at}: {problem.found}", problem.fix)


def client_without_need(ground: Ground) -> Iterator[Found]:
    """Where every caller's certificate is known, or every caller's name stands in a rule."""
    for sidecar in ground.served:
        mtls = sidecar.config.proxy.mtls
        calls = [call for call, destination in ground.arrows if destination is sidecar]
        if not mtls.enabled or not calls:
            continue
        for number, text in enumerate(mtls.allowed_clients):
            try:
                rule = parse_client_rule(text)
            except ValueError:
                continue
            peers = [ground.peer(call) for call in calls]
            known = [peer for peer in peers if peer is not None]
            needed = any(is_match(rule, peer) for peer in known) or any(
                one in text for call in calls for one in call.source.names
            )
            if not needed:
                callers = ", ".join(dict.fromkeys(call.source.name for call in calls))
                yield Found(
                    sidecar.spot("proxy", "mtls", "allowed_clients", number),
                    f"{sidecar.name} allows {text}",
                    "remove it from allowed_clients",
                    calls[0].source.spot(*calls[0].place),
                    f"nobody of this mesh shows such a certificate; its callers are {callers}",
                )


def secret_in_the_file(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.mesh.sidecars.values():
        for place, text in sidecar.reading.document.written.items():
            secret = place[-1] in _SECRETS and place[0] in {"egress", "jwt", "audit"}
            if secret and "${" not in text:
                yield Found(
                    sidecar.spot(*place),
                    f"{'.'.join(map(str, place))} stands in the file",
                    f"write ${{NAME}}, or {place[-1]}_file",
                )


def plain_http(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.mesh.sidecars.values():
        config = sidecar.config
        places: list[tuple[tuple[str | int, ...], Any]] = []
        if config.egress.enabled:
            places += [(("egress", "targets", name, "url"), one.url) for name, one in config.egress.targets.items()]
        if config.proxy.enabled:
            places.append((("proxy", "upstream"), config.proxy.upstream))
        for place, url in places:
            if url.scheme == "http" and not url.host.startswith(_LOOPBACK):
                yield Found(
                    sidecar.spot(*place),
                    f"{sidecar.name} sends to {url} without TLS",
                    "use https, or the loopback address where both share a network namespace",
                )


def sidecar_without_a_service(ground: Ground) -> Iterator[Found]:
    """In the compose file: nobody shares the sidecar's network namespace, so nothing listens behind it."""
    services, file = _compose(ground)
    for name, service in services.items():
        sidecar = _sidecar_of(ground, service)
        if sidecar is None or not has_own_service(sidecar):
            continue
        together = [one for one in services.values() if one.get("network_mode") == f"service:{name}"]
        if not together:
            yield Found(
                _line(file, name),
                f"{name} is a sidecar alone: no service runs in its network namespace",
                f'add the service with network_mode: "service:{name}"',
                sidecar.spot("proxy", "upstream"),
                f"{sidecar.name} forwards to {sidecar.config.proxy.upstream}",
            )


def host_that_compose_does_not_know(ground: Ground) -> Iterator[Found]:
    services, file = _compose(ground)
    aliases = {alias for one in services.values() for alias in _aliases(one)} | set(services)
    told: set[tuple[str, str]] = set()
    for name, service in services.items():
        sidecar = _sidecar_of(ground, service)
        for call in ground.mesh.calls_of(sidecar) if sidecar is not None else ():
            host = call.url.host
            known = host in aliases or host in call.source.config.hosts or (name, host) in told
            if not known and call.destination is not None:
                told.add((name, host))
                yield Found(
                    _line(file, name),
                    f"no service of the compose file is called {host}",
                    f"add {host} to the aliases of its networks, or to hosts of {call.source.name}",
                    call.source.spot(*call.target_place, "url"),
                    f"{call.source.name} calls {call.url}",
                )


def has_own_service(sidecar: Sidecar) -> bool:
    """Not one whose routes all lead on."""
    routes = sidecar.config.proxy.routes
    return sidecar.config.proxy.enabled and (not routes or any(route.upstream is None for route in routes))


def _sidecar_of(ground: Ground, service: Mapping[str, Any]) -> Sidecar | None:
    """Whose configuration it mounts."""
    mounted = [str(one).partition(":")[0] for one in service.get("volumes") or () if isinstance(one, str)]
    for sidecar in ground.mesh.sidecars.values():
        if any(Path(one).as_posix().endswith(sidecar.shown) for one in mounted):
            return sidecar
    return None


def _aliases(service: Mapping[str, Any]) -> Iterator[str]:
    networks = service.get("networks")
    for one in networks.values() if isinstance(networks, dict) else ():
        yield from (one or {}).get("aliases", ())
    for name in ("hostname", "container_name"):
        if name in service:
            yield str(service[name])


def _compose(ground: Ground) -> tuple[Mapping[str, Mapping[str, Any]], Path]:
    file = ground.mesh.compose
    if file is None:
        return {}, Path()
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}, file
    services = document.get("services") if isinstance(document, dict) else None
    return {name: one for name, one in (services or {}).items() if isinstance(one, dict)}, file


def _line(file: Path, name: str) -> Spot:
    lines = file.read_text(encoding="utf-8").splitlines()
    at = next((number for number, line in enumerate(lines, 1) if line.strip() == f"{name}:"), 0)
    return Spot(file.name, at)
