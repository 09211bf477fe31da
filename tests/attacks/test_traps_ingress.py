"""The traps of SECURITY §1 that a caller can lay at the ingress, on a real sidecar (README.md lists them all)."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from tests.support.echo_service import EchoService, nothing_arrives, tls_server
from tests.support.live import Live
from tests.support.lone_sidecar import GATEWAY, HOST, LoneSidecar, ask_again
from tests.support.patience import PATIENCE

from authz_devkit.certs.authority import Request, client_request
from authz_devkit.certs.tree import leaf_cert
from authz_service import headers
from authz_service.domain.refusals import Reason

CN, O = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME  # noqa: E741 - its name


def test_t01_a_client_cannot_bring_the_proxys_own_facts(door: LoneSidecar, john: str) -> None:
    """Without a certificate the formatter headers are absent, so a client's own would be believed."""
    certificate = quote(leaf_cert(door.certs, GATEWAY).read_text(), safe="")
    forged = [(headers.PEER_CERT, certificate), (headers.REMOTE, "10.9.8.7"), ("X-Authz-Peer-Cert", certificate)]

    with nothing_arrives(door.echo):
        refused = door.call("GET", "/verified", certificate=None, token=john, headers=forged)
    assert refused.problem["reason"] == Reason.POLICY_DENIED
    assert (door.audit[-1]["mtls_client"], door.audit[-1]["remote"]) == ("", "127.0.0.1")

    assert door.call("GET", "/verified", token=john).status == 200
    assert door.audit[-1]["mtls_client"] == "api-gateway-client"


def test_t02_a_certificate_that_expires_on_an_open_connection_is_refused_there(door: LoneSidecar, john: str) -> None:
    """TLS looks at it once, the gate on every request."""
    now = datetime.now(UTC)
    short = replace(client_request("api-gateway", "zone1", now=now), not_after=now + timedelta(seconds=6))
    connection = door.connection(door.tls(door.issued("short-lived", short)))

    assert ask_again(connection, john) == (200, "")
    time.sleep((short.not_after - datetime.now(UTC)).total_seconds() + 1.1)
    with nothing_arrives(door.echo):
        assert ask_again(connection, john) == (403, Reason.CLIENT_CERT_EXPIRED)
    connection.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_t02_no_session_is_resumed(door: LoneSidecar, john: str, version: ssl.TLSVersion, tmp_path: Path) -> None:
    """A resumed session would carry yesterday's certificate; an ordinary server does resume, so the probe is right."""
    tls = door.tls()
    tls.maximum_version = version
    assert not resumes(door, tls, john)

    server = tls_server(door.certs / "order-service/server.crt", door.certs / "order-service/server.key")
    with EchoService(door.address, 9443, tls=server) as ordinary:
        assert resumes(door, tls, john, ordinary)


@pytest.mark.parametrize("name", ["X-User-Email", "x-user-email", "X-USER-EMAIL", "x-User-eMail"])
def test_t04_an_owned_header_without_a_value_does_not_arrive_from_the_client(
    door: LoneSidecar, live: Live, john: str, name: str
) -> None:
    """In whatever case and number, and when `Connection` names it: set, or gone."""
    assert name.lower() in {one.lower() for one in door.config["proxy"]["headers"]["inject_claims"].values()}
    without = live.signed("users", john, email=...)
    forged = [(name, "evil@example.com"), (name, "evil2@example.com"), ("x-user-id", "root")]

    for sent in (forged, [*forged, ("Connection", name)]):
        assert door.call("GET", "/orders/1", token=without, headers=sent).status == 200
        assert door.echo.seen[-1].values("x-user-email") == []
        assert door.echo.seen[-1].values("x-user-id") == [door.audit[-1]["user_id"]] != ["root"]

        assert door.call("GET", "/orders/1", token=john, headers=sent).status == 200
        assert door.echo.seen[-1].values("x-user-email") == ["john@example.com"]


@pytest.mark.parametrize("name", ["X_User_Email", "x_user_id", "X-User_Roles"])
def test_t04_a_name_that_a_service_may_read_as_an_owned_one_is_refused(door: LoneSidecar, john: str, name: str) -> None:
    """CGI and its heirs turn `-` into `_`."""
    with nothing_arrives(door.echo):
        assert door.call("GET", "/orders/1", token=john, headers=[(name, "root")]).status == 400

    assert door.call("GET", "/orders/1", token=john, headers=[(name.replace("_", "-") + "-x", "x")]).status == 200


