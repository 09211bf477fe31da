"""Shapes of tokens (provider_tokens.yaml), and the configurations that docs/identity-providers.md prints for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.support.tokens import Changes
from tests.unit.docs.pages import fenced, read, section

PAGE = "docs/identity-providers.md"
_SHAPES = Path(__file__).with_suffix(".yaml")
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Shape:
    """What a token has beside that which every token has; `...` takes something of that away."""

    name: str
    claims: Changes
    header: Changes
    is_machine: bool


@dataclass(frozen=True)
class Printed:
    """One section of the page: what it tells its readers to write."""

    heading: str
    issuer: dict[str, Any]
    bindings: dict[str, Any]


def printed() -> list[Printed]:
    """Every configuration on the page."""
    found = []
    for heading in _HEADING.findall(read(PAGE)):
        (text,) = fenced(section(read(PAGE), f"## {heading}"), "yaml")
        written = yaml.safe_load(text)
        bindings = written.pop("proxy", {}).get("mtls", {}).get("bindings", {})
        assert written.keys() == {"jwt"}, heading
        found.append(Printed(heading, written["jwt"], bindings))
    return found


def shapes() -> Iterator[tuple[str, Shape]]:
    """By heading: users' first."""
    for heading, provider in yaml.safe_load(_SHAPES.read_text()).items():
        for kind in ("users", "machines"):
            for one in provider.get(kind, []):
                absent = dict.fromkeys(one.get("without", []), ...)
                claims, header = {**one["claims"], **absent}, {**one.get("header", {}), **absent}
                yield heading, Shape(one["name"], claims, header, is_machine=kind == "machines")
