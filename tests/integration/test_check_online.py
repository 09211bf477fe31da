"""`authz check --online`: each thing that only the network knows, good and wrong in one way, over real connections."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.support import bundles
from tests.support.certificates import CLIENT, SERVER, Authority, Life
from tests.support.echo_service import EchoService, tls_server
from tests.support.faulty_server import Answer, FaultyServer, json_answer
from tests.support.lone_config import put
from tests.support.patience import PATIENCE
from tests.support.ports import free_port

from authz_service.cli.online import try_all
from authz_service.config.loader import load_config

SECRET, TOKEN = "a-client-secret-of-tests", "abc.def.ghi"
IDP, DATA = "idp.example", "data.example"
REALM = "/realm"
POLICY = {"a.rego": "package a\n\nallow if input.path\n"}
EMPTY: dict[str, object] = {"keys": []}
KEYS = {name: bundles.a_key() for name in ("signing", "other")}
GOOD_TOKEN = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 300, "scope": "read"}


class Ground:
    """A provider, a target that wants our certificate, an OPA; and the configuration of a sidecar that needs them."""

    def __init__(self, folder: Path) -> None:
        self.folder, now = folder, time.time()
        self.zone, self.identity = Authority.living("zone", now), Authority.living("identity", now)
        self.strange = Authority.living("strange", now)
        for name, authority in (("zone", self.zone), ("identity", self.identity), ("strange", self.strange)):
            (folder / f"{name}.crt").write_bytes(authority.pem)
        self.idp = FaultyServer(self.identity.issue(IDP, dns=(IDP,), usages=(SERVER,)).write(folder, "idp"))
        self.opa = FaultyServer()
        self.issuer = self.idp.url(REALM, host=IDP)
        self._provider()
        self.opa.script("/health?bundles", json_answer({}, delay=0.05))  # longer than a decision may take
        self.stack = ExitStack()
        self.target = self.serve("target", self.zone)
        own = self.zone.issue("orders", usages=(CLIENT,)).write(folder, "own")
        server = self.zone.issue("orders", dns=("orders.example",), usages=(SERVER,)).write(folder, "server")
        auth: dict[str, Any] = {
            "type": "oauth2_client_credentials",
            "token_url": self.idp.url("/token?key=hidden", host=IDP),
            "client_id": "orders",
            "client_secret": SECRET,
            "ca_file": str(folder / "identity.crt"),
        }
        tls: dict[str, Any] = {
            "client_cert": str(own[0]),
            "client_key": str(own[1]),
            "ca_cert": str(folder / "zone.crt"),
        }
        asked = {"url": self.idp.url("/introspect", host=IDP), "client_id": "orders", "client_secret": SECRET}
        data: dict[str, Any] = {
            "url": f"https://{DATA}:{self.target.port}",
            "auth": auth,
            "tls": tls,
            "connect_timeout": f"{PATIENCE:.0f}s",
        }
        self.config: dict[str, Any] = {
            "service": {"name": "orders"},
            "http": {"addr": "127.0.0.1:8443", "tls": {"cert_file": str(server[0]), "key_file": str(server[1])}},
            "jwt": {
                "issuer": self.issuer,
                "audience": "orders",
                "ca_file": str(folder / "identity.crt"),
                "introspection": asked,
            },
            "proxy": {
                "upstream": "http://localhost:9000",
                "mtls": {"enabled": False},
                "authz": {"policy_query": "data.a.allow"},
            },
            "policy": {"engine": "opa_server", "server": {"url": self.opa.url(), "timeout": "10ms"}},
            "egress": {"targets": {"data": data}, "routes": [{"path_prefix": "/data", "target": "data"}]},
            "hosts": {IDP: "127.0.0.1", DATA: "127.0.0.1"},
            "audit": {"path": str(folder / "audit.jsonl")},
            "runtime": {"state_dir": str(folder / "state")},
        }

    def _provider(self) -> None:
        found = {"issuer": self.issuer, "jwks_uri": self.idp.url("/certs", host=IDP)}
        self.idp.script(f"{REALM}/.well-known/openid-configuration", json_answer(found))
        self.publish("P-256")
        self.idp.script("/token?key=hidden", json_answer(GOOD_TOKEN))
        self.idp.script("/introspect", json_answer({"active": False}))

    def publish(self, curve: str, **more: str) -> None:
        key = ECKey.generate_key(curve, {"kid": "k", "use": "sig"}, private=True)
        self.idp.script("/certs", json_answer({"keys": [{**key.as_dict(private=False), **more}]}))

    def serve(
        self, name: str, authority: Authority, *, dns: str = DATA, uris: tuple[str, ...] = (), life: Life | None = None
    ) -> EchoService:
        pair = authority.issue(DATA, dns=(dns,), uris=uris, usages=(SERVER,), life=life).write(self.folder, name)
        service = EchoService("127.0.0.1", 0, tls_server(*pair, self.folder / "zone.crt"))
        return self.stack.enter_context(service)

    def target_like(self, url: str = "", **tls: str | None) -> dict[str, Any]:
        """The good one, changed; it has no token."""
        found: dict[str, Any] = copy.deepcopy(self.config["egress"]["targets"]["data"])
        found |= {"url": url or found["url"], "auth": {"type": "none"}}
        found["tls"] = {name: value for name, value in (found["tls"] | tls).items() if value is not None}
        return found

    @property
    def file(self) -> Path:
        file = self.folder / "config.yaml"
        file.write_text(json.dumps(self.config))
        return file

    def found(self) -> dict[str, str]:
        """By thing: what is wrong with it, or nothing."""
        return {one.name: "" if one.error is None else str(one.error) for one in try_all(load_config(self.file, {}))}


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    with made.stack, made.idp, made.opa:
        yield made


def check(ground: Ground, *more: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "authz_service.cli.main", "check", "--config", str(ground.file), *more]
    ended = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "Traceback" not in ended.stderr
    assert not [hidden for hidden in (SECRET, TOKEN, "hidden") if hidden in ended.stdout + ended.stderr]
    return ended.returncode, ended.stdout + ended.stderr


def test_each_thing_has_its_line_and_nothing_is_asked_of_a_target(ground: Ground) -> None:
    """Without the option nobody is asked."""
    code, said = check(ground)
    assert (code, ground.idp.seen(), ground.idp.connections) == (0, [], 0)
    assert "token" not in said

    code, said = check(ground, "--online")
    assert code == 0, said
    for line in (
        f"✓ keys of {ground.issuer}: 1 key",
        f"✓ introspection at {ground.idp.url('/introspect', host=IDP)}: answers",
        "✓ token for data: for 300 s, scopes read",
        "✓ target data: 127.0.0.1, TLSv1.3, its certificate until ",
        "✓ name of http://localhost:9000: ",
        "✓ OPA: ready",
    ):
        assert line in said
    assert said.splitlines()[-1] == "usable"
    assert ground.target.seen == []


def test_a_bundle_and_an_exchange_have_their_lines(ground: Ground) -> None:
    """Whatever the token endpoint answers to a GET: it is there."""
    a_bundle("signing", Answer(body=bundles.bundle(POLICY, KEYS["signing"])))(ground)
    an_exchange(405)(ground)
    code, said = check(ground, "--online")

    assert code == 0, said
    assert "✓ policy bundle: signed, 1 file" in said
    assert "✓ token endpoint for exchanged: answers (HTTP 405)" in said


def test_what_is_wrong_is_told_where_and_what_to_do(ground: Ground) -> None:
    """Exit code 1; the other things are tried all the same, and what leaves out the secrets cannot go online."""
    refusal = {"error": "invalid_client", "error_description": SECRET}
    ground.idp.script("/token?key=hidden", json_answer(refusal, status=401))
    code, said = check(ground, "--online")

    assert (code, said.splitlines()[-1]) == (1, "1 to mend")
    assert "✗ token for data" in said
    assert "egress.targets.data.auth: " in said
    assert "does not accept this client_id or its secret" in said
    assert ". Fix: " in said
    assert "✓ target data" in said
    assert check(ground, "--online", "--anywhere")[0] == 2


Change = Callable[[Ground], object]


def keys_of_another_issuer(ground: Ground) -> None:
    other = {"issuer": "https://other.example", "jwks_uri": ground.idp.url("/certs", host=IDP)}
    ground.idp.script(f"{REALM}/.well-known/openid-configuration", json_answer(other))


def a_provider_of_another_ca(ground: Ground) -> None:
    put(ground.config, "jwt.ca_file", str(ground.folder / "strange.crt"))
    del ground.config["jwt"]["introspection"]


def a_redis_that_is_not_there(ground: Ground) -> None:
    url = f"redis://orders:{SECRET}@127.0.0.1:{free_port()}/0"
    ground.config["egress"]["token_store"] = {"type": "redis", "url": url, "encryption_key": "k" * 32}


def a_bundle(key: str, answer: Answer) -> Change:
    """Offered at the place of OPA, and trusted when `key` has signed it."""

    def change(ground: Ground) -> None:
        bundles.write_public(KEYS[key], ground.folder / "key.pem")
        ground.opa.script("/bundle", answer)
        bundle = {"url": ground.opa.url("/bundle"), "keys": {"default": str(ground.folder / "key.pem")}}
        ground.config["policy"] = {"bundle": bundle}

    return change


def an_exchange(status: int | None) -> Change:
    """A target for which users' tokens are exchanged; None: the endpoint does not answer."""

    def change(ground: Ground) -> None:
        auth = ground.config["egress"]["targets"]["data"]["auth"]
        url = ground.idp.url("/exchange", host=IDP) if status else f"https://{IDP}:{free_port()}/exchange"
        new = {**auth, "type": "oauth2_token_exchange", "audience": "exchanged", "token_url": url}
        ground.config["egress"]["targets"]["exchanged"] = {"url": ground.opa.url(), "auth": new}
        if status:
            ground.idp.script("/exchange", Answer(status=status))

    return change


