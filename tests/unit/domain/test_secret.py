"""A secret shows itself to nobody who does not say so; one that is still in its file shows itself to nobody."""

import pickle

import pytest

from authz_service.domain.secret import UNREAD, Secret


def test_it_prints_as_stars_and_is_compared_by_what_it_is() -> None:
    assert f"{Secret('a')} {Secret('a')!r}" == "*** ***"
    assert Secret("a") == Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a").reveal() == "a"
    with pytest.raises(TypeError, match="reveal"):
        pickle.dumps(Secret("a"))


def test_one_that_was_not_read_cannot_be_used() -> None:
    """Else whoever forgot the loader would prove himself by an empty password."""
    with pytest.raises(RuntimeError, match="still in its file"):
        UNREAD.reveal()
    assert f"{UNREAD}" == "***"
