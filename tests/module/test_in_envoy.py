"""What the module takes from the real Envoy is as it takes it: numbers of an enumeration, hooks, metadata, headers."""

from __future__ import annotations

import os
import re
import runpy
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.module import host as hosts
from tests.module.ground import KEY, Ground
from tests.module.real_host import DENIED, UNREACHABLE, RealHost

from authz_service.audit.chain import heads
from authz_service.audit.verify import Place, Verifier
from authz_service.envoy.binary import find_envoy


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the sources, as an installation compiles it."""
    if hosts.COMPILER is None:
        pytest.skip(hosts.WITHOUT)
    made = tmp_path_factory.mktemp("library") / "decision_cache.so"
    problem = runpy.run_path(str(hosts.SOURCES / "build.py"))["build"](made)
    assert problem == ""
    return made


@pytest.fixture(scope="module")
def envoy(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHost]:
    with RealHost(Ground(tmp_path_factory.mktemp("envoy")), library, ipv6=_has_ipv6()) as one:
        yield one


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_request_like_one_that_was_allowed_asks_nobody(envoy: RealHost) -> None:
    """Over another connection; the service gets the gate's headers, not the caller's, and the caller's token goes."""
    sent = [("authorization", "Bearer t"), ("x-user-id", "evil"), ("x-user-id", "evil")]
    first, second = envoy.call("/a/1", sent), envoy.call("/a/1", [*sent, ("x-correlation-id", "another")])

    assert (first.asked, second.asked) == (True, False)
    assert (first.answer.status, second.answer.status) == (200, 200)
    assert second.arrived is not None
    assert second.arrived.values("x-user-id") == ["u-1"]
    assert second.arrived.values("authorization") == []
    assert second.arrived.values("x-correlation-id") == ["another"]
    assert second.arrived.values("x-shown-user") == ["5f"]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a/2?a=1", [("authorization", "Bearer t"), ("x-extra", "1"), ("x-extra", "2")]),
        ("/a/2", [("authorization", "Bearer u"), ("x-extra", "1"), ("x-extra", "2")]),
        ("/a/2", [("authorization", "Bearer t"), ("x-extra", "2"), ("x-extra", "1")]),
        ("/a/2", [("authorization", "Bearer t"), ("x-extra", "1")]),
        ("/a/2", [("authorization", "Bearer t"), ("x-extra", "1"), ("x-extra", "2"), ("host", "other")]),
        ("/a/2", [("authorization", "Bearer t"), ("x-extra", "1"), ("x-extra", "2"), ("x-other-route", "1")]),
        ("/a/2", [("authorization", "Bearer t"), ("x-extra", "1"), ("x-extra", "2"), ("x-correlation-id", "a b")]),
    ],
    ids=["query", "token", "order", "fewer", "host", "route", "correlation id"],
)
def test_one_that_differs_is_asked_about(envoy: RealHost, path: str, headers: list[tuple[str, str]]) -> None:
    envoy.call("/a/2", good := [("authorization", "Bearer t"), ("x-extra", "1"), ("x-extra", "2")])

    assert not envoy.call("/a/2", good).asked
    assert envoy.call(path, headers).asked


def test_another_certificate_is_another_request(envoy: RealHost) -> None:
    """And none at all; each of them by itself is known the second time."""
    for client in ("one", "other", ""):
        assert envoy.call("/a/3", at=envoy.tls, client=client).asked
        assert not envoy.call("/a/3", at=envoy.tls, client=client).asked


@pytest.mark.parametrize("addresses", [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")])
def test_another_address_is_another_request_also_of_a_trusted_forwarder(
    envoy: RealHost, addresses: tuple[str, str]
) -> None:
    """The port that Envoy gives it is 0 then."""
    for address in addresses:
        headers = [("x-forwarded-for", f"203.0.113.9, {address}")]
        assert envoy.call("/a/4", headers, at=envoy.trusting).asked
        assert not envoy.call("/a/4", headers, at=envoy.trusting).asked


def test_over_ipv6_the_port_makes_no_difference_either(envoy: RealHost) -> None:
    if envoy.ipv6 is None:
        pytest.skip("this machine has no IPv6")

    assert envoy.call("/a/5", at=envoy.ipv6).asked
    assert not envoy.call("/a/5", at=envoy.ipv6).asked


def test_nothing_is_learnt_of_a_refusal_and_all_of_an_allow_whose_service_is_away(envoy: RealHost) -> None:
    """Envoy keeps a refusal's headers as metadata, too; and it answers itself where it reaches no service."""
    refused = [envoy.call(DENIED) for _ in range(3)]
    away = [envoy.call(UNREACHABLE) for _ in range(2)]

    assert [(one.answer.status, one.asked) for one in refused] == [(403, True)] * 3
    assert [(one.answer.status, one.asked) for one in away] == [(503, True), (503, False)]


def test_its_records_are_those_that_audit_verify_follows(envoy: RealHost) -> None:
    """One for each request that nobody was asked about."""
    envoy.call("/a/6")
    before = envoy.ground.board.told("repeated")
    for _ in range(3):
        envoy.call("/a/6")
    verifier = Verifier([KEY], heads={one.writer: one for one in heads(envoy.ground.chain)})
    for number, line in enumerate(envoy.ground.audit.read_bytes().splitlines(keepends=True), 1):
        verifier.read(Place("audit.jsonl", number), line)
    verifier.finish()

    assert envoy.ground.board.told("repeated") == before + 3
    assert verifier.records == before + 3
    assert verifier.findings == []


def test_envoy_says_nothing_against_the_module(envoy: RealHost) -> None:
    """Another version of the interface would be a warning."""
    envoy.call("/a/7")

    assert "dynamic" not in envoy.log.lower()


def test_what_the_module_calls_is_what_envoy_exports(library: Path) -> None:
    """Name by name, and nothing of a C library that is newer than Envoy's own needs."""
    wanted = _symbols(library, "--undefined-only")
    exported = _symbols(find_envoy(os.environ), "--defined-only")

    called = {name for name in wanted if name.startswith("envoy_")}
    assert len(called) >= 9
    assert called <= exported
    versions = {
        tuple(map(int, found[1].split("."))) for name in wanted if (found := re.search(r"GLIBC_([\d.]+)", name))
    }
    assert max(versions) <= (2, 31)


def test_the_library_is_hardened_and_shows_nothing_but_hooks(library: Path) -> None:
    """Everything is bound when it is loaded, and read-only then; its stack is no code; canaries guard it."""
    told = subprocess.run(
        ["readelf", "-dlW", str(library)], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    (stack,) = (line.split() for line in told.splitlines() if "GNU_STACK" in line)

    assert "BIND_NOW" in told
    assert "GNU_RELRO" in told
    assert "E" not in stack[6]
    assert "__stack_chk_fail" in str(_symbols(library, "--undefined-only"))
    assert {name.rpartition("_on_")[0] for name in _symbols(library, "--defined-only")} == {"envoy_dynamic_module"}


def _symbols(library: Path, which: str) -> set[str]:
    told = subprocess.run(["nm", "-D", which, str(library)], capture_output=True, text=True, timeout=60, check=True)
    return {line.split()[-1] for line in told.stdout.splitlines()}