def test_t05_the_audited_path_is_the_path_that_was_served(door: LoneSidecar, john: str) -> None:
    """Envoy has headers of its own that claim another one."""
    forged = [(f"x-{name}", "/forged") for name in ("envoy-original-path", "original-url", "rewrite-url")]

    assert door.call("GET", "/orders/real", token=john, headers=forged).status == 200
    assert door.audit[-1]["path"] == door.echo.paths()[-1] == "/orders/real"
    assert not door.echo.seen[-1].names & {name for name, _ in forged}


def test_t06_a_name_is_compared_whole_not_split_at_commas(door: LoneSidecar, john: str) -> None:
    """Each of these would print, or split, as the gateway's."""
    good = client_request("api-gateway", "zone1", now=datetime.now(UTC))
    tricks = {
        "comma in O": ((O, "MyOrg,CN=api-gateway-client"), (CN, "evil")),
        "escaped comma": ((O, "MyOrg\\,CN=api-gateway-client"), (CN, "evil")),
        "the whole name in a CN": ((CN, "CN=api-gateway-client,O=MyOrg"),),
        "two CNs, good first": ((CN, "api-gateway-client"), (CN, "evil"), (O, "MyOrg")),
        "two CNs, good last": ((CN, "evil"), (CN, "api-gateway-client"), (O, "MyOrg")),
        "two Os": ((CN, "api-gateway-client"), (O, "Other"), (O, "MyOrg")),
        "another case": ((CN, "API-gateway-client"), (O, "MyOrg")),
        "a longer name": ((CN, "api-gateway-client2"), (O, "MyOrg")),
        "no name": (),
    }
    refused = {
        name: refusal(door, john, replace(good, subject=subject, uris=("spiffe://mesh/zone9/x",)))
        for name, subject in tricks.items()
    }
    refused["a CA"] = refusal(door, john, replace(good, is_ca=True))

    assert refused.pop("a CA") == "tls_refused"
    assert set(refused.values()) <= {Reason.CLIENT_NOT_ALLOWED, Reason.CLIENT_CERT_INVALID}, refused
    assert refusal(door, john, good) == ""
    assert refusal(door, john, replace(good, subject=((O, "MyOrg"), (CN, "api-gateway-client")))) == ""


@pytest.mark.parametrize(
    "path",
    [
        "/orders/%252e%252e/admin", "/orders/%2525", "/orders/%00", "/orders/..;/admin", "/orders/..;x=y/admin",
        "/orders/%c0%ae%c0%ae/admin", "/orders/%c0%af", "/orders/%e0%80%af", "/orders/%ff", "/orders/%2f..",
        "/orders/%5c..%5cadmin", "/orders/%e2%80%a8", "/orders/%0d%0aX-User-ID:%20root", "/orders/%zz",
        "/orders/%ef%bc%8f..",
        "/orders/../admin", "/orders/%2e%2e/admin", "/orders/.%2e/admin", "//admin", "/orders\\..\\admin",
    ],
)  # fmt: skip
def test_t13_a_path_that_can_be_read_in_two_ways_is_refused(door: LoneSidecar, john: str, path: str) -> None:
    """Or was brought to the one form that the policy sees too, which here forbids it."""
    with nothing_arrives(door.echo):
        answer = door.call("GET", path, token=john)

    assert answer.status in {400, 403}
    assert answer.problem["reason"] in {Reason.PATH_REFUSED, Reason.REQUEST_INVALID, Reason.POLICY_DENIED}


@pytest.mark.parametrize(
    "path", ["/orders/a%20b", "/orders/%D0%B9", "/orders/a;b=c", "/orders/a.b..c", "/orders/x/./y", "/orders/.;/x"]
)
def test_t13_the_service_gets_the_path_that_the_policy_saw(door: LoneSidecar, john: str, path: str) -> None:
    """And these are as good as any."""
    assert door.call("GET", f"{path}?q=..%2f..", token=john).status == 200

    assert door.echo.paths()[-1] == f"{door.audit[-1]['policy_audit']['path']}?q=..%2f.."


