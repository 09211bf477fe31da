"""Turns regorus' error texts into problems: where, what, and what to do. For people, never for a caller."""

import re

from authz_service.errors import Problem

REWRITE = "correct the line; docs/policies.md says which Rego is understood"
_PLACE = re.compile(r"--> (?P<file>[^\n]+):(?P<line>\d+):\d+\n.*?\nerror: (?P<text>[^\n]+)", re.DOTALL)
_ADDED = re.compile(r"extension '([\w.]+)' raises Python error: \w+: ")  # one of `added_builtins`
_MAX_TEXT = 200
_EXCLUDE = "make the definitions exclude each other: for one request they give two values"
_REMEDIES = {
    "`if` keyword is required": "this is Rego v0; write `allow if { … }`, for sets `deny contains message if { … }`",
    "expecting `package`": "begin the file with `package <name>`",
    "rule conflicts with rule": _EXCLUDE,
    "must not produce multiple outputs": _EXCLUDE,
    "should not produce multiple outputs": _EXCLUDE,
    "destructuring": "give both sides the same shape, or compare with ==",
    "`io.jwt.decode`": "let io.jwt.verify_… accept the token on a line before, or use io.jwt.decode_verify",
    "used before definition": "assign the variable before the line that uses it, and only once",
    "cannot be shadowed": "give the rule or variable another name",
}


def engine_problem(at: str, message: str, fix: str, probe: str = "") -> Problem:
    """The message without its drawing of the source. `fix` is said when there is no better remedy."""
    place = _PLACE.search(message)
    text = (place["text"] if place else message.strip())[:_MAX_TEXT]
    text = _ADDED.sub(r"`\1`: ", text)
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in text), fix)
    found = f"{text}, for {probe}" if probe else text
    return Problem(at, found, remedy, place["file"] if place else "", int(place["line"]) if place else 0)
