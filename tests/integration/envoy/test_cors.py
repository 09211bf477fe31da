"""A web page of another origin: its preflight is answered, a refusal can be read by it, and nobody else gets either."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.envoy_pair import BLOCK
from tests.support.neighbours import Address, Answer, Neighbour, Reply, ask
from tests.support.real_envoy import RealEnvoy

from authz_service import headers
from authz_service.config.model import Config

INGRESS: Address = (f"{BLOCK}.8.1", 21443)
APP: Address = (f"{BLOCK}.8.1", 21900)
PAGE, STRANGER = "https://app.example.com", "https://evil.example"
CONFIG = Config.model_validate(
    {
        "http": {"addr": f"{INGRESS[0]}:{INGRESS[1]}", "tls": {"enabled": False}},
        "proxy": {
            "authz": {"enabled": False},
            "upstream": f"http://{APP[0]}:{APP[1]}",
            "routes": [
                {"path": "/items/**", "methods": ["GET"]},
                {"path": "/items/**", "methods": ["PUT"], "strip_prefix": "/items"},
            ],
            "cors": {"allow_origins": [PAGE], "allow_methods": ["GET", "PUT"], "max_age": "1m"},
        },
    }
)


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Neighbour, Neighbour]]:
    """Its gate and its service."""
    envoy = RealEnvoy(CONFIG, tmp_path_factory.mktemp("c"), {})
    with (
        Neighbour(envoy.paths.worker_socket(0)) as gate,
        Neighbour(envoy.paths.worker_socket(1)),
        Neighbour(APP) as app,
        envoy,
    ):
        yield gate, app


@pytest.fixture(autouse=True)
def _fresh(envoy: tuple[Neighbour, Neighbour]) -> None:
    for neighbour in envoy:
        neighbour.reset()


def preflight(origin: str, path: str = "/items/1") -> Answer:
    asked = [("origin", origin), ("access-control-request-method", "PUT")]
    return ask(INGRESS, "OPTIONS", path, headers=asked)


def test_a_pages_preflight_is_answered_without_the_gate(envoy: tuple[Neighbour, Neighbour]) -> None:
    gate, app = envoy

    answer = preflight(PAGE)

    assert answer.status == 200
    assert answer.values("access-control-allow-origin") == [PAGE]
    assert answer.values("access-control-allow-methods") == ["GET,PUT"]
    assert answer.values("access-control-allow-headers") == ["Authorization,Content-Type"]
    assert answer.values("access-control-max-age") == ["60"]
    assert answer.values("access-control-allow-credentials") == []
    assert preflight(PAGE, "/nothing/here").status == 200
    assert gate.seen == app.seen == []


@pytest.mark.parametrize("origin", [STRANGER, "null", f"{PAGE}.evil.example", PAGE.upper(), f"{PAGE}:8443"])
def test_a_strangers_preflight_is_the_gates(envoy: tuple[Neighbour, Neighbour], origin: str) -> None:
    gate, app = envoy
    gate.answer = lambda _: Reply(401, (), b"{}")

    answer = preflight(origin)

    assert answer.status == 401
    assert answer.values("access-control-allow-origin") == []
    assert len(gate.seen) == 1
    assert app.seen == []


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [("/items/1", 401, 401), ("/items/1", 403, 403), ("/items/1", 500, 503), ("/x", 404, 404)],
)
def test_a_refusal_can_be_read_by_the_page_only(
    envoy: tuple[Neighbour, Neighbour], path: str, said: int, status: int
) -> None:
    """Else it would see a network error, and never ask its user to sign in. Envoy's own answers too."""
    gate, app = envoy
    gate.answer = lambda _: Reply(said, (), b"{}")

    for origin, readable in ((PAGE, [PAGE]), (STRANGER, [])):
        refused = ask(INGRESS, "GET", path, headers=[("origin", origin)])
        assert (refused.status, refused.values("access-control-allow-origin")) == (status, readable)
    assert app.seen == []


def test_who_is_no_page_is_asked_as_before(envoy: tuple[Neighbour, Neighbour]) -> None:
    """An origin is no identity: the gate decides, with it and without."""
    gate, app = envoy

    for more in ([], [("origin", PAGE)]):
        assert ask(INGRESS, "GET", "/items/1", headers=more).status == 200
    assert len(gate.seen) == len(app.seen) == 2
    assert ask(INGRESS, "OPTIONS", "/items/1", headers=[("origin", PAGE)]).status == 404
    assert len(gate.seen) == 3  # not a preflight without the method that it asks for


def test_a_method_takes_its_own_route(envoy: tuple[Neighbour, Neighbour]) -> None:
    """Both are shown to the gate under the name of their path; a preflight needs no route with OPTIONS."""
    gate, app = envoy

    assert ask(INGRESS, "GET", "/items/1").status == 200
    assert ask(INGRESS, "PUT", "/items/1").status == 200
    assert ask(INGRESS, "DELETE", "/items/1", headers=[(headers.NOWHERE, "app")]).status == 404  # the gate says 405

    assert [(seen.method, seen.target) for seen in app.seen] == [("GET", "/items/1"), ("PUT", "/1")]
    assert [(question.value(headers.ROUTE) or "").partition("|")[2] for question in gate.seen] == ["/items/**"] * 3