WRONG: dict[str, tuple[Change, str, str]] = {
    "no key": (lambda g: g.idp.script("/certs", json_answer(EMPTY)), "keys of ", "no usable key"),
    "keys of another algorithm": (lambda g: g.publish("P-384"), "keys of ", "keys are for ES384"),
    "another issuer": (keys_of_another_issuer, "keys of ", "is about 'https://other.example', not about this issuer"),
    "no discovery": (
        lambda g: g.idp.script(f"{REALM}/.well-known/openid-configuration", Answer(status=404)),
        "keys of ",
        "answers HTTP 404",
    ),
    "a provider of another CA": (a_provider_of_another_ca, "keys of ", "certificate"),
    "introspection refused": (
        lambda g: g.idp.script("/introspect", Answer(status=401)),
        "introspection at ",
        "answers HTTP 401",
    ),
    "introspection of anything": (
        lambda g: g.idp.script("/introspect", json_answer({"active": True})),
        "introspection at ",
        "an invented token is active",
    ),
    "another kind of token": (
        lambda g: g.idp.script("/token?key=hidden", json_answer(GOOD_TOKEN | {"token_type": "mac"})),
        "token for data",
        "token_type",
    ),
    "a service without a name": (
        lambda g: put(g.config, "proxy.upstream", "http://nowhere.invalid:9000"),
        "name of http://nowhere.invalid:9000",
        "DNS has no address for nowhere.invalid",
    ),
    "an OPA without its bundles": (
        lambda g: g.opa.script("/health?bundles", Answer(status=500)),
        "OPA",
        "its bundles are not there yet",
    ),
    "a bundle by another key": (
        a_bundle("other", Answer(body=bundles.bundle(POLICY, KEYS["signing"]))),
        "policy bundle",
        "it is not signed by a key of policy.bundle.keys",
    ),
    "no bundle": (a_bundle("signing", Answer(status=404)), "policy bundle", "answers HTTP 404"),
    "no endpoint for an exchange": (an_exchange(None), "token endpoint for exchanged", "targets.exchanged.auth: "),
    "no Redis": (a_redis_that_is_not_there, "Redis", "egress.token_store: Redis: ConnectionError"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_one_wrong_thing_is_told_and_the_others_are_good(ground: Ground, wrong: str) -> None:
    change, thing, said = WRONG[wrong]
    target = ground.config["egress"]["targets"]["data"]
    target["url"] = ground.opa.url()  # without TLS: its handshake is the next test's
    del target["tls"]
    change(ground)
    found = ground.found()

    assert [name for name, error in found.items() if error and not name.startswith(thing)] == []
    [error] = [error for name, error in found.items() if name.startswith(thing)]
    assert said in error
    assert ". Fix: " in error
    assert SECRET not in error


def test_there_are_never_too_many_at_once(ground: Ground) -> None:
    """Whoever is tried has time of his own, and is not late because we are busy with a hundred others."""
    for number in range(12):
        ground.idp.script(f"/certs/{number}", json_answer(EMPTY, delay=0.2))
    given = {"audience": "orders", "ca_file": str(ground.folder / "identity.crt")}
    ground.config["jwt"] = {
        "issuers": [
            {**given, "issuer": f"https://{number}.example", "jwks_url": ground.idp.url(f"/certs/{number}", host=IDP)}
            for number in range(12)
        ]
    }
    found = [error for name, error in ground.found().items() if name.startswith("keys of ")]

    assert ["no usable key" in error for error in found] == [True] * 12
    assert 1 < ground.idp.most_in_flight <= 8


def test_every_target_is_tried_as_envoy_would_reach_it(ground: Ground) -> None:
    """All at once; each one's no says what it is, and not one request is sent."""
    now = time.time()
    foreign = ground.serve("foreign", ground.strange)
    named = ground.serve("named", ground.zone, dns="other.example")
    known = ground.serve("known", ground.zone, dns="other.example", uris=("spiffe://mesh/data",))
    expired = ground.serve("expired", ground.zone, life=Life(now - 7200, now - 3600))
    silent = ground.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    other = ground.strange.issue("orders", usages=(CLIENT,)).write(ground.folder, "other")
    at = f"https://{DATA}:"
    wrong = {
        "foreign": (ground.target_like(f"{at}{foreign.port}"), "targets.foreign.tls.ca_cert: the certificate of"),
        "named": (ground.target_like(f"{at}{named.port}"), "targets.named.tls.server_name: the certificate of"),
        "expired": (ground.target_like(f"{at}{expired.port}"), "certificate has expired"),
        "spiffe": (ground.target_like(spiffe_id="spiffe://mesh/data"), "is of no SPIFFE ID, not of spiffe://mesh/data"),
        "unproven": (
            ground.target_like(client_cert=str(other[0]), client_key=str(other[1])),
            "does not accept the certificate in",
        ),
        "nameless": (
            ground.target_like(client_cert=None, client_key=None),
            "does not accept that we show no certificate",
        ),
        "nobody": (ground.target_like(f"{at}{free_port()}"), "targets.nobody.url: https://data.example:"),
        "silent": (
            ground.target_like(f"{at}{silent.getsockname()[1]}") | {"connect_timeout": "200ms"},
            "no connection within connect_timeout (0.2 s)",
        ),
        "unknown": (ground.target_like("https://nowhere.invalid:8443"), "DNS has no address for nowhere.invalid"),
    }
    good = {
        "named-otherwise": ground.target_like(f"{at}{named.port}", server_name="other.example"),
        "known": ground.target_like(f"{at}{known.port}", spiffe_id="spiffe://mesh/data"),
        "plain": {"url": ground.opa.url()},
    }
    ground.config["egress"]["targets"] |= {name: target for name, (target, _) in wrong.items()} | good
    found = ground.found()

    assert {name: found[f"target {name}"] for name in (*good, "data")} == dict.fromkeys((*good, "data"), "")
    for name, (_, said) in wrong.items():
        assert said in found[f"target {name}"]
        assert ". Fix: " in found[f"target {name}"]
    assert [service.seen for service in (ground.target, foreign, named, expired)] == [[], [], [], []]
