"""The door at which other people's proxies ask (`proxy.mode: decision_only`): its rules, its sockets, whether it is up.

Not the door itself (`decision_point.door`): a process of its own, for it reads what strangers send.
"""

from __future__ import annotations

import hashlib
import socket
import sys
from pathlib import Path

import msgspec

from authz_service import headers
from authz_service.config.model import AskedBy, Config, HttpTlsOfFiles, UnixAddress
from authz_service.control_plane.preflight.socket_path import WAITING, close, folder_problems, in_use, listen_at
from authz_service.decision_point.rules import Asker, DoorRules, Said
from authz_service.domain import time_budget
from authz_service.envoy import secrets
from authz_service.envoy.filters import owned_headers, token_headers
from authz_service.envoy.paths import StatePaths
from authz_service.errors import ConfigProblems, Problem
from authz_service.identity.certificates import parse_client_rule

FILE = "door.json"
_NGINX = Said("x-original-method", "x-original-uri", "x-original-host")
_FORWARD_AUTH = Said("x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", remote="x-forwarded-for")
_BY_DEFAULT = {"auth_request": _NGINX, "forward_auth": _FORWARD_AUTH}


def door_text(config: Config, paths: StatePaths) -> str:
    """What `door.json` says; "" where nobody else asks. Raises ConfigProblems when who may ask cannot be read."""
    if not config.is_decision_only:
        return ""
    rules = door_rules(config, paths)
    return msgspec.json.format(msgspec.json.encode(rules), indent=1).decode() + "\n"


def door_rules(config: Config, paths: StatePaths) -> DoorRules:
    owned = owned_headers(config)
    tls = config.http.tls if isinstance(config.http.tls, HttpTlsOfFiles) else None  # as `checks` demands
    passed = {*token_headers(config), headers.CORRELATION_ID, *config.proxy.headers.extract}
    return DoorRules(
        askers=tuple(_asker(name, asker) for name, asker in config.proxy.asked_by.items()),
        workers=tuple(str(paths.worker_socket(slot)) for slot in range(config.runtime.decision_workers)),
        attempt=time_budget.attempt(config.policy.evaluation_budget),
        listener=headers.listener_tag(owned),
        tag=config.tag,
        routes=tuple(sorted({route.path for route in config.proxy.routes})),
        passed=tuple(sorted({name.lower() for name in passed})),
        owned=owned,
        max_connections=config.http.max_connections,
        certificate=str(paths.secret(secrets.SERVER_CERTIFICATE)) if tls is not None else "",
        client_ca=str(paths.secret(secrets.CLIENT_CA)) if tls is not None else "",
        oldest_tls=tls.min_version if tls is not None else "1.2",
    )


def listen(config: Config) -> list[socket.socket]:
    """The sockets of `proxy.asked_by`, in its order. Raises ConfigProblems."""
    found: list[socket.socket] = []
    problems: list[Problem] = []
    for name, asker in config.proxy.asked_by.items():
        at = f"proxy.asked_by.{name}.addr"
        if isinstance(asker.addr, UnixAddress):
            path = asker.addr.path
            wrong = folder_problems(at, Path(path).parent)
            if not wrong and (why := in_use(path)):
                wrong = [Problem(at, f"cannot listen on {asker.addr}: {why}", "choose another path")]
            if wrong:
                problems += wrong
                continue
        try:
            found.append(_listening(asker))
        except OSError as error:
            reason = error.strerror or str(error)
            problems.append(Problem(at, f"cannot listen on {asker.addr}: {reason}", "choose another address"))
    if problems:
        close(found)
        raise ConfigProblems(problems)
    return found


def command(config: Config, paths: StatePaths, sockets: list[socket.socket]) -> list[str]:
    return [
        sys.executable, "-m", "authz_service.decision_point.door",
        "--service", config.service.name,
        "--rules", str(paths.root / FILE),
        "--listening", *(str(each.fileno()) for each in sockets),
    ]  # fmt: skip


def door_missing(paths: StatePaths, text: str, pid: int | None) -> list[str]:
    """What keeps proxies from asking; empty when they may."""
    if not text:
        return []
    if pid is None:
        return ["the door to other proxies is not up"]
    try:
        said = (paths.root / "door.version").read_text(encoding="ascii")
    except OSError:
        said = ""
    is_present = said == f"{pid} {hashlib.sha256(text.encode()).hexdigest()}"
    return [] if is_present else [f"the door has not taken over {FILE}"]


def _asker(name: str, asker: AskedBy) -> Asker:
    try:
        allowed = tuple(parse_client_rule(text) for text in asker.allowed_clients)
    except ValueError as error:
        fix = 'write a subject such as "CN=edge-proxy,O=MyOrg", a SPIFFE ID, or dns: and a name'
        raise ConfigProblems([Problem(f"proxy.asked_by.{name}.allowed_clients", str(error), fix)]) from error
    said = _BY_DEFAULT.get(asker.protocol, Said())
    written = {key: getattr(asker.headers, key) for key in Said.__struct_fields__}
    said = msgspec.structs.replace(said, **{key: value.lower() for key, value in written.items() if value is not None})
    return Asker(name, asker.protocol, allowed, said, asker.path_prefix or "", (asker.url or "").rstrip("/"))


def _listening(asker: AskedBy) -> socket.socket:
    if isinstance(asker.addr, UnixAddress):
        return listen_at(Path(asker.addr.path), asker.socket_mode)
    family = socket.AF_INET6 if ":" in asker.addr.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((asker.addr.host, asker.addr.port))
        listening.listen(WAITING)
    except OSError:
        listening.close()
        raise
    return listening
