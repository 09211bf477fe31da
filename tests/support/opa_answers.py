"""What OPA 1.22.3 answered to single calls of its builtins, recorded in JSON. Not policies (`tests/real`)."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from authz_rego.errors import BuiltinError, EvaluationError
from authz_rego.values.number import Number, number_of
from authz_rego.values.text import term_text
from authz_rego.values.value import Value, key_of, sorted_keys, value_of


class Answer(NamedTuple):
    """One call. `kind` is "value", or what there is instead: "undefined", "error", or "panic" where OPA breaks down."""

    name: str
    operands: list[Value]
    kind: str
    value: Any = None  # as JSON

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(term_text, self.operands))})"[:150]  # two processes must call it the same


def recorded(beside: str, family: str) -> list[Answer]:
    """The answers in `answers/<family>.jsonl` beside the test."""
    lines = (Path(beside).parent / "answers" / f"{family}.jsonl").read_text().strip().split("\n")
    return [_answer(*json.loads(line)) for line in lines]


def given(function: Any, operands: list[Value]) -> str:
    """What our function makes of the operands. As text: to Python, True and 1 are the same."""
    try:
        return json.dumps(as_json(function(*operands)))
    except BuiltinError:
        return "undefined"
    except EvaluationError:
        return "panic"


def expected(answer: Answer) -> str:
    """What OPA makes of them. To a policy an error and no answer are the same."""
    return json.dumps(answer.value) if answer.kind == "value" else answer.kind.replace("error", "undefined")


def from_tagged(tree: Any) -> Value:
    """`{"number": "1.50"}`, `{"set": […]}`, `{"object": [[key, value], …]}`; everything else is itself."""
    if isinstance(tree, list):
        return [*map(from_tagged, tree)]
    if not isinstance(tree, dict):
        return tree
    ((tag, content),) = tree.items()
    if tag == "number":
        return _number(content)
    if tag == "set":
        return frozenset(key_of(from_tagged(member)) for member in content)
    return {key_of(from_tagged(key)): from_tagged(member) for key, member in content}


def as_json(value: Value) -> Any:
    """The other way round, members in Rego's order; two values are the same if this is, also in the text of numbers."""
    if isinstance(value, list):
        return [*map(as_json, value)]
    if isinstance(value, dict):
        return {"object": [[as_json(value_of(key)), as_json(value[key])] for key in sorted_keys(value)]}
    if isinstance(value, frozenset):
        return {"set": [as_json(value_of(key)) for key in sorted_keys(value)]}
    return {"number": value.text} if isinstance(value, Number) else value


def _answer(name: str, operands: list[Any], kind: str, value: Any = None) -> Answer:
    return Answer(name, [*map(from_tagged, operands)], kind, value)


def _number(text: str) -> int | Number:
    try:
        return number_of(text)
    except ValueError:
        return Number(text)  # such as `to_number` makes: "007"
