"""A configuration is the same by libyaml as by Python's own parser; what it refuses is told in the latter's words."""

from __future__ import annotations

import pytest
from tests.unit.docs.pages import ROOT

from authz_service.config.read.document import read_document

FILES = sorted([*ROOT.glob("examples/*/*/config.yaml"), *ROOT.glob("tests/meshes/*/*/config.yaml")])
TEXTS = (
    "a: [1, 2\n", "a: b: c\n", "a: 1\na: 2\n", "x: &a {b: 1}\ny: {<<: *a, c: 2}\n", "a: ~\n", "a: !tag b\n", "",
    "a: |\n  text\n  more\n", "a: 'it''s'\n", "? a\n: b\n", "a: \u00e4\n", 'a: "\\x07"\n', "[" * 600, "a: ${X}\n",
    "%YAML 9\n", "a:\tb\n", "\ta: b\n", "- a\n- {b: c}\n", "a: 'b\n", "a: *b\n", "a: b\n...\n", "--- a\n--- b\n",
)  # fmt: skip


@pytest.mark.parametrize("text", [*TEXTS, *(file.read_text(encoding="utf-8") for file in FILES)])
def test_both_parsers_read_the_same(text: str) -> None:
    """Tree, lines, what is written, findings."""
    assert read_document(text, {}, by_libyaml=True) == read_document(text, {})
