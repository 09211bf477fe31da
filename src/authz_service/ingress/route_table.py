"""Which route a path belongs to, by its decoded segments. Envoy has chosen one by the path as written; they must agree.

Envoy compares bytes: `/jobs%3Arun` is not its route `/jobs:run`, and `/admin;x=1/a` is not below `/admin`. To a service
they may well be. A path that reads into another route than Envoy's would be judged by the wrong route's rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from authz_service.domain.rules import RouteRules
from authz_service.request_form import METHODS


class _Pattern(NamedTuple):
    name: str
    segments: tuple[str, ...]
    below: bool  # `/path/**`: the path and all below it


class RouteTable:
    """The routes by name, as Envoy reports it, and by path, the most specific first, as Envoy tries them."""

    def __init__(self, routes: Iterable[RouteRules]) -> None:
        self._by_name: dict[str, RouteRules] = {}
        self._by_method: dict[tuple[str, str], RouteRules] = {}
        for route in routes:
            self._by_name.setdefault(route.name, route)
            for method in route.methods or METHODS:
                self._by_method[route.name, method] = route
        patterns = [_pattern(name) for name in self._by_name if name]
        self._patterns = sorted(patterns, key=lambda pattern: (pattern.below, -len(pattern.name)))

    def find_rules(self, name: str, method: str) -> RouteRules | None:
        """Of the route of this name that has the method; of one that has not, where none has; None without the name."""
        return self._by_method.get((name, method)) or self._by_name.get(name)

    def find(self, segments: Sequence[str]) -> str:
        """The name of the route of these segments; "-" when there is none, as Envoy calls it."""
        for pattern in self._patterns:
            length = len(pattern.segments)
            if tuple(segments[:length]) == pattern.segments and (pattern.below or len(segments) == length):
                return pattern.name
        return "-" if self._patterns else ""

    def agrees(self, name: str, segments: Sequence[str]) -> bool:
        """Whether both readings, with and without path parameters (RFC 3986 §3.3), are of this route."""
        bare = [segment.partition(";")[0] for segment in segments]
        return self.find(segments) == name == self.find(bare)


def _pattern(name: str) -> _Pattern:
    path = name.removesuffix("/**")
    return _Pattern(name, tuple(path[1:].split("/")) if path not in {"", "/"} else (), path != name)
