"""What the parser of OPA 1.22.3 makes of some 700 texts (Rego v1, with annotations), and what ours makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.rego_trees import difference, recorded_form

ANSWERS = [json.loads(line) for line in (Path(__file__).parent / "answers" / "parser.jsonl").read_text().splitlines()]
# Ours say it in another way.
OTHER_WORDS = ("invalid URL escape",)


def shown(answer: dict[str, Any]) -> str:
    text = answer["text"].encode("ascii", "backslashreplace").decode()
    return repr(text.removeprefix("package a\n")[:50])


ACCEPTED = [each for each in ANSWERS if "errors" not in each["opa"]]
REFUSED = [each for each in ANSWERS if "errors" in each["opa"]]


@pytest.mark.parametrize("answer", ACCEPTED, ids=shown)
def test_a_text_that_opa_takes_has_opas_tree_and_places(answer):
    """Rules, heads, bodies, terms: the same nodes at the same rows and columns."""
    ours = recorded_form(answer["mode"], answer["text"])

    assert "errors" not in ours
    for part, opas in answer["opa"].items():
        assert difference(opas, ours[part], part) is None


@pytest.mark.parametrize("answer", REFUSED, ids=shown)
def test_a_text_that_opa_refuses_is_refused_for_the_same_at_the_same_places(answer):
    """All problems, in OPA's order, in OPA's words."""
    ours = recorded_form(answer["mode"], answer["text"])

    assert [each[:2] for each in ours.get("errors", [])] == [each[:2] for each in answer["opa"]["errors"]]
    for opas, said in zip(answer["opa"]["errors"], ours["errors"], strict=True):
        assert said[2] == opas[2] or any(words in said[2] for words in OTHER_WORDS)


def test_both_kinds_are_many():
    """The file was not emptied."""
    assert len(ACCEPTED) > 200
    assert len(REFUSED) > 200
