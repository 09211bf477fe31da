"""What Envoy's wording changes is no difference; whatever else is, is."""

import pytest

from authz_service.envoy.messages import Json
from authz_service.envoy.running import difference, foreign


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"failure_mode_allow": False}, {}),
        ({"codec_type": "AUTO", "routes": [], "prefix": ""}, {}),
        ({"timeout": "0.25s"}, {"timeout": "0.250s"}),
        ({"bytes": 1048576}, {"bytes": "1048576"}),
        ({"value": 10.0}, {"value": 10}),
        ({"private_key": {"inline_string": "secret"}}, {"private_key": {"inline_string": "[redacted]"}}),
        ([{"a": True}], [{"a": True}]),
    ],
)
def test_envoys_wording_is_no_difference(ours: Json, theirs: Json) -> None:
    assert difference(ours, theirs) == ""


@pytest.mark.parametrize(
    ("ours", "theirs", "place"),
    [
        ({"failure_mode_allow": False}, {"failure_mode_allow": True}, ".failure_mode_allow"),
        ({}, {"failure_mode_allow": True}, ".failure_mode_allow"),
        ({}, {"disabled": False}, ".disabled"),
        ({"require_client_certificate": True}, {}, ".require_client_certificate"),
        ({"require_client_certificate": True}, {"require_client_certificate": "True"}, ".require_client_certificate"),
        ({"max": 1}, {"max": True}, ".max"),
        ({"codec_type": "HTTP1"}, {}, ".codec_type"),
        ({"name": "AUTO"}, {}, ".name"),
        ({"timeout": "1s"}, {"timeout": "10s"}, ".timeout"),
        ({"filters": [{"name": "ext_authz"}, {"name": "router"}]}, {"filters": [{"name": "router"}]}, ".filters"),
        ({"filters": [{"name": "ext_authz"}]}, {"filters": [{"name": "router"}]}, ".filters[0].name"),
        ({"a": {"b": 1}}, {"a": "b"}, ".a"),
        (
            {"trusted_ca": {"inline_string": "ours"}},
            {"trusted_ca": {"inline_string": "rogue"}},
            ".trusted_ca.inline_string",
        ),
    ],
)
def test_anything_else_is(ours: Json, theirs: Json, place: str) -> None:
    assert difference(ours, theirs) == place


def test_each_resource_is_one_of_those_of_its_name() -> None:
    """The one before may run until the next is taken over; nothing else may, nor under another name."""
    known: dict[str, list[Json]] = {"ingress": [{"port": 1}, {"port": 2}]}

    assert foreign("listener", {"ingress": {"port": 1}}, known) == []
    assert foreign("listener", {"ingress": {"port": 2}}, known) == []
    assert foreign("listener", {"ingress": {"port": 3}}, known) == ["listener ingress, at .port"]
    assert foreign("listener", {"back-door": {"port": 1}}, known) == ["listener back-door"]
