"""The development identity provider as a process: real TLS, every grant with its "no"."""

import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet
from tests.support.blocks import claim_block
from tests.support.patience import PATIENCE

from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import create_tree

REALMS = Path(__file__).parents[2] / "examples/three_zones/realms"
HOSTNAME = "https://keycloak.example.com:8443"
LEAF = "identity-provider/server"
PASSWORD = {"grant_type": "password", "client_id": "web-app", "username": "john", "password": "secret"}
CREDENTIALS = {"grant_type": "client_credentials", "scope": "data-service:read data-service:write"}


@dataclass
class Provider:
    """One running `authz-dev idp`, and a client that trusts its CA only."""

    folder: Path
    address: str
    process: subprocess.Popen[bytes]
    http: httpx.Client
    claim: socket.socket  # of its address

    @property
    def certs(self) -> Path:
        return self.folder / "certs"

    def log(self) -> str:
        return (self.folder / "idp.log").read_text()

    def get(self, path: str) -> Any:
        response = self.http.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    def token(self, realm: str, form: dict[str, str], **options: Any) -> httpx.Response:
        return self.http.post(f"/realms/{realm}/protocol/openid-connect/token", data=form, **options)

    def claims(self, realm: str, token: str) -> dict[str, Any]:
        """What the token says, after its signature was checked with the published keys."""
        keys = KeySet.import_key_set(self.get(f"/realms/{realm}/protocol/openid-connect/certs"))
        return jwt.decode(token, keys, algorithms=["RS256"]).claims


def start(folder: Path, realms: Path = REALMS) -> Provider:
    block, claim = claim_block()
    address = f"127.{block}.9.1"
    certs = folder / "certs"
    create_tree(certs, now=datetime.now(UTC), ips={"identity-provider": [address]})
    command = [sys.executable, "-m", "authz_devkit.cli", "idp", f"--realms={realms}", f"--listen={address}:8443"]
    command += [f"--hostname={HOSTNAME}", f"--state={folder / 'state.json'}"]
    command += [f"--cert={certs / LEAF}.crt", f"--key={certs / LEAF}.key"]
    with (folder / "idp.log").open("ab") as log:
        process = subprocess.Popen(command, stderr=log)
    trust = ssl.create_default_context(cafile=certs / "ca/identity-ca.crt")
    http = httpx.Client(base_url=f"https://{address}:8443", verify=trust, trust_env=False, timeout=PATIENCE)
    provider = Provider(folder, address, process, http, claim)
    wait_until(lambda: is_up(provider), "the provider answers")
    return provider


def stop(provider: Provider) -> int:
    provider.http.close()
    provider.claim.close()
    provider.process.terminate()
    return provider.process.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    running = start(tmp_path_factory.mktemp("idp"))
    yield running
    stop(running)


def test_discovery_names_what_is_served(provider: Provider) -> None:
    document = provider.get("/realms/users/.well-known/openid-configuration")

    assert document["issuer"] == f"{HOSTNAME}/realms/users"
    assert {"password", "client_credentials", "refresh_token"} < set(document["grant_types_supported"])
    for name in ("jwks_uri", "token_endpoint", "introspection_endpoint"):
        path = document[name].removeprefix(HOSTNAME)
        assert provider.http.get(path).status_code in {200, 405}


def test_a_user_gets_a_token_for_the_whole_way(provider: Provider) -> None:
    """The specification's own curl line."""
    answer = provider.token("users", PASSWORD)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"], body["refresh_expires_in"]) == ("Bearer", 300, 1800)
    claims = provider.claims("users", body["access_token"])
    assert claims["iss"] == f"{HOSTNAME}/realms/users"
    assert claims["aud"] == ["api-gateway", "order-service", "payment-service"]
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - time.time()) < 30
    assert "orders:create" in claims["realm_access"]["roles"]


