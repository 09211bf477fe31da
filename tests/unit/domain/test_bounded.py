"""What strangers fill has an end; what is asked for again costs nobody his place."""

from authz_service.domain.bounded import Bounded


def test_the_oldest_gives_way_to_what_is_new() -> None:
    kept: Bounded[int, str] = Bounded(2)
    kept[1], kept[2] = "a", "b"
    assert kept == {1: "a", 2: "b"}

    kept[3] = "c"

    assert kept == {2: "b", 3: "c"}


def test_what_is_there_already_pushes_nobody_out() -> None:
    kept: Bounded[int, str] = Bounded(2)
    kept[1], kept[2] = "a", "b"

    kept[2] = "B"

    assert kept == {1: "a", 2: "B"}
