"""What is wrong with types, in OPA's words, and what to do about it. Not how it is found."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Final, NamedTuple

from authz_rego.check.rebuild import Rebuild
from authz_rego.check.term_text import ref_text, term_text
from authz_rego.check.type_merging import unifies
from authz_rego.check.type_text import MAX_ELIDED, differing, elided, outermost, type_text
from authz_rego.check.types import ArrayType, FunctionType, ObjectType, SetType, Type, is_unknown
from authz_rego.errors import Place, RegoProblem
from authz_rego.syntax.tree import Ref, Scalar, Term, Var

_CODE: Final = "rego_type_error"
_MAX_WIDTH: Final = 80  # of a line, before what is beside the point is left out of it
_MAX_LISTED: Final = 8
_HINT: Final = (
    "hint  : both sides are {} but their types differ, so they can never be equal "
    "(see https://www.openpolicyagent.org/docs/errors/rego-type-error/match-error)"
)
_LOCAL: Final = re.compile(r"__local[0-9]+__")
_NEVER: Final = "what is never true makes the body undefined, and under `not` it would be true for everybody"
_MISSING: Final = "under `not` this would be true for everybody"


class Found(NamedTuple):
    """A problem, and whether it may only follow from another one: a type in it is not known."""

    problem: RegoProblem
    is_consequence: bool = False


class Wanted(NamedTuple):
    """What a function wants: its arguments and its result, with their names; what all further ones must be."""

    args: tuple[Type | None, ...]
    names: tuple[str, ...] = ()
    variadic: Type | None = None

    @classmethod
    def of(cls, function: FunctionType) -> Wanted:
        args = function.args if function.result is None else (*function.args, function.result)
        return cls(args, function.names, function.variadic)

    @classmethod
    def arguments_of(cls, function: FunctionType) -> Wanted:
        return cls(function.args, function.names[: len(function.args)], function.variadic)

    def named(self, index: int, text: str) -> str:
        name = self.names[index] if index < len(self.names) else ""
        return f"{name}: {text}" if name else text


class Miss(NamedTuple):
    """A step of a reference that finds nothing."""

    ref: Ref
    index: int  # type: ignore[assignment]  # of the step; the head is 0. A tuple's own `index` nobody asks for
    have: Type | None = None  # the step's type, if it is no constant
    want: Type | None = None  # the type of the keys that there are
    one_of: Sequence[Term] = ()  # the keys that there are


class Shown(Rebuild):
    """Terms as the user wrote them: generated variables by what they stand for."""

    def __init__(self, written: Mapping[str, str], subjects: Mapping[str, Term]) -> None:
        self._written, self._subjects = written, subjects

    def term(self, term: Term) -> Term:
        if type(term) is Var:
            subject = self._subjects.get(term.name)
            if subject is not None:
                return subject if type(subject) is Var else self.term(subject)
            return self.variable(term)
        return self.term_inside(term)

    def variable(self, var: Var) -> Var:
        return replace(var, name=self._written.get(var.name, var.name))


# ── equality ──


def mismatch(place: Place, left: Type | None, right: Type | None) -> Found:
    """Two sides that are never equal."""
    lines = [f"left  : {type_text(left)}", f"right : {type_text(right)}"]
    if _is_wide(lines):
        shorter = differing(left, right)
        lines = [f"left  : {shorter[0]}", f"right : {shorter[1]}"]
    kind = _shared_kind(left, right)
    if kind:
        lines.append(_HINT.format(kind))
    fix = f"compare values of one type: {_NEVER}"
    return Found(_problem(place, "match error", lines, fix), is_unknown(left) or is_unknown(right))


def _shared_kind(left: Type | None, right: Type | None) -> str:
    match left, right:
        case ObjectType(), ObjectType():
            return "objects"
        case ArrayType(), ArrayType():
            return "arrays"
        case SetType(), SetType():
            return "sets"
    return ""


# ── calls ──


def wrong_arguments(place: Place, name: str, what: str, have: Sequence[Type | None], wanted: Wanted) -> Found:
    """`what` is "invalid argument(s)", "too many arguments", "arity mismatch" …"""
    args = [wanted.named(index, type_text(each)) for index, each in enumerate(wanted.args)]
    if wanted.variadic is not None:
        args.append(f"{type_text(wanted.variadic)}...")
    lines = [f"have: ({', '.join(map(type_text, have))})", f"want: ({', '.join(args)})"]
    if _is_wide(lines):
        lines = _narrowed(have, wanted)
    if what == "invalid argument(s)":
        fix = f"give {name} what it wants: a call with a wrong type is undefined, and {_MISSING}"
    else:
        fix = f"give {name} as many arguments as it wants"
    return Found(_problem(place, f"{name}: {what}", lines, fix), any(map(is_unknown, have)))


def _narrowed(have: Sequence[Type | None], wanted: Wanted) -> list[str]:
    mine = [*map(elided, have)]
    theirs = [_elided_argument(wanted, index) for index in range(len(wanted.args))]
    for index, (one, other) in enumerate(zip(have, wanted.args, strict=False)):
        if one is None or other is None or not unifies(one, other):
            mine[index], text = differing(one, other)
            theirs[index] = wanted.named(index, text)
    if wanted.variadic is not None:
        theirs.append(elided(wanted.variadic) + "...")
    return [f"have: ({', '.join(mine)})", f"want: ({', '.join(theirs)})"]


def _elided_argument(wanted: Wanted, index: int) -> str:
    """The name counts as a part of the text that may be too long."""
    type_ = wanted.args[index]
    full = wanted.named(index, type_text(type_))
    return full if len(full) <= MAX_ELIDED else wanted.named(index, outermost(type_))


def undefined_function(place: Place, name: str, known: Iterable[str] = ()) -> Found:
    """A function that there is not."""
    close = get_close_matches(name, known, n=1)
    fix = f"did you mean {close[0]}?" if close else "define it, or import the package that has it"
    return Found(_problem(place, f"undefined function {name}", (), fix))


# ── references ──


def unsupported(place: Place, ref: Ref, index: int, have: Type | None) -> Found:
    """Something is looked for in what has nothing inside; `index` is that of what is looked into."""
    text = ref_text(ref)
    marks = "^" * _width(_beginning(ref, index + 1))
    lines = [text, marks, f"have: {'<nil>' if have is None else type_text(have)}"]
    if type(have) is FunctionType:
        last = (ref.head, *ref.path)[-1]
        name = _beginning(ref, len(ref.path)) if _LOCAL.search(_bare(last)) else text
        return Found(_problem(place, f"function {name} used as reference, not called", lines, f"call it: {name}(…)"))
    inside = "nothing is known of it" if have is None else f"it is {type_text(have)}"
    fix = f"`{_beginning(ref, index + 1)}` has nothing inside: {inside}; {_MISSING}"
    return Found(_problem(place, f"undefined ref: {text}", lines, fix))


def missing(place: Place, miss: Miss) -> Found:
    """A key that is not there."""
    text = ref_text(miss.ref)
    step = (miss.ref.head, *miss.ref.path)[miss.index]
    pad = " " * (_width(_beginning(miss.ref, miss.index)) + 1)
    lines = [text, f"{pad}^"]
    lines.append(f"{pad}have: {_printed(step)}" if miss.have is None else f"{pad}have (type): {type_text(miss.have)}")
    if miss.one_of or miss.want is None:
        lines.append(f"{pad}want (one of): [{' '.join(map(_printed, miss.one_of))}]")
    else:
        lines.append(f"{pad}want (type): {type_text(miss.want)}")
    return Found(_problem(place, f"undefined ref: {text}", lines, _meant(miss, step)))


def _meant(miss: Miss, step: Term) -> str:
    """The key that is probably meant, or those that there are."""
    before = _beginning(miss.ref, miss.index)
    names = [each.value for each in miss.one_of if type(each) is Scalar and type(each.value) is str]
    if type(step) is Scalar and type(step.value) is str and names:
        close = get_close_matches(step.value, names, n=1)
        if close:
            return f"did you mean `{ref_text(_extended(miss, close[0]))}`? {_MISSING}"
    if miss.one_of:
        listed = [_printed(each) for each in miss.one_of[:_MAX_LISTED]]
        more = ", …" if len(miss.one_of) > _MAX_LISTED else ""
        return f"`{before}` has {', '.join(listed)}{more}; {_MISSING}"
    if miss.want is None:
        return f"`{before}` is empty; {_MISSING}"
    return f"`{before}` has keys of the type {type_text(miss.want)} only; {_MISSING}"


def _extended(miss: Miss, name: str) -> Ref:
    return Ref(miss.ref.head, (*miss.ref.path[: miss.index - 1], Scalar(name)))


def _printed(term: Term) -> str:
    return term_text(term)


def _bare(term: Term) -> str:
    return term.value if type(term) is Scalar and type(term.value) is str else term_text(term)


def _beginning(ref: Ref, count: int) -> str:
    """The text of the head and the steps after it, `count` of them together."""
    return ref_text(Ref(ref.head, ref.path[: count - 1])) if count else ""


def _width(text: str) -> int:
    return len(text.encode())


# ── problems ──


def _is_wide(lines: Iterable[str]) -> bool:
    return any(len(line) > _MAX_WIDTH for line in lines)


def _problem(place: Place, message: str, lines: Iterable[str], fix: str) -> RegoProblem:
    return RegoProblem(_CODE, place, "\n\t".join((message, *lines)), fix)
