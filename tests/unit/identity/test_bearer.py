"""What is a bearer token's header, and what is not."""

import pytest

from authz_service.domain.refusals import Reason, Rejected
from authz_service.identity.bearer import bearer_token


@pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "Bearer   a.b.c"])
def test_a_bearer_header_has_a_token(header: str) -> None:
    """The scheme has no case (RFC 9110 §11.1)."""
    assert bearer_token(header, "Bearer") == "a.b.c"


def test_without_a_scheme_the_whole_value_is_the_token() -> None:
    """`scheme: none`, in whatever case; two values, or none, are malformed, and a scheme is part of the token."""
    assert bearer_token(" a.b.c ", "None") == "a.b.c"
    assert bearer_token("Bearer a.b.c", "none") == "Bearer a.b.c"  # which no decoder takes
    assert bearer_token(None, "none") is None
    for wrong in ("", "  ", "a.b.c,d.e.f", "a.b.c, d.e.f", ","):
        with pytest.raises(Rejected) as refusal:
            bearer_token(wrong, "none")
        assert refusal.value.reason is Reason.TOKEN_MALFORMED


def test_no_header_is_no_token() -> None:
    """Absent is not malformed: public routes know the difference."""
    assert bearer_token(None, "Bearer") is None


@pytest.mark.parametrize(
    "header",
    [
        *("", " ", "Bearera.b.c", "a.b.c", "Basic a.b.c", "DPoP a.b.c", "Bearer: a.b.c"),
        'Digest username="john", realm="x"',
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=c",
    ],
)
def test_another_scheme_has_no_token_of_ours(header: str) -> None:
    """RFC 9110 §11.6.2: where a token is required it is missing, and a public route serves who has a password."""
    assert bearer_token(header, "Bearer") is None


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Bearer",
            "Bearer\ta.b.c",
            " Bearer a.b.c",
            "Bearer ",
            "Bearer  ",
            "Bearer ,",
            "Bearer a.b.c,Bearer d.e.f",
            "Bearer a.b.c, Basic x",
        ),
        *("Basic x,Bearer a.b.c", "Basic x, bearer a.b.c", "Basic x,BEARER", ",Bearer a.b.c", "Basic x,\tBearer a.b.c"),
    ],
)
def test_a_broken_token_or_two_is_malformed(header: str) -> None:
    """Never "absent": a public route must not take a broken token for none (SECURITY T14)."""
    with pytest.raises(Rejected) as refusal:
        bearer_token(header, "Bearer")

    assert refusal.value.reason is Reason.TOKEN_MALFORMED


def test_another_scheme_can_be_configured() -> None:
    """And then Bearer is the other one."""
    assert bearer_token("Token a.b.c", "Token") == "a.b.c"
    assert bearer_token("Bearer a.b.c", "Token") is None
