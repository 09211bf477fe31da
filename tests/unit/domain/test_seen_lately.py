"""What was seen is known again, as long as it is not too much."""

from authz_service.domain.seen_lately import SeenLately


def test_what_was_there_is_known_again() -> None:
    seen = SeenLately(8)

    assert not seen.again(1)
    assert seen.again(1)
    assert not seen.again(2)
    seen.clear()
    assert not seen.again(1)


def test_the_last_half_is_known_and_no_more_than_the_whole() -> None:
    seen = SeenLately(8)

    assert not any(seen.again(number) for number in range(100))
    assert all(seen.again(number) for number in range(96, 100))
    assert not any(seen.again(number) for number in range(91))
