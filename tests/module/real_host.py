"""The real Envoy with nothing but the module, `ext_authz` and a router: what the module takes from Envoy is so."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.module.ground import Ground, as_header, permit
from tests.support.certificates import Authority
from tests.support.neighbours import Answer, Neighbour, Reply, Seen, ask
from tests.support.patience import PATIENCE
from tests.support.ports import free_port

from authz_service.envoy.binary import find_envoy
from authz_service.parent_death import bound_to_us

_TYPE = "type.googleapis.com/envoy."
DENIED, UNREACHABLE = "/denied", "/unreachable"
Door = tuple[str, int]


class Got(NamedTuple):
    answer: Answer
    asked: bool  # whether the gate was
    arrived: Seen | None  # at the service


class RealHost:
    """`plain`, `trusting` (X-Forwarded-For of whoever calls), `tls`; `ipv6` where the machine has it."""

    def __init__(self, ground: Ground, module: Path, *, ipv6: bool) -> None:
        self.ground, self._module = ground, module
        self.plain, self.trusting, self.tls = (("127.0.0.1", free_port()) for _ in range(3))
        self.ipv6: Door | None = ("::1", free_port("::1")) if ipv6 else None
        self._gate_at, self._app_at = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        authority = Authority.living("test", time.time())
        (ground.folder / "ca.crt").write_bytes(authority.pem)
        for name in ("server", "one", "other"):
            authority.issue(name).write(ground.folder, name)

    def __enter__(self) -> Self:
        self.gate, self.app = Neighbour(self._gate_at), Neighbour(self._app_at)
        self.gate.answer = lambda seen: Reply(
            403 if DENIED in seen.target else 200, (("x-authz-remember", _permit()), ("x-user-id", "u-1"))
        )
        file = self.ground.folder / "bootstrap.json"
        file.write_text(json.dumps(self._bootstrap()))
        words = ("--concurrency", "1", "--disable-hot-restart", "--reject-unknown-dynamic-fields", "-l", "warn")
        with (self.ground.folder / "envoy.log").open("wb") as log:
            command = [str(find_envoy(os.environ)), "-c", str(file), *words]
            self._process = subprocess.Popen(bound_to_us(command), stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self.gate.close()
        self.app.close()

    @property
    def log(self) -> str:
        return (self.ground.folder / "envoy.log").read_text()

    def call(
        self, path: str, headers: Sequence[tuple[str, str]] = (), *, at: Door | None = None, client: str = ""
    ) -> Got:
        """Over a connection of its own. At `tls`, with the client's certificate."""
        self.gate.seen.clear()
        self.app.seen.clear()
        sent = [
            *headers,
            *([] if any(name == "x-correlation-id" for name, _ in headers) else [("x-correlation-id", "c")]),
        ]
        answer = ask(at or self.plain, "GET", path, headers=sent, tls=self._tls(client) if at == self.tls else None)
        return Got(answer, bool(self.gate.seen), self.app.seen[-1] if self.app.seen else None)

    def _tls(self, client: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ground.folder / "ca.crt"))
        context.check_hostname = False
        if client:
            context.load_cert_chain(self.ground.folder / f"{client}.crt", self.ground.folder / f"{client}.key")
        return context

    def _answers(self) -> bool:
        try:
            return ask(self.plain, "GET", "/up").status == 200
        except OSError:
            return False

    def _bootstrap(self) -> dict[str, object]:
        doors = [self._listener(self.plain), self._listener(self.trusting, hops=1), self._listener(self.tls, tls=True)]
        doors += [self._listener(self.ipv6)] if self.ipv6 else []
        nowhere = ("127.0.0.1", 1)
        clusters = [_cluster("gate", self._gate_at), _cluster("app", self._app_at), _cluster("nowhere", nowhere)]
        return {"static_resources": {"listeners": doors, "clusters": clusters}}

    def _listener(self, door: Door, *, hops: int = 0, tls: bool = False) -> dict[str, object]:
        # The same path by another route, for a header that the gate is not asked with.
        other = {"prefix": "/", "headers": [{"name": "x-other-route", "present_match": True}]}
        matches = [("tag|other", other, "app"), ("tag|gone", {"prefix": UNREACHABLE}, "nowhere")]
        matches += [("tag|a", {"prefix": "/a"}, "app"), ("", {"prefix": "/"}, "app")]
        routes = [{"name": name, "match": match, "route": {"cluster": cluster}} for name, match, cluster in matches]
        manager = {
            "@type": f"{_TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "door",
            "use_remote_address": True,
            "xff_num_trusted_hops": hops,
            "http_filters": [self._cache(), _ext_authz(), _show_user(), _filter("router", "router.v3.Router")],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        }
        chain: dict[str, object] = {"filters": [{"name": "http", "typed_config": manager}]}
        if tls:
            chain["transport_socket"] = {"name": "tls", "typed_config": self._downstream_tls()}
        host, port = door
        address = {"socket_address": {"address": host, "port_value": port}}
        return {"name": str(port), "address": address, "filter_chains": [chain]}

    def _cache(self) -> dict[str, object]:
        return _filter(
            "dynamic_modules",
            "dynamic_modules.v3.DynamicModuleFilter",
            dynamic_module_config={"module": {"local": {"filename": str(self._module)}}, "do_not_close": True},
            filter_name="authz.decision_cache",
            filter_config={
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": self.ground.configuration(),
            },
        )

    def _downstream_tls(self) -> dict[str, object]:
        folder = self.ground.folder
        server = {
            "certificate_chain": {"filename": f"{folder}/server.crt"},
            "private_key": {"filename": f"{folder}/server.key"},
        }
        return {
            "@type": f"{_TYPE}extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": False,
            "common_tls_context": {
                "tls_certificates": [server],
                "validation_context": {"trusted_ca": {"filename": f"{folder}/ca.crt"}},
            },
        }


def _filter(name: str, kind: str, **fields: object) -> dict[str, object]:
    return {
        "name": f"envoy.filters.http.{name}",
        "typed_config": {"@type": f"{_TYPE}extensions.filters.http.{kind}", **fields},
    }


def _permit() -> str:
    lines = b"x-user-id: u-1\r\nx-authz-user: 5f\r\nx-envoy-auth-headers-to-remove: authorization,x-user-roles\r\n"
    return as_header(permit(headers=lines))


def _show_user() -> dict[str, object]:
    """What a filter behind the gate, such as the limit of each user, finds in the metadata."""
    value = "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:x-authz-user)%"
    append = {"header": {"key": "x-shown-user", "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return _filter(
        "header_mutation",
        "header_mutation.v3.HeaderMutation",
        mutations={"request_mutations": [{"append": append}]},
    )


def _ext_authz() -> dict[str, object]:
    known = {"filter": "authz", "path": [{"key": "known"}], "value": {"bool_match": True}, "invert": True}
    remember = {"patterns": [{"exact": "x-authz-remember"}]}
    allowed = {"patterns": [{"exact": "x-user-id"}]}
    return _filter(
        "ext_authz",
        "ext_authz.v3.ExtAuthz",
        filter_enabled_metadata=known,
        http_service={
            "server_uri": {"uri": "http://gate", "cluster": "gate", "timeout": "10s"},
            "authorization_response": {"dynamic_metadata_from_headers": remember, "allowed_upstream_headers": allowed},
        },
    )


def _cluster(name: str, address: Door) -> dict[str, object]:
    endpoint = {"address": {"socket_address": {"address": address[0], "port_value": address[1]}}}
    return {
        "name": name,
        "type": "STATIC",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
    }
