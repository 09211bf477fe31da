"""Policies that people wrote, a little changed: OPA's own cases, the examples, the kinds of REGO's history. Not made from nothing."""

# ruff: noqa: E501, Q003 - tables of Rego, one entry beside the other

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from tests.differential.cases import Case
from tests.differential.conformance import load_cases
from tests.differential.documents import an_input, some_data, spoil
from tests.differential.judge import Judge
from tests.differential.seeds import KINDS
from tests.support.opa import ROOT, module_folder

from authz_rego.builtins.declarations import declarations
from authz_rego.builtins.table import REFUSED, functions
from authz_rego.values.value import UNDEFINED, Value

_TOKEN: Final = re.compile(r"\s+|#[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|`[^`]*`|[A-Za-z_]\w*|\d[\w.]*|:=|[=!<>]=|.", re.DOTALL)
_SWAPS: Final = (
    ("==", "!="), ("==", "="), ("=", ":="), (":=", "="), ("<", "<="), (">", "<"), ("true", "false"), ("not ", ""), ("some ", "every "), ("contains", ":="), ("if", ":= 1 if"),
    ("[_]", "[i]"), ("[_]", "[0]"), ("input", "data"), ("input", "input.a"), ("data", "input"), (".", '["a"].'), ("in ", "== "), ("&", "|"), ("+", "-"), ("*", "/"), ("0", "1"), ("1", "1.0"), ("\"a\"", "\"b\""),
    ("x", "y"), ("y", "x"), ("x", "_"), ("else", "else := 3 if { 1 == 2 } else"), ("[", "{"), ("]", "}"), ("every", "some"), ("default ", ""), ("with input as", "with input.a as"), ("}", "; true }"), ("{", "{ true; "),
    ("1", "null"), ("1", "[]"), ("count", "sum"), ("\n", "\n\tnot false\n"), ("if {", "if { not input.zz;"), ("x", "input.x"), ("p", "q"), ("q", "p"), ("(", "(1, "), (",", ", _,"),
)  # fmt: skip


@cache
def originals() -> tuple[Case, ...]:
    """What is changed."""
    with Judge() as judge:
        cases = load_cases(module_folder() / "v1" / "test" / "cases" / "testdata" / "v1", judge)
    unusable = {
        *REFUSED,
        *(name for name in declarations() if "." in name and name not in functions()),
        "test.sleep",
    } - {"time.now_ns", "rego.metadata.chain", "rego.metadata.rule"}
    found = []
    for case in cases:
        if case.modules and not any(name in text for text in case.modules for name in unusable):
            texts = tuple((f"m{number}.rego", text) for number, text in enumerate(case.modules))
            found.append(Case(texts, case.data, (case.input, UNDEFINED)))
    return (*found, *_examples(), *(Case((("kind.rego", text),), {}, ()) for text in KINDS for _ in range(10)))


def mutated(seed: str) -> Case:
    """An original with one to three changes, and inputs of its own or of ours."""
    chance = Random(seed)
    case = chance.choice(originals())
    texts = list(case.modules)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        at = chance.randrange(len(texts))
        texts[at] = (texts[at][0], _changed(texts[at][1], chance))
    data = case.data if case.data or chance.random() < 0.5 else some_data(chance)
    return Case(tuple(texts), data, tuple(_inputs(case.inputs, chance)))


def _examples() -> list[Case]:
    files = sorted((ROOT / "examples").rglob("*.rego"))
    groups: dict[Path, list[Path]] = {}
    for file in files:
        groups.setdefault(file.parent, []).append(file)
    return [
        Case(tuple((file.name, file.read_text()) for file in group), {}, ())
        for group in groups.values()
        for _ in range(20)
    ]


def _inputs(given: Sequence[Value], chance: Random) -> list[Value]:
    inputs = list(given)
    for value in given:
        if type(value) is dict and value:
            changed = [_copied(value) for _ in range(2)]
            for each in changed:
                spoil(each, chance)
            inputs += changed
    return inputs + [an_input(chance) for _ in range(2 if given else 10)]


def _copied(value: Value) -> Value:
    if type(value) is dict:
        return {key: _copied(member) for key, member in value.items()}
    return [*map(_copied, value)] if type(value) is list else value


def _changed(text: str, chance: Random) -> str:
    for _ in range(20):
        new = chance.choice(
            (_swapped, _swapped, _without_a_line, _doubled_line, _moved_token, _other_token, _without_a_token)
        )(text, chance)
        if new != text and new.strip():
            return new
    return text


def _swapped(text: str, chance: Random) -> str:
    old, new = chance.choice(_SWAPS)
    places = [match.start() for match in re.finditer(re.escape(old), text)]
    at = chance.choice(places) if places else len(text)
    return text[:at] + new + text[at + len(old) :] if places else text


def _without_a_line(text: str, chance: Random) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    return "\n".join(lines[:at] + lines[at + 1 :])


def _doubled_line(text: str, chance: Random) -> str:
    lines = text.split("\n")
    at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
    return "\n".join([*lines[:to], lines[at], *lines[to:]])


def _moved_token(text: str, chance: Random) -> str:
    tokens = _TOKEN.findall(text)
    at, to = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    tokens[to] = tokens[at]
    return "".join(tokens)


def _other_token(text: str, chance: Random) -> str:
    tokens = _TOKEN.findall(text)
    words = [at for at, token in enumerate(tokens) if not token.isspace()]
    tokens[chance.choice(words)] = chance.choice(
        ("x", "1", '"a"', "input", "data", "_", "null", "[]", "{}", "set()", "input.x", "not", "-1", "{1}", "true")
    )
    return "".join(tokens)


def _without_a_token(text: str, chance: Random) -> str:
    tokens = _TOKEN.findall(text)
    at = chance.randrange(len(tokens))
    return "".join(tokens[:at] + tokens[at + 1 :])
