"""What was taken back before its time: ids of tokens and of sessions, while the provider runs. Not who may do that."""

from collections.abc import Callable

from authz_realm.mappers import Claims


class Revoked:
    """One per realm."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._until: dict[str, float] = {}  # a token's `jti` or a session's `sid` -> when it would have ended anyway

    def add(self, name: str, until: float) -> None:
        self._until = {known: end for known, end in self._until.items() if end > self._now()} | {name: until}

    def covers(self, claims: Claims) -> bool:
        """Whether the token itself or its session was taken back."""
        return any(str(claims[name]) in self._until for name in ("jti", "sid") if name in claims)