@pytest.mark.parametrize("hosts", [["a.example", "b.example"], ["a@b.example"], ["a.example,b.example"], [""]])
def test_t14_a_request_has_one_host(door: LoneSidecar, john: str, hosts: list[str]) -> None:
    """What the policy judges as host must be what the service takes for it."""
    head = [f"host: {host}" for host in hosts]
    with nothing_arrives(door.echo):
        assert raw_status(door, "GET", "/orders/1", john, *head) == 400

    assert raw_status(door, "GET", "/orders/1", john, "host: a.example") == 200


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get", "TRACK", "DEBUG", "X"])
def test_t15_only_ordinary_methods_pass(door: LoneSidecar, john: str, method: str) -> None:
    """Refused by Envoy's parser (400), its router (404) or the gate (405)."""
    target = f"{HOST}:443" if method == "CONNECT" else "/orders/1"
    with nothing_arrives(door.echo):
        assert raw_status(door, method, target, john, f"host: {HOST}") in {400, 404, 405}

    assert raw_status(door, "PATCH", "/orders/1", john, f"host: {HOST}") == 200


@pytest.mark.parametrize("method", ["BREW", "PRI", "DESCRIBE", "PROPFIND", "X" * 200])
def test_t15_a_method_of_http2_that_nobody_knows_is_refused_and_recorded(
    door: LoneSidecar, john: str, method: str
) -> None:
    """Envoy passes any token on; a parser that did not know it made 503 of it, without a record."""
    for name, status in ((method, 405), ("GET", 200)):
        before = len(door.audit)
        with httpx.Client(http1=False, http2=True, verify=door.tls(), timeout=PATIENCE) as client:
            answer = client.request(
                name,
                f"https://{door.address}:8443/orders/1",
                headers={"host": HOST, "authorization": f"Bearer {john}"},
                extensions={"sni_hostname": HOST},
            )
        assert answer.status_code == status
        assert [record["method"] for record in door.audit[before:]] == [name]


@pytest.mark.parametrize("count", [10, 60, 85, 92, 96, 99, 100, 150, 500])
def test_t16_many_headers_are_served_or_refused_but_break_nothing(door: LoneSidecar, john: str, count: int) -> None:
    """What the gate adds counts too: an overflow there is the caller's as well, not a defect of ours."""
    answer = door.call("GET", "/orders/1", token=john, headers=[(f"x-filler-{n}", "v") for n in range(count)])

    assert answer.status == (200 if count < 90 else 431)
    assert answer.status == 200 or answer.problem["reason"] == Reason.HEADERS_TOO_LARGE


@pytest.mark.parametrize(("kib", "status"), [(8, 200), (24, 200), (31, 431), (40, 431), (200, 431)])
def test_t16_large_headers_are_served_or_refused_but_break_nothing(
    door: LoneSidecar, john: str, kib: int, status: int
) -> None:
    """32 KiB in all."""
    assert door.call("GET", "/orders/1", token=john, headers=[("x-filler", "v" * (kib << 10))]).status == status


def test_t16_a_token_whose_claims_fill_the_headers_loses_the_longest(door: LoneSidecar, live: Live, john: str) -> None:
    """Envoy would answer 500 to what is injected. The caller's own value does not come instead; the record says it."""
    few, many = ({"roles": [f"role-{n:04d}" for n in range(count)]} for count in (300, 860))

    assert door.call("GET", "/orders/1", token=live.signed("users", john, realm_access=few)).status == 200
    assert len(door.echo.seen[-1].values("x-user-roles")[0].split(",")) == 300
    token, own = live.signed("users", john, realm_access=many), [("x-user-roles", "admin")]
    assert door.call("GET", "/orders/1", token=token, headers=own).status == 200
    assert door.echo.seen[-1].values("x-user-roles") == []
    assert door.echo.seen[-1].values("x-user-id")
    assert "x-user-roles" in door.audit[-1]["reasons"][-1]


def test_t22_nobody_can_listen_beside_us(door: LoneSidecar) -> None:
    """With SO_REUSEPORT on the listener a second process would get every other connection."""
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            thief.bind(door.place)
        thief.bind((door.address, 8444))


