"""Which decisions are looked at more closely: a part of them, by their ids, so that everybody picks the same."""


def is_sampled(decision_id: str, percent: int) -> bool:
    """Ids are random; one that is no id of ours is not left out."""
    if percent >= 100:
        return True
    try:
        return int(decision_id[:8], 16) % 100 < percent
    except ValueError:
        return True
