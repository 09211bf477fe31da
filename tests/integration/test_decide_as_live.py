"""`authz decide` and a live sidecar get the same questions, and give the same answers."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.support.certificates import SERVER, Authority, Leaf
from tests.support.faulty_server import Answer, FaultyServer, json_answer
from tests.support.listed_sidecar import REFUSED_BY, ListedSidecar
from tests.support.live import Live
from tests.support.lone_sidecar import REMOVED, until
from tests.support.path_attacks import good_paths, hostile_paths
from tests.support.revocation_shapes import (
    BOTH,
    CALLER,
    ISSUING,
    LONG,
    OTHER_ROOT,
    PAST,
    ROOT,
    SHAPES,
)
from tests.support.revocations import below

from authz_service.cli.decide import Question, explain
from authz_service.errors import AuthzServiceError, CertificateProblems

NO_CONNECTION = "no connection"
GOOD, REVOKED = SHAPES[0].clients()
CAPPED = Authority("shapes-capped", PAST, ROOT)  # an authority that has expired


def sent_with(leaf: Leaf, *authorities: Authority) -> Leaf:
    return leaf._replace(certificate=leaf.certificate + b"".join(one.pem for one in authorities))


CLIENTS: dict[str, Leaf | None] = {
    "good": GOOD,
    "revoked": REVOKED,
    "expired": ROOT.issue(CALLER, life=PAST),
    "of another CA": below(OTHER_ROOT, name=CALLER),
    "not allowed": below(ROOT, name="somebody"),
    "by an authority that is not sent": below(ISSUING, name=CALLER),
    "by an authority without a list": sent_with(below(ISSUING, name=CALLER), ISSUING),
    "by an authority that has expired": sent_with(CAPPED.issue(CALLER, life=LONG), CAPPED),
    "on the denylist": below(ROOT, name=CALLER),
    "for servers": ROOT.issue(CALLER, usages=(SERVER,)),
    "none": None,
}


class Asked(NamedTuple):
    """Of the sidecar, and of the command with its configuration."""

    listed: ListedSidecar
    folder: Path
    john: str

    def live(self, client: Leaf | None, token: str | None, path: str) -> str:
        sidecar = self.listed.sidecar
        pair = None if client is None else client.write(self.folder, f"client-{client.serial}")
        try:
            answer = sidecar.call("GET", path, token=token, certificate=pair)
        except OSError:
            return NO_CONNECTION
        if answer.status == 200:
            return f"200 {sidecar.audit[-1]['path']}"
        return f"{answer.status} {json.loads(answer.body)['reason']}"

    def decided(
        self, capsys: pytest.CaptureFixture[str], client: Leaf | None, token: str | None, path: str
    ) -> tuple[int, str]:
        certificate = None if client is None else client.write(self.folder, f"client-{client.serial}")[0]
        question = Question("GET", path, "orders.example", certificate, token, None, ())
        code = explain(self.listed.sidecar.config_file, {}, question)
        said = capsys.readouterr().out
        if "there is no connection" in said:
            return code, NO_CONNECTION
        if found := re.search(r"^deny (\d+ \w+)", said, re.MULTILINE):
            return code, found[1]
        found = re.search(r"^✓ path: (.*)$", said, re.MULTILINE)
        assert found is not None, said
        return code, f"200 {found[1]}"


@pytest.fixture(scope="module")
def asked(live: Live, module_stack: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    listed, folder = ListedSidecar(live), tmp_path_factory.mktemp("clients")
    denied = CLIENTS["on the denylist"]
    assert denied is not None
    fingerprint = x509.load_pem_x509_certificate(denied.certificate).fingerprint(SHA256()).hex()
    denylist = listed.sidecar.folder / "etc" / "denylist.json"
    denylist.write_text(json.dumps({"certificates": [{"fingerprint_sha256": fingerprint}]}))
    listed.put(SHAPES[0], REVOKED, {"revocation": {"path": str(denylist)}})
    module_stack.enter_context(listed.sidecar)
    return Asked(listed, folder, live.user("john"))


def same(asked: Asked, capsys: pytest.CaptureFixture[str], client: Leaf | None, token: str | None, path: str) -> str:
    """What both said; the exit code goes with it."""
    code, decided = asked.decided(capsys, client, token, path)
    assert decided == asked.live(client, token, path), path
    assert code == (0 if decided.startswith("200") else 1)
    return decided


EXPECTED = {
    "good": "200 /orders/1",
    "not allowed": "403 client_not_allowed",
    "on the denylist": "403 client_cert_revoked",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_same_clients_get_in(asked: Asked, capsys: pytest.CaptureFixture[str], client: str) -> None:
    """Chain, time, lists and denylist."""
    assert same(asked, capsys, CLIENTS[client], asked.john, "/orders/1") == EXPECTED.get(client, NO_CONNECTION)


def test_the_same_tokens_are_taken(asked: Asked, live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    """The keys are found by discovery, as the sidecar finds them."""
    tokens = {
        asked.john: "200 /orders/1",
        asked.john[:-8] + "AAAAAAAA": "401 token_signature_invalid",
        live.signed("users", asked.john, aud="another-service"): "401 token_audience_refused",
        live.signed("users", asked.john, exp=1): "401 token_expired",
        "no token at all": "401 token_malformed",
    }
    assert {token: same(asked, capsys, GOOD, token, "/orders/1") for token in tokens} == tokens
    assert same(asked, capsys, GOOD, None, "/orders/1") == "401 token_missing"


PATHS = (
    "/orders/1", "/", "/orders//1", "/orders/./1", "/orders/../x", "/orders/%2e%2e/x", "/orders/.", "/orders/..",
    "/../..", "/orders/%41", "/orders/%7e", "/orders/%2F1", "/orders/%2f1", "/orders/%5C", "/orders\\1", "/orders/%00",
    "/orders/a#b", "/orders/%zz", "/orders/a%20b", "/orders/..;/x", "/orders/.;/x", "/orders/%2e%2e;/x",
    "/orders/..;x\\admin", "/orders/.%2e;/x", "/orders/%2e.;/x", "/orders/[1]", '/orders/a"b', "/orders/%25",
    "/orders/a/..//b", "/orders/?a=../b", "/orders/{a}", "/%6frders/1", "/orders/%21", "/forbidden", "/x/../forbidden",
    "/orders/a?b#c", "orders", "/orders/%c3%a9", "/orders/%%32%65",
)  # fmt: skip


def test_the_same_paths_are_read_in_the_same_way(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    """Also which path it is that the policy sees."""
    attacks = [path for path in (*good_paths(), *hostile_paths()[::25]) if re.fullmatch(r"/[!-~]*", path)]
    found = {path: same(asked, capsys, GOOD, asked.john, path) for path in (*PATHS, *attacks)}

    assert found["/orders/../x"] == "200 /x"
    assert found["/x/../forbidden"] == "403 policy_denied"
    assert found["/orders//1"] == found["/orders/%2F1"] == "400 path_refused"


@pytest.fixture
def changed(asked: Asked) -> Iterator[ListedSidecar]:
    yield asked.listed
    asked.listed.put_back()


@pytest.mark.parametrize("by", ["envoy", "gate"])
def test_the_same_lists_of_a_longer_chain_are_judged(
    asked: Asked, changed: ListedSidecar, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    """Root and issuing authority; where Envoy cannot use the lists, the gate does."""
    shape = next(one for one in SHAPES if one.by == by and one.bundle == BOTH)
    good, revoked = shape.clients()
    changed.put(shape, revoked)
    # Not before: under the last shape, too, the good one gets in, and what the test before put back is still to come.
    # The lists and the rules may come to Envoy as two changes, and each ends connections that are made meanwhile.
    expected = ["200", REFUSED_BY[by]]
    until(lambda: all(changed.answers(good, revoked) == expected for _ in range(5)))

    assert same(asked, capsys, good, asked.john, "/orders/1") == "200 /orders/1"
    assert same(asked, capsys, revoked, asked.john, "/orders/1") == {"envoy": NO_CONNECTION}.get(
        by, "403 client_cert_revoked"
    )
    assert same(asked, capsys, GOOD, asked.john, "/orders/1") == "200 /orders/1"


@pytest.mark.parametrize(
    ("keys", "introspection", "code", "said"),
    [
        (True, json_answer({"active": True}), 0, "allow allowed"),
        (True, json_answer({"active": False}), 1, "deny 401 token_inactive"),
        (True, Answer(status=500), 2, "deny 503 introspection_unavailable"),
        (False, json_answer({"active": True}), 2, "deny 503 keys_unavailable"),
    ],
)
def test_what_an_issuer_does_not_say_is_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, keys: bool, introspection: Answer, code: int, said: str
) -> None:
    """Its keys, and whether the token is still active: exit code 2, and no allow."""
    key = ECKey.generate_key("P-256", {"kid": "k"}, private=True)
    with FaultyServer() as idp:
        idp.script("/keys", json_answer({"keys": [key.as_dict(private=False)]}) if keys else Answer(status=503))
        idp.script("/introspect", introspection)
        claims = {"iss": "https://idp.example", "aud": "orders", "sub": "john", "exp": int(time.time()) + 600}
        token = jwt.encode({"alg": "ES256", "kid": "k"}, claims, key)
        asked_there = {"url": idp.url("/introspect"), "client_id": "orders", "client_secret": "x" * 16}
        issuer = {"issuer": claims["iss"], "audience": "orders", "jwks_url": idp.url("/keys")}
        config = {
            "service": {"name": "orders"},
            "http": {"addr": "127.0.0.1:8443", "tls": {"enabled": False}},
            "jwt": {**issuer, "introspection": asked_there},
            "proxy": {
                "upstream": "http://127.0.0.1:9000",
                "authz": {"enabled": False},
                "routes": [{"path": "/a", "introspect": True}],
            },
            "runtime": {"state_dir": str(tmp_path / "state")},
        }
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps(config))

        assert explain(file, {}, Question("GET", "/a", "orders.example", None, token, None, ())) == code
    printed = capsys.readouterr().out
    assert said in printed
    assert token not in printed
    assert len(idp.seen("/introspect")) == (1 if keys else 0)


def test_a_chain_that_cannot_be_judged_is_not_allowed(asked: Asked, tmp_path: Path) -> None:
    """Without the CA, or where an agent has it."""
    config = json.loads(asked.listed.sidecar.config_file.read_text())
    config["http"]["tls"]["client_ca_file"] = str(tmp_path / "nowhere.pem")
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(config))
    certificate = GOOD.write(tmp_path, "good")[0]

    with pytest.raises(CertificateProblems, match=r"nowhere\.pem"):
        explain(file, {}, Question("GET", "/orders/1", "orders.example", certificate, asked.john, None, ()))

    agent = {"sds": "unix:///run/agent.sock", "sds_certificate": "spiffe://mesh/orders", "client_auth": "require"}
    config["http"]["tls"] = agent
    file.write_text(json.dumps(config))
    with pytest.raises(AuthzServiceError, match=r"http\.tls\.sds"):
        explain(file, {}, Question("GET", "/orders/1", "orders.example", certificate, asked.john, None, ()))


def test_the_same_escaped_slashes_pass(
    asked: Asked, changed: ListedSidecar, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the route that keeps them, and on no other."""
    routes = [{"path": "/**"}, {"path": "/packages/**", "encoded_slashes": True}]
    changed.put(SHAPES[0], REVOKED, {"proxy.routes": routes})
    until(lambda: asked.live(GOOD, asked.john, "/packages/a%2Fb").startswith("200"))
    paths = {
        "/packages/a%2Fb": "200 /packages/a%2Fb",
        "/packages/a%2F..%2Fb": "400 path_refused",
        "/packages/../orders": "200 /orders",
        "/orders/a%2Fb": "400 path_refused",
    }
    try:
        assert {path: same(asked, capsys, GOOD, asked.john, path) for path in paths} == paths
    finally:
        changed.sidecar.write_config({"proxy.routes": REMOVED})
