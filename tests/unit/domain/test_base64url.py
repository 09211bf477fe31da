"""One text for each content, and one content for each text."""

import pytest

from authz_service.domain import base64url


@pytest.mark.parametrize("content", [b"", b"a", b"ab", b"abc", b"\xff\xfe\xfd", bytes(range(256))])
def test_there_and_back(content: bytes) -> None:
    text = base64url.encode(content)

    assert base64url.decode(text.encode()) == content
    assert "=" not in text


@pytest.mark.parametrize("text", [b"YQ==", b"YR", b"Y Q", b"Y+8", b"Y", b"YQ\n"])
def test_another_way_to_write_it_is_refused(text: bytes) -> None:
    """Padding, trailing bits, foreign characters, the other alphabet, half a character."""
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)