@pytest.mark.parametrize(
    ("change", "status", "body"),
    [
        (
            {"password": "guess"},
            400,
            {"error": "invalid_grant", "error_description": "Invalid user credentials"},
        ),
        (
            {"client_id": "nobody"},
            401,
            {"error": "invalid_client", "error_description": "Invalid client or Invalid client credentials"},
        ),
        (
            {"grant_type": "magic"},
            400,
            {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type"},
        ),
    ],
)
def test_a_user_with_one_wrong_thing_gets_keycloak_s_error(
    provider: Provider, change: dict[str, str], status: int, body: dict[str, str]
) -> None:
    answer = provider.token("users", {**PASSWORD, **change})

    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    ("client", "scope", "roles"),
    [
        ("order-service", "data-service:read data-service:write", ["read-inventory", "read-orders", "write-orders"]),
        ("payment-service", "data-service:read data-service:write-payments", ["read-orders", "write-payments"]),
    ],
)
@pytest.mark.parametrize("by_header", [True, False])
def test_a_service_gets_its_roles_by_either_way_of_naming_itself(
    provider: Provider, client: str, scope: str, roles: list[str], *, by_header: bool
) -> None:
    secret = f"{client}-secret"
    form = {"grant_type": "client_credentials", "scope": scope}
    if by_header:
        answer = provider.token("services", form, auth=(client, secret))
        wrong = provider.token("services", form, auth=(client, "guess"))
    else:
        answer = provider.token("services", {**form, "client_id": client, "client_secret": secret})
        wrong = provider.token("services", {**form, "client_id": client, "client_secret": "guess"})

    claims = provider.claims("services", answer.json()["access_token"])
    assert (claims["azp"], claims["aud"], claims["client_id"]) == (client, "data-service", client)
    assert claims["resource_access"] == {"data-service": {"roles": roles}}
    assert claims["clientAddress"] == "127.0.0.1"
    assert "refresh_token" not in answer.json()
    assert (wrong.status_code, wrong.json()["error"]) == (401, "unauthorized_client")


def test_a_service_cannot_ask_for_another_s_scope(provider: Provider) -> None:
    form = {"grant_type": "client_credentials", "scope": "data-service:write-payments"}

    answer = provider.token("services", form, auth=("order-service", "order-service-secret"))

    assert answer.status_code == 400
    assert answer.json() == {
        "error": "invalid_scope",
        "error_description": "Invalid scopes: data-service:write-payments",
    }


def test_a_refresh_token_gives_new_tokens_and_an_access_token_does_not(provider: Provider) -> None:
    first = provider.token("users", PASSWORD).json()
    form = {"grant_type": "refresh_token", "client_id": "web-app"}

    second = provider.token("users", {**form, "refresh_token": first["refresh_token"]}).json()
    wrong = provider.token("users", {**form, "refresh_token": first["access_token"]})

    old, new = (provider.claims("users", answer["access_token"]) for answer in (first, second))
    assert (new["sub"], new["sid"]) == (old["sub"], old["sid"])
    assert new["jti"] != old["jti"]
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")


def test_introspection_knows_a_token_and_tells_only_whom_it_is_for(provider: Provider) -> None:
    path = "/realms/services/protocol/openid-connect/token/introspect"
    auth, other = ("data-service", "data-service-secret"), ("order-service", "order-service-secret")
    token = provider.token("services", CREDENTIALS, auth=other).json()["access_token"]
    foreign = provider.token("users", PASSWORD).json()["access_token"]

    assert provider.http.post(path, data={"token": token}, auth=auth).json()["active"] is True
    assert provider.http.post(path, data={"token": token}, auth=other).json() == {"active": False}
    assert provider.http.post(path, data={"token": foreign}, auth=auth).json() == {"active": False}
    assert provider.http.post(path, data={"token": token}, auth=("data-service", "x")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/realms/nowhere", 404, "Realm does not exist"),
        ("GET", "/realms/nowhere/protocol/openid-connect/certs", 404, "Realm does not exist"),
        ("GET", "/realms/users/protocol/openid-connect/token", 405, "HTTP 405 Method Not Allowed"),
        ("GET", "/nothing", 404, "HTTP 404 Not Found"),
    ],
)
def test_a_wrong_address_is_answered_in_json(
    provider: Provider, method: str, path: str, status: int, error: str
) -> None:
    answer = provider.http.request(method, path)

    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_a_repeated_parameter_is_refused(provider: Provider) -> None:
    answer = provider.token("users", {**PASSWORD, "username": ["john", "mary"]})  # type: ignore[dict-item]

    assert (answer.status_code, answer.json()["error_description"]) == (400, "duplicated parameter")


