"""A connection keeps its listener while it drains: what has become ours since must not come from the client."""

import pytest

from authz_service.headers import listener_tag
from authz_service.ingress.owned_headers import without

BLOCK = b"x-user-id: u1\r\nx-user-roles: a\r\nx-envoy-auth-headers-to-remove: authorization\r\n"


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (set(), BLOCK),
        (
            {"x-user-roles"},
            b"x-user-id: u1\r\nx-envoy-auth-headers-to-remove: x-user-roles,authorization\r\n",
        ),
        (
            {"x-user-id", "x-user-roles"},
            b"x-envoy-auth-headers-to-remove: x-user-id,x-user-roles,authorization\r\n",
        ),
    ],
)
def test_a_header_that_the_listener_does_not_take_from_us_is_removed(names: set[str], lines: bytes) -> None:
    """Envoy would drop ours and let the client's pass."""
    assert without(BLOCK, frozenset(names)) == lines


def test_the_tag_changes_with_the_owned_headers_and_with_nothing_else() -> None:
    assert listener_tag(["X-User-ID", "X-Roles"]) == listener_tag(["x-roles", "x-user-id", "x-user-id"])
    assert listener_tag(["X-User-ID"]) != listener_tag(["X-User-ID", "X-Roles"]) != listener_tag([])
