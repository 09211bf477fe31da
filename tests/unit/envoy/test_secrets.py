"""SDS files: the form, and the three mistakes that Envoy would accept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz_service.envoy.secrets import tls_certificate_secret, token_secret, validation_context_secret


def _resource(text: str) -> dict[str, object]:
    (resource,) = json.loads(text)["resources"]
    assert resource.pop("@type").endswith(".Secret")
    return dict(resource)


def test_key_and_chain_are_one_file() -> None:
    """So that one rename changes both."""
    certificate = {"certificate_chain": {"inline_string": "CHAIN"}, "private_key": {"inline_string": "KEY"}}

    assert _resource(tls_certificate_secret("n", "CHAIN", "KEY")) == {"name": "n", "tls_certificate": certificate}


def test_a_validation_context_holds_ca_and_revocation_list() -> None:
    """The list only when there is one."""
    with_list = {"trusted_ca": {"inline_string": "CA"}, "crl": {"inline_string": "CRL"}}

    assert _resource(validation_context_secret("n", "CA", "CRL")) == {"name": "n", "validation_context": with_list}
    assert "crl" not in validation_context_secret("n", "CA")


@pytest.mark.parametrize("nothing", ["", " \n"])
def test_no_ca_is_never_written(nothing: str) -> None:
    """Envoy would accept every certificate (ENVOY.md §0.4)."""
    with pytest.raises(ValueError, match="every certificate"):
        validation_context_secret("n", nothing)


def test_the_empty_token_withdraws() -> None:
    """Deleting the file would not (ENVOY.md §0.6)."""
    assert _resource(token_secret("n", "")) == {"name": "n", "generic_secret": {"secret": {"inline_string": ""}}}


@given(st.text(min_size=1))
def test_a_token_that_would_break_the_header_is_refused(token: str) -> None:
    """Blanks, line ends, control and foreign characters; everything visible passes."""
    if all("!" <= character <= "~" for character in token):
        assert json.dumps(token) in token_secret("n", token)
    else:
        with pytest.raises(ValueError, match="visible"):
            token_secret("n", token)