def test_keys_rotate_on_demand(provider: Provider) -> None:
    """With the old key kept, old tokens still verify; without it, they do not."""
    token = provider.token("users", PASSWORD).json()["access_token"]

    def rotate(**body: Any) -> httpx.Response:
        return provider.http.post("/dev/realms/users/rotate-keys", json=body)

    kept = rotate(keep_old=True).json()
    assert len(kept["published"]) == 2
    provider.claims("users", token)

    dropped = rotate(keep_old=False).json()
    assert dropped["published"] == [dropped["active"]]
    with pytest.raises(InvalidKeyIdError):
        provider.claims("users", token)
    provider.claims("users", provider.token("users", PASSWORD).json()["access_token"])

    assert rotate().status_code == 400
    web_page = {"content-type": "text/plain"}  # what a foreign page in a browser may send unasked
    sent = provider.http.post("/dev/realms/users/rotate-keys", content='{"keep_old": true}', headers=web_page)
    assert sent.status_code == 400


def test_a_new_certificate_is_served_without_a_restart_and_a_bad_one_is_not(provider: Provider) -> None:
    before = served_certificate(provider)
    cert = provider.certs / f"{LEAF}.crt"
    good = cert.read_bytes()

    cert.write_bytes((provider.certs / "gateway/server.crt").read_bytes())
    wait_until(lambda: "certificate_not_reloaded" in provider.log(), "the bad pair is reported")
    assert served_certificate(provider) == before

    cert.write_bytes(good)
    rotate_leaf(provider.certs, LEAF, now=datetime.now(UTC))
    renewed = ssl.PEM_cert_to_DER_cert(cert.read_text())
    wait_until(lambda: served_certificate(provider) == renewed, "the new certificate is served")


def test_nobody_else_s_ca_is_accepted_and_nothing_is_served_without_tls(provider: Provider) -> None:
    other = ssl.create_default_context(cafile=provider.certs / "ca/zone1-ca.crt")

    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://{provider.address}:8443/realms/users", verify=other, trust_env=False, timeout=PATIENCE)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"http://{provider.address}:8443/realms/users", trust_env=False, timeout=PATIENCE)


def test_it_ends_cleanly_keeps_its_keys_and_says_what_it_is_for(tmp_path: Path) -> None:
    certs = "/realms/users/protocol/openid-connect/certs"
    first = start(tmp_path)
    published = first.get(certs)
    first.token("users", PASSWORD)

    assert stop(first) == 0
    assert "DEVELOPMENT" in first.log()
    assert "Traceback" not in first.log()
    assert "secret" not in first.log()

    second = start(tmp_path)
    assert second.get(certs) == published
    second.http.close()
    second.claim.close()
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(timeout=PATIENCE) == 0


def test_a_broken_realm_file_stops_the_start_with_file_and_path(tmp_path: Path) -> None:
    (tmp_path / "users-realm.json").write_text('{"realm": "users", "clients": [{"clientId": 5}]}')
    command = [sys.executable, "-m", "authz_devkit.cli", "idp", f"--realms={tmp_path}", "--cert=x", "--key=y"]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert ended.returncode == 1
    assert "users-realm.json: Expected `str`, got `int` - at `$.clients[0].clientId`" in ended.stderr


def is_up(provider: Provider) -> bool:
    assert provider.process.poll() is None, provider.log()
    try:
        return provider.http.get("/realms/users").status_code == 200
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def served_certificate(provider: Provider) -> bytes:
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((provider.address, 8443)))
