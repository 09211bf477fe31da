"""Envoy's route and the path's own must be one: a path that reads into another route is refused."""

import pytest

from authz_service.domain.rules import RouteRules
from authz_service.ingress.route_table import RouteTable
from authz_service.request_form import require_segments

EVERYTHING, ADMIN, RUN, ROOT = "/**", "/admin/**", "/jobs:run", "/"


def table(*names: str) -> RouteTable:
    return RouteTable(RouteRules(name, auth_required=True, methods=(), downstream="") for name in names)


ROUTES = table(EVERYTHING, ADMIN, RUN, ROOT)


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", ROOT),
        ("/x", EVERYTHING),
        ("/jobs:run", RUN),
        ("/jobs:run/", EVERYTHING),
        ("/admin", ADMIN),
        ("/admin/", ADMIN),
        ("/admin/a/b", ADMIN),
        ("/administration", EVERYTHING),
    ],
)
def test_a_path_belongs_to_the_most_specific_route(path: str, route: str) -> None:
    """As Envoy chooses: exact before below, longer before shorter, whole segments only."""
    assert ROUTES.find(require_segments(path)) == route
    assert ROUTES.agrees(route, require_segments(path))


@pytest.mark.parametrize(
    ("path", "envoys", "twin"),
    [
        ("/jobs%3Arun", EVERYTHING, "/jobs%3Awalk"),
        ("/%61dmin/secret", EVERYTHING, "/%61dministration"),
        ("/admin;x=1/secret", EVERYTHING, "/adminx;x=1/secret"),
        ("/jobs:run;v=2", EVERYTHING, "/jobs:walk;v=2"),
    ],
)
def test_a_path_that_reads_into_another_route_is_not_envoys(path: str, envoys: str, twin: str) -> None:
    """The service may decode it; its twin reads into the same route either way."""
    assert not ROUTES.agrees(envoys, require_segments(path))
    assert ROUTES.agrees(envoys, require_segments(twin))


def test_without_routes_there_is_one_and_every_path_is_its() -> None:
    """Its name is empty, as in Envoy's question; a path outside of all routes is Envoy's "-"."""
    assert table("").agrees("", require_segments("/a%20b;c"))
    assert not table("").agrees("-", require_segments("/a"))
    assert table(ADMIN).find(["other"]) == "-"
    assert table(ADMIN).find_rules("-", "GET") is None


def test_the_routes_of_one_path_are_told_apart_by_method() -> None:
    """A method that none of them has gets the rules of one that refuses it."""
    reads = RouteRules(EVERYTHING, auth_required=False, methods=("GET", "HEAD"), downstream="")
    writes = RouteRules(EVERYTHING, auth_required=True, methods=("POST",), downstream="")
    routes = RouteTable([reads, writes])

    assert [routes.find_rules(EVERYTHING, method) for method in ("GET", "HEAD", "POST")] == [reads, reads, writes]
    refusing = routes.find_rules(EVERYTHING, "DELETE")
    assert refusing is not None
    assert "DELETE" not in refusing.methods
    assert routes.agrees(EVERYTHING, ["x"])
