"""What can be wrong with an identity provider: twenty cases for F3, and a provider that can be broken in each way."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.fault_proxy import NO_FAULT, Fault, FaultProxy
from tests.support.faulty_server import Answer, FaultyServer, Seen, json_answer
from tests.support.live import Json, Live
from tests.support.tokens import Signer, ec_key, good_claims, jwk, jwks, mint

from authz_devkit.certs.tree import ca_bundle, leaf_cert, leaf_key
from authz_devkit.demo.mesh import IDENTITY_PROVIDER

_HTML = {"Content-Type": "text/html"}


@dataclass(frozen=True)
class Case:
    """What goes wrong, on the way (`network`) or in the answers. None: that part stays good."""

    name: str
    network: Fault = NO_FAULT
    keys: Answer | None = None
    token: Answer | None = None
    usable: bool = False  # it looks odd, and is none the worse for it
    rotates: bool = False  # new keys are published and sign; the old ones are withdrawn

    @property
    def tokens_go_on(self) -> bool:
        return self.usable or (self.network == NO_FAULT and self.token is None)


def _both(name: str, answer: Answer) -> Case:
    return Case(name, keys=answer, token=answer)


def _token(**answer: object) -> Answer:
    return json_answer({"access_token": "an.odd.one", "token_type": "Bearer", **answer})


CASES = (
    Case("down", network=Fault(down=True)),
    _both("500", Answer(status=500)),
    _both("HTML", Answer(body=b"<html>maintenance</html>", headers=_HTML)),
    Case("blackhole", network=Fault(blackhole=True)),
    Case("expires_in 0", token=_token(expires_in=0)),
    Case("rotated keys", rotates=True),
    Case("slow", network=Fault(latency=8.0)),
    Case("a trickle", network=Fault(rate=200)),
    Case("reset", network=Fault(reset=True)),
    Case("cut on the way", network=Fault(truncate=100)),
    Case("half-closed", network=Fault(half_close=100)),
    _both("truncated", json_answer({"keys": [], "access_token": "x"}, truncate=10)),
    _both("empty", Answer(body=b"")),
    _both("50 MB", Answer(body=b" " * (1 << 20), repeat=50)),
    _both("429", Answer(status=429, headers={"Retry-After": "2"})),
    _both("hangs up", Answer(close=True)),
    _both("a redirect", Answer(status=302, headers={"Location": "https://elsewhere.example/"})),
    Case("expires_in -1", token=_token(expires_in=-1)),
    Case("no usable content", keys=json_answer({"keys": None}), token=json_answer({"token_type": "Bearer"})),
    Case(
        "expires_in missing",
        token=json_answer({"access_token": "without-a-lifetime", "token_type": "Bearer"}),
        usable=True,
    ),
)


class BrokenIdp:
    """One issuer and one token endpoint, good until `break_it`."""

    def __init__(self, live: Live, case: Case, number: int, address: str, lifetime: int) -> None:
        """Egress tokens live for `lifetime` seconds, and are renewed after half of it."""
        self.case, self.number, self._lifetime = case, number, lifetime
        self.issuer = f"https://{IDENTITY_PROVIDER}/realms/case-{number}"
        self.issued: dict[str, float] = {}  # egress token -> until when
        certs, name = live.mesh.certs, "identity-provider/server"
        self._server = FaultyServer(tls=(leaf_cert(certs, name), leaf_key(certs, name)))
        self._proxy = FaultProxy((address, 20_000 + number), to=(self._server.address, self._server.port))
        self._keys = [Signer(f"key-{number}-{one}", "ES256", ec_key(f"case-{number}-{one}")) for one in (0, 1)]
        self._serials = itertools.count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._server)
        self._stack.enter_context(self._proxy)
        self._heal_answers()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def target(self) -> str:
        return f"case-{self.number}"

    def url(self, path: str) -> str:
        return f"https://{IDENTITY_PROVIDER}:{self._proxy.place[1]}{path}"

    def user_token(self, generation: int = 0, lifetime: int = 3600) -> str:
        """Of this issuer, signed by its old key or its new one."""
        claims = good_claims(time.time(), iss=self.issuer, exp=int(time.time()) + lifetime)
        return mint(claims, signer=self._keys[generation])

    def break_it(self) -> None:
        if self.case.keys is not None:
            self._server.script("/keys", self.case.keys)
        if self.case.token is not None:
            self._server.script("/token", self.case.token)
        if self.case.rotates:
            self._server.script("/keys", self._key_set(1))
        self._proxy.switch(self.case.network)

    def heal(self) -> None:
        self._heal_answers()
        self._proxy.switch(NO_FAULT)

    @property
    def most_in_flight(self) -> int:
        """To one endpoint at the same time."""
        return max(self._server.most_at["/keys"], self._server.most_at["/token"])

    def asked(self, path: str) -> int:
        return len(self._server.seen(path))

    def _heal_answers(self) -> None:
        self._server.script("/keys", self._key_set(1 if self.case.rotates and self.asked("/keys") else 0))
        self._server.script_with("/token", self._issue)

    def _key_set(self, generation: int) -> Answer:
        return Answer(body=jwks(jwk(self._keys[generation])).encode())

    def _issue(self, _: Seen) -> Answer:
        token = f"case-{self.number}-token-{next(self._serials)}"
        self.issued[token] = time.time() + self._lifetime
        return Answer(
            body=json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": self._lifetime}).encode()
        )


def configuration(config: Json, idps: list[BrokenIdp], address: str, live: Live) -> Json:
    """The lone sidecar's, with an issuer and a target per case."""
    ca_file = str(ca_bundle(live.mesh.certs, "identity"))
    template = config["egress"]["targets"]["data-service"]
    issuers = [
        {
            "issuer": idp.issuer,
            "audience": "order-service",
            "jwks_url": idp.url("/keys"),
            "jwks_refresh_interval": "2s",
            "ca_file": ca_file,
        }
        for idp in idps
    ]
    targets = {idp.target: {**template, "auth": {**template["auth"], "token_url": idp.url("/token")}} for idp in idps}
    routes = [{"path_prefix": f"/{name}", "target": name} for name in targets]
    return {
        "jwt": {"issuers": issuers},
        "hosts": {**config["hosts"], IDENTITY_PROVIDER: address},
        "egress.targets": targets,
        "egress.routes": routes,
    }
