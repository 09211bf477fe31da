"""Every file that the glossary and the walk through a request name is there: one jump, and it leads somewhere."""

from __future__ import annotations

import re

import pytest
from tests.unit.docs.pages import ROOT, read

_FILE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py)`")
_ROW = re.compile(r"^\| \*\*(.+?)\*\*", re.MULTILINE)


def _files(page: str) -> list[str]:
    return _FILE.findall(read(page))


@pytest.mark.parametrize("page", ["docs/glossary.md", "docs/how-it-works.md"])
def test_every_file_that_is_named_is_there(page: str) -> None:
    named = [name for name in _files(page) if "/" in name or page == "docs/glossary.md"]

    assert len(named) > 10
    assert [name for name in named if not (ROOT / "src" / "authz_service" / name).is_file()] == []


def test_words_stand_in_order_and_once() -> None:
    words = _ROW.findall(read("docs/glossary.md"))

    assert words == sorted(set(words))
    assert len(words) > 25
