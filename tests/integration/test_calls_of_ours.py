"""Every TLS call of the control plane keeps the same rules: names by SAN only, a CA file in place of the system's."""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from tests.support.certificates import SERVER, Authority
from tests.support.faulty_server import FaultyServer, json_answer

from authz_service.credentials.shared_tokens import StoreSettings, connection_pool
from authz_service.domain.secret import Secret
from authz_service.errors import CertificateProblems, FetchError
from authz_service.http_client import HttpClient
from authz_service.tls_context import strict_context

ROOT = Path(__file__).parents[2]
NAME = "idp.example.com"
Call = Callable[[FaultyServer, Path | None], Coroutine[None, None, None]]
REFUSED = (FetchError, OSError, RedisError)


async def by_http(server: FaultyServer, ca_file: Path | None) -> None:
    """Identity providers, bundles, decision logs: whoever uses HttpClient."""
    client = HttpClient({NAME: "127.0.0.1"}, ca_file)
    try:
        await client.get(server.url("/x", host=NAME))
    finally:
        await client.aclose()


async def by_redis(server: FaultyServer, ca_file: Path | None) -> None:
    """The token store, whatever its URL says about checking; it speaks another protocol once TLS is there."""
    port = server.url("/").rpartition(":")[2].strip("/")
    url = f"rediss://localhost:{port}/0?ssl_cert_reqs=none&ssl_check_hostname=false"
    pool = connection_pool(StoreSettings(Secret(url), Secret("k" * 32), ca_file))
    connection = pool.make_connection()  # type: ignore[no-untyped-call]
    try:
        await connection._connect()
    finally:
        await connection.disconnect()


CALLS = {"http": (by_http, NAME), "redis": (by_redis, "localhost")}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.living("ours", time.time())


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> Path:
    file = tmp_path / "ca.crt"
    file.write_bytes(authority.pem)
    return file


@pytest.fixture(params=CALLS)
def call(request: pytest.FixtureRequest) -> tuple[Call, str]:
    return CALLS[request.param]


def serving(authority: Authority, folder: Path, common_name: str, *names: str) -> FaultyServer:
    server = FaultyServer(tls=authority.issue(common_name, dns=names, usages=(SERVER,)).write(folder, "server"))
    server.script("/x", json_answer({}))
    return server


def refused(call: Call, server: FaultyServer, ca_file: Path | None) -> str:
    with pytest.raises(REFUSED) as error:
        asyncio.run(call(server, ca_file))
    return str(error.value)


def test_a_server_is_known_by_its_alternative_name_only(
    call: tuple[Call, str], authority: Authority, ca_file: Path, tmp_path: Path
) -> None:
    """RFC 9525 §2: never by its CN, also where it has no alternative name at all."""
    ask, name = call
    with serving(authority, tmp_path, "whoever", name) as server:
        asyncio.run(ask(server, ca_file))
    with serving(authority, tmp_path, name) as server:
        assert "certificate" in refused(ask, server, ca_file)
    with serving(authority, tmp_path, name, "other.example.com") as server:
        assert "certificate" in refused(ask, server, ca_file)


def test_a_ca_file_stands_in_place_of_the_systems(
    call: tuple[Call, str], authority: Authority, ca_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, name = call
    system = Authority.living("system", time.time())
    bundle = tmp_path / "system.crt"
    bundle.write_bytes(system.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    with serving(system, tmp_path, "x", name) as server:
        asyncio.run(ask(server, None))
        assert "certificate" in refused(ask, server, ca_file)
    with serving(authority, tmp_path, "x", name) as server:
        asyncio.run(ask(server, ca_file))
        assert "certificate" in refused(ask, server, None)


def test_no_key_of_a_session_is_written_down(
    ca_file: Path, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says."""
    keys = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    with serving(authority, tmp_path, "x", NAME) as server:
        asyncio.run(by_http(server, ca_file))

    assert not keys.exists()


@pytest.mark.parametrize(("whole", "end"), [(1, 40), (0, 40), (0, 800)])
def test_a_ca_file_is_taken_as_a_whole(ca_file: Path, authority: Authority, whole: int, end: int) -> None:
    """One and a half, half of one, nothing."""
    strict_context(ca_file)
    ca_file.write_bytes(whole * authority.pem + authority.pem[:-end])

    with pytest.raises(CertificateProblems, match=r"ca\.crt"):
        strict_context(ca_file)


def _makes_a_context(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in {"SSLContext", "create_default_context", "_create_unverified_context", "wrap_socket"}:
                yield name
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
            yield from sorted(names & {"aiohttp", "httpx", "requests", "urllib.request", "urllib3", "grpc"})


def test_nobody_else_makes_a_context_or_brings_another_client() -> None:
    """The list of whoever calls out over TLS: HttpClient and the token store."""
    found = {
        str(file.relative_to(ROOT / "src/authz_service")): sorted(set(_makes_a_context(file)))
        for file in (ROOT / "src/authz_service").rglob("*.py")
    }

    assert {file: names for file, names in found.items() if names} == {
        "tls_context.py": ["SSLContext"],
        "http_client.py": ["SSLContext"],  # as a type
        "credentials/shared_tokens.py": ["SSLContext"],  # as a type
        "decision_point/askers.py": ["SSLContext"],  # of who asks us
        "decision_point/door.py": ["SSLContext"],  # as a type
    }
