"""The tree of a module: what was written, each node with its place. Not what it means.

Nodes compare by content, never by place; later stages make new nodes instead of changing these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from authz_rego.errors import NOWHERE, Place
from authz_rego.values.number import Number
from authz_rego.values.value import equal

# ── terms ──


@dataclass(slots=True)
class Scalar:
    """null, a boolean, a number or a string."""

    value: bool | int | Number | str | None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def __eq__(self, other: object) -> bool:
        return type(other) is Scalar and equal(self.value, other.value)  # to Python, True is 1

    __hash__ = None  # type: ignore[assignment]  # like the other nodes


@dataclass(slots=True)
class Var:
    """A name on its own. `_` is given a name of its own each time: `$0`, `$1` … (unique in its module)."""

    name: str
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def is_wildcard(self) -> bool:
        return self.name.startswith("$")


@dataclass(slots=True)
class Ref:
    """`head.a["b"][x]`. The head is a Var, or what else can be looked into: a call, an array, a comprehension …

    `.a` and `["a"]` are both `Scalar("a")`. `data` and `input` are references also on their own, with an empty path.
    """

    head: Term
    path: tuple[Term, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class ArrayTerm:
    items: tuple[Term, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class ObjectTerm:
    pairs: tuple[tuple[Term, Term], ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class SetTerm:
    items: tuple[Term, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Call:
    """`f(x)`, `data.lib.f(x)`; operators by the name of their builtin.

    `x + y` is `plus(x, y)`, `x == y` is `equal`, `x = y` is `eq`, `x := y` is `assign`, `-x` is `minus(0, x)`.
    The operator is a Ref, also for a name without dots (its path is empty then).
    """

    operator: Ref
    args: tuple[Term, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class ArrayComprehension:
    term: Term
    body: Body
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class SetComprehension:
    term: Term
    body: Body
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class ObjectComprehension:
    key: Term
    value: Term
    body: Body
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class TemplateString:
    """`$"… {x} …"`: its parts are Scalar strings and Exprs, in their order."""

    parts: tuple[Scalar | Expr, ...]
    multi_line: bool = False
    place: Place = field(default=NOWHERE, compare=False, repr=False)


Comprehension: TypeAlias = ArrayComprehension | SetComprehension | ObjectComprehension
Term: TypeAlias = Scalar | Var | Ref | ArrayTerm | ObjectTerm | SetTerm | Call | Comprehension | TemplateString


# ── bodies ──


@dataclass(slots=True)
class SomeDecl:
    """`some x, y` (its symbols are Vars), or `some x in xs` / `some k, v in xs`.

    The latter is one Call of `internal.member_2(x, xs)` or `internal.member_3(k, v, xs)`.
    """

    symbols: tuple[Term, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Every:
    """`every value in domain { body }`, `every key, value in domain { body }`."""

    key: Var | None
    value: Var
    domain: Term
    body: Body
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Not:
    """`not` as `import future.keywords.not` (or `rego.v2`) has it: of a body. The plain one is `Expr.negated`."""

    body: Body
    explicit: bool = False  # the body stood in braces
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Logical:
    """`left and right`, `left or right` (`import future.keywords.and`, `.or`, `rego.v2`)."""

    operator: str  # "and" or "or"
    left: Body
    right: Body
    left_explicit: bool = False
    right_explicit: bool = False
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class With:
    target: Term  # a Ref, or a Var (`input`)
    value: Term
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Expr:
    """One statement of a body: a term (a Call as a rule), or one of the statements above."""

    terms: Terms
    negated: bool = False
    with_: tuple[With, ...] = ()
    generated: bool = False  # made by a stage, not written
    assigned: bool = False  # an `eq` that was written `:=`
    place: Place = field(default=NOWHERE, compare=False, repr=False)


Body: TypeAlias = tuple[Expr, ...]
Terms: TypeAlias = Term | SomeDecl | Every | Not | Logical


# ── rules and modules ──


@dataclass(slots=True)
class Head:
    """`ref(args) := value`, `ref contains key`, `ref[x] := value`. The reference as written: `p.q[x]` is
    `Ref(Var("p"), (Scalar("q"), Var("x")))`. All as in OPA's own Head, of the same names:

    =================================  ==============  ==========  ==============================================
    written                            ref             key         value
    =================================  ==============  ==========  ==============================================
    `p if …`, `f(x) if …`              `p`, `f`        None        true (not written)
    `p := 1`, `p = 1`, with `if …` too `p`             None        1; `assign` tells `:=` from `=`
    `f(x) := y`, `a.f(x) := y if …`    `f`, `a.f`      None        y
    `p contains x`, `a.b contains x`   `p`, `a.b`      x           None
    `p.q if …`, `p["q"] := 1 if …`     `p.q`           None        true, 1
    `p.q := 1` without `if`            `p.q`           "q"         1: the same rule as the one before, but for OPA's
                                                                   older reader, which alone sees it, `q` is a key
    `p[x] if …`, `p[x] := y if …`      `p[x]`          x           true, y; x has variables, or is a reference
    `p[x] := y` without `if`           `p[x]`          x           y
    `p.q[x] if …`, `p[x][y] := z`      `p.q[x]` …      None        true, z: three parts or more never have a key
    =================================  ==============  ==========  ==============================================

    So a rule is a set (OPA's multi-value) exactly when its value is None. A key besides a value says no more than the
    reference does. Further bodies (`p if { … } { … }`) and `else` have heads of their own, with the same reference.
    """

    ref: Ref
    args: tuple[Term, ...] | None = None  # None: no function
    key: Term | None = None
    value: Term | None = None  # None: `contains`; true when nothing was written
    assign: bool = False  # written with `:=`
    value_written: bool = False
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Rule:
    head: Head
    body: Body  # `(Expr(Scalar(True), generated=True),)` when none was written
    default: bool = False
    else_: Rule | None = None
    annotations: tuple[Annotation, ...] = ()  # the blocks right above it, in their order
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Annotation:
    """A `# METADATA` block: its members as `rego.metadata` gives them, without those that are empty.

    The scope is never empty: where none is written, it is that of what stands below the block.
    """

    scope: str
    members: dict[str, Any]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(slots=True)
class Import:
    path: Ref  # head `data`, `input`, `rego` or `future`
    alias: str | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def name(self) -> str:
        """What it is called in the module."""
        if self.alias is not None:
            return self.alias
        last = self.path.path[-1] if self.path.path else self.path.head
        return last.name if isinstance(last, Var) else str(last.value)  # type: ignore[union-attr]


@dataclass(slots=True)
class Module:
    file: str
    package: Ref  # head Var("data"), constant strings below
    imports: tuple[Import, ...]
    rules: tuple[Rule, ...]
    annotations: tuple[Annotation, ...] = ()  # all of them, those of its rules too
    package_place: Place = field(default=NOWHERE, compare=False, repr=False)
