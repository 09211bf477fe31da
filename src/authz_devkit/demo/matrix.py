"""The security matrix as requests with expected outcomes, expanded from its file. Sends nothing (see `matrix_run`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_DIMENSIONS = ("source", "destination", "certificate", "token", "method", "resource")


class Cell(NamedTuple):
    """One request, and what must come of it: an outcome is right when status and reason both are."""

    name: str
    source: str
    destination: str  # gateway | order | payment | data
    certificate: str
    token: str
    method: str
    resource: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, object] | None  # JSON; None for methods without one
    expected_status: int  # 0: the handshake is refused
    expected_reason: str  # "" when the service is reached, whatever it answers
    because: str

    @property
    def reached(self) -> bool:
        """Whether the request gets through to the service."""
        return not self.expected_reason


class _Rule(NamedTuple):
    matches: Mapping[str, frozenset[str]]
    status: int
    reason: str
    because: str


def load_matrix(path: Path) -> list[Cell]:
    """Every combination of the file's dimensions, in its order. Raises ValueError when it contradicts itself."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    _require_keys(
        document, {"sources", "destinations", "tokens", "methods", "resources", "rules", "statuses"}, "the file"
    )
    rules = [_rule(number, raw, document) for number, raw in enumerate(document["rules"], 1)]
    used: set[int] = set()
    cells = list(_cells(document, rules, used))
    dead = [number for number in range(1, len(rules) + 1) if number - 1 not in used]
    if dead:
        raise ValueError(f"rules {dead} match no combination that an earlier rule has not taken")
    return cells


def one_of_each(cells: Sequence[Cell]) -> list[Cell]:
    """For each way from a source to a destination, with a certificate and a token: one request per rule."""
    first: dict[tuple[str, ...], Cell] = {}
    for cell in cells:
        way = (cell.source, cell.destination, cell.certificate, cell.token)
        first.setdefault((*way, cell.because, str(cell.expected_status)), cell)
    return list(first.values())


def _cells(document: Mapping[str, Any], rules: Sequence[_Rule], used: set[int]) -> Iterator[Cell]:
    callers = [(source, certificate) for source, held in document["sources"].items() for certificate in held]
    for (source, certificate), destination, token, method, resource in product(
        callers, document["destinations"], document["tokens"], document["methods"], document["resources"]
    ):
        combination = dict(zip(_DIMENSIONS, (source, destination, certificate, token, method, resource), strict=True))
        index = _first_match(rules, combination)
        used.add(index)
        target, asked = document["destinations"][destination], document["resources"][resource]
        path = target.get("prefix", "") + asked[method]
        yield Cell(
            name=f"{source} [{certificate}, {token}] {method} {path} at {destination}",
            **combination,
            path=path,
            headers=target.get("headers", {}),
            body=asked["body"] if method == "POST" else None,
            expected_status=rules[index].status,
            expected_reason=rules[index].reason,
            because=rules[index].because,
        )


def _first_match(rules: Sequence[_Rule], combination: Mapping[str, str]) -> int:
    for index, rule in enumerate(rules):
        if all(combination[dimension] in values for dimension, values in rule.matches.items()):
            return index
    raise ValueError(f"no rule says what must come of {combination}")


def _rule(number: int, raw: Mapping[str, Any], document: Mapping[str, Any]) -> _Rule:
    _require_keys(raw, {"then", "because"}, f"rule {number}", optional=frozenset(_DIMENSIONS))
    known = _known_values(document)
    matches = {
        dimension: frozenset([raw[dimension]] if isinstance(raw[dimension], str) else raw[dimension])
        for dimension in _DIMENSIONS
        if dimension in raw
    }
    for dimension, values in matches.items():
        if not values or values - known[dimension]:
            raise ValueError(f"rule {number}: {dimension} has unknown values {sorted(values - known[dimension])}")
    outcome, _, status = raw["then"].partition(" ")
    if outcome == "reached":
        return _Rule(matches, int(status), "", raw["because"])
    if status or outcome not in document["statuses"]:
        raise ValueError(f"rule {number}: then is `reached STATUS` or one of `statuses`, not {raw['then']!r}")
    return _Rule(matches, int(document["statuses"][outcome]), outcome, raw["because"])


def _known_values(document: Mapping[str, Any]) -> dict[str, set[str]]:
    return {
        "source": set(document["sources"]),
        "destination": set(document["destinations"]),
        "certificate": {certificate for held in document["sources"].values() for certificate in held},
        "token": set(document["tokens"]),
        "method": set(document["methods"]),
        "resource": set(document["resources"]),
    }


def _require_keys(raw: object, required: set[str], where: str, *, optional: frozenset[str] = frozenset()) -> None:
    if not isinstance(raw, dict) or not required <= set(raw) <= required | optional:
        raise ValueError(f"{where} needs the keys {sorted(required)} and may have {sorted(optional)}")