def test_t25_a_stranger_does_not_say_on_whose_behalf_he_acts(door: LoneSidecar, john: str) -> None:
    """Only who shows a certificate may; the audit record names the token's user instead."""
    said = [(headers.USER_CONTEXT, "mary")]

    assert door.call("GET", "/orders/1", certificate=None, token=john, headers=said).status == 200
    assert door.echo.seen[-1].values(headers.USER_CONTEXT) == []
    assert door.audit[-1]["user_context"] == door.audit[-1]["user_id"]

    assert door.call("GET", "/orders/1", token=john, headers=said).status == 200
    assert door.echo.seen[-1].values(headers.USER_CONTEXT) == [door.audit[-1]["user_context"]] == ["mary"]


@pytest.mark.parametrize("bad", ["x" * 8192, "x" * 129, "two words", 'a"b', "{}", "ü", "a,b", "a\tb", "../../etc"])
def test_t25_a_bad_correlation_id_is_replaced_everywhere(door: LoneSidecar, john: str, bad: str) -> None:
    """Client, service and audit record see the same new one; a good one stays."""
    answer = door.call("GET", "/orders/1", token=john, headers=[(headers.CORRELATION_ID, bad)])
    [made] = answer.values(headers.CORRELATION_ID)
    assert made not in {bad, ""}
    assert door.echo.seen[-1].values(headers.CORRELATION_ID) == [door.audit[-1]["correlation_id"]] == [made]

    kept = door.call("GET", "/orders/1", token=john, headers=[(headers.CORRELATION_ID, "x" * 128)])
    assert kept.values(headers.CORRELATION_ID) == [door.audit[-1]["correlation_id"]] == ["x" * 128]


def refusal(door: LoneSidecar, token: str, request: Request) -> str:
    """The reason for which a client with this certificate is refused; "" when it is served."""
    try:
        answer = door.call("GET", "/orders/1", token=token, certificate=door.issued("trick", request))
    except (ssl.SSLError, ConnectionError):
        return "tls_refused"
    return "" if answer.status == 200 else str(answer.problem["reason"])


def resumes(door: LoneSidecar, tls: ssl.SSLContext, token: str, server: EchoService | None = None) -> bool:
    """Whether a second connection may go on with the first one's session."""
    found = []
    session = None
    for _ in range(2):
        plain = socket.create_connection((server.host, server.port) if server else door.place, timeout=PATIENCE)
        with tls.wrap_socket(plain, server_hostname=HOST, session=session) as connection:
            connection.sendall(f"GET /orders/1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            session = connection.session
            found.append(connection.session_reused)
    return bool(found[1])


def raw_status(door: LoneSidecar, method: str, target: str, token: str, *lines: str) -> int:
    head = [f"{method} {target} HTTP/1.1", *lines, f"authorization: Bearer {token}", "connection: close", "", ""]
    return int(door.raw("\r\n".join(head).encode()).split(b" ")[1])


def test_who_shows_no_certificate_does_not_pass_the_list_of_clients(
    door: LoneSidecar, live: Live, module_stack: ExitStack, john: str
) -> None:
    """`client_auth: request` ends no handshake; only a key of its own lets him by."""
    asking = module_stack.enter_context(LoneSidecar(live, {"http.tls.client_auth": "request"}))

    with nothing_arrives(asking.echo):
        refused = asking.call("GET", "/orders/1", certificate=None, token=john)
    assert (refused.status, refused.problem["reason"]) == (403, Reason.CLIENT_CERT_MISSING)

    assert asking.call("GET", "/orders/1", token=john).status == 200
    assert door.call("GET", "/orders/1", certificate=None, token=john).status == 200


def test_a_refused_certificate_is_in_the_record(door: LoneSidecar, live: Live, john: str) -> None:
    """With what the denylist wants to know."""
    mallory = door.issued("mallory", client_request("mallory", "zone2", now=datetime.now(UTC)))

    refused = door.call("GET", "/orders/1", token=john, certificate=mallory)

    assert (refused.status, refused.problem["reason"]) == (403, Reason.CLIENT_NOT_ALLOWED)
    record = door.audit[-1]
    shown = x509.load_pem_x509_certificate(mallory[0].read_bytes())
    assert record["mtls_client"] == "mallory-client"
    assert record["mtls_fingerprint"] == shown.fingerprint(SHA256()).hex()
