"""Where the parser is in a text, what it has found to be wrong, and the way back from an attempt. Not the grammar.

OPA's parser tries a reading, and if it fails goes back and tries another. What it did meanwhile is forgotten, errors
included, but for one thing: terms that it has read it remembers together with all that came of it. To refuse exactly
what OPA refuses, and at the same places, this has the same states, the same memory, and the same way of forgetting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeAlias

from authz_rego.errors import Place, RegoProblem
from authz_rego.syntax.scanner import Scanner, Token
from authz_rego.syntax.tokens import FUTURE, IN_V1, KEYWORD_KINDS, NAMES, Kind
from authz_rego.syntax.tree import Expr, Term

PARSE_ERROR: Final = "rego_parse_error"
MAX_NESTING: Final = 80  # ours; OPA's is about 11,000 brackets, which Python's stack does not bear
TOO_DEEP: Final = "max parsing recursion depth exceeded"
_STEPS: Final = 100_000  # ours, as is the next: how often the parser may go on to another token
_STEPS_PER_CHARACTER: Final = 20

# Newest first. Never changed, so that a state can go back to what it had.
Chain: TypeAlias = "tuple[Any, Any] | None"


class GiveUp(Exception):  # noqa: N818  # not an error of the program: the way out from deep inside
    """Nothing more can be found out about this text."""

    def __init__(self, problem: RegoProblem) -> None:
        super().__init__(problem)
        self.problem = problem


class Statement(NamedTuple):
    """An expression of a body, with the piece of the text that it is."""

    expr: Expr
    start: int
    end: int


class Mark(NamedTuple):
    """Where something begins."""

    place: Place
    start: int


class State:
    """All that going back restores."""

    __slots__ = ("comments", "errors", "hints", "keywords", "kind", "last_end", "line_skipped", "token", "wildcards")

    def __init__(self, token: Token) -> None:
        self.token = token
        self.kind = Kind.ILLEGAL  # the token's, but for a keyword that turned out to be a name
        self.keywords: dict[str, Kind] = dict(IN_V1)
        self.last_end = 0  # of the last token that was no blank
        self.line_skipped = False
        self.wildcards = 0
        self.errors: Chain = None
        self.hints: tuple[str, ...] = ()
        self.comments: Chain = None

    def copy(self) -> State:
        """As `copy.copy` makes it, in a fifth of the time: there is one for each term."""
        new = State.__new__(State)
        new.token, new.kind, new.keywords = self.token, self.kind, self.keywords
        new.last_end, new.line_skipped, new.wildcards = self.last_end, self.line_skipped, self.wildcards
        new.errors, new.hints, new.comments = self.errors, self.hints, self.comments
        return new


class Cursor:
    """Reads a text token by token. `state` is its present state: to be saved, and to be restored by assignment."""

    def __init__(self, file: str, text: str, grammar: Grammar) -> None:
        self.file = file
        self.scanner = Scanner(text)
        self.grammar = grammar
        self.state = State(self.scanner.before_all)
        self.known_terms: KnownTerm | None = None
        self.not_has_body = False
        self._depth = 0
        self._steps = _STEPS + _STEPS_PER_CHARACTER * len(text)

    # ── moving ──

    @property
    def kind(self) -> Kind:
        return self.state.kind

    def at(self, *kinds: Kind) -> bool:
        return self.state.kind in kinds

    def scan(self, *, blanks: bool = False) -> None:
        """To the next token; a blank is one only when asked for."""
        state = self.state
        token = state.token
        if state.kind is not Kind.WHITESPACE:
            state.last_end = token.end
            state.line_skipped = False
        self._steps -= 1
        if self._steps < 0:
            self.stop("the text takes too long to parse", "write nested brackets apart, as rules of their own")
        while True:
            token = token.next or self.scanner.after(token)
            kind = token.kind
            if token.errors:
                self._take(token, Kind.ILLEGAL)
                return
            if kind is Kind.WHITESPACE:
                if "\n" in token.text:
                    state.line_skipped = True
                if blanks:
                    break
            elif kind is Kind.COMMENT:
                state.comments = (token, state.comments)
            else:
                break
        if kind is Kind.IDENT:
            kind = state.keywords.get(token.text, kind)
        state.token, state.kind = token, kind

    def scan_template(self, *, raw: bool) -> None:
        """From the `}` on which the cursor stands to the next part of the template string."""
        state = self.state
        state.last_end, state.line_skipped = state.token.end, False
        token = self.scanner.rest_of_template(state.token, raw=raw)
        self._take(token, Kind.ILLEGAL if token.errors else token.kind)

    def _take(self, token: Token, kind: Kind) -> None:
        self.state.token, self.state.kind = token, kind
        for each in token.errors:
            self.error(self.place(), each)

    def save(self) -> State:
        """What can be assigned to `state` later, once."""
        return self.state.copy()

    def next_kind(self, *, blanks: bool = False) -> Kind:
        """What would come, without going there."""
        saved = self.save()
        self.scan(blanks=blanks)
        found = self.state.kind
        self.state = saved
        return found

    # ── what was read ──

    def place(self) -> Place:
        token = self.state.token
        return Place(self.file, token.row, token.column)

    def mark(self) -> Mark:
        return Mark(self.place(), self.state.token.start)

    def text(self, start: int, end: int) -> str:
        return self.scanner.text[start:end]

    def find_term(self) -> tuple[Term | None, State] | None:
        """What was read here before, and what came of it."""
        start, known = self.state.token.start, self.known_terms
        while known is not None and known.start > start:
            known = known.before
        return (known.term, known.after) if known is not None and known.start == start else None

    def remember_term(self, start: int, term: Term | None) -> None:
        """Forgets what was read further on."""
        known = self.known_terms
        while known is not None and known.start >= start:
            known = known.before
        self.known_terms = KnownTerm(start, term, self.save(), known)

    def new_wildcard(self) -> str:
        self.state.wildcards += 1
        return f"${self.state.wildcards - 1}"

    # ── keywords ──

    def is_name(self, kind: Kind) -> bool:
        """Whether a keyword may stand in a reference, as if it were a name."""
        return NAMES[kind] in IN_V1 or NAMES[kind] in self.state.keywords

    def add_keyword(self, word: str) -> None:
        self.state.keywords[word] = FUTURE[word]
        if word == "every":
            self.state.keywords["in"] = FUTURE["in"]
        if word == "not":
            self.not_has_body = True

    @contextmanager
    def with_keywords(self, keywords: dict[str, Kind]) -> Iterator[None]:
        """For an attempt with other keywords; the state stays what it becomes."""
        known, self.known_terms = self.known_terms, None
        self.state = self.save()
        self.state.keywords = keywords
        try:
            yield
        finally:
            self.known_terms = known

    # ── what is wrong ──

    def error(self, place: Place, found: str, fix: str = "") -> None:
        state = self.state
        hints = state.hints
        if hints:
            found += f" (hint{'s' if len(hints) > 1 else ''}: {', '.join(hints)})"
            state.hints = ()
        state.errors = (RegoProblem(PARSE_ERROR, place, found, fix), state.errors)

    def illegal(self, note: str = "", fix: str = "") -> None:
        """The token here does not belong here."""
        kind = self.state.kind
        if kind is Kind.ILLEGAL:
            self.error(self.place(), "illegal token", fix)
            return
        found = f"unexpected {NAMES[kind]} {'keyword' if kind in KEYWORD_KINDS else 'token'}"
        self.error(self.place(), f"{found}: {note}" if note else found, fix)

    def hint(self, text: str) -> None:
        self.state.hints = (*self.state.hints, text)

    def errors(self) -> list[RegoProblem]:
        return from_chain(self.state.errors)

    def stop(self, found: str, fix: str) -> None:
        """Ends the parsing of this text."""
        raise GiveUp(RegoProblem(PARSE_ERROR, self.place(), found, fix))

    # ── depth ──

    def enter(self) -> None:
        """One bracket, body or operator deeper; the parsing ends when that is too deep."""
        self._depth += 1
        if self._depth > MAX_NESTING:
            self.stop(
                TOO_DEEP,
                f"give what is inside a name: no more than {MAX_NESTING} brackets, bodies and operators may be nested",
            )

    def leave(self) -> None:
        self._depth -= 1


class KnownTerm(NamedTuple):
    """What was read at some place: a term or None, and the state behind it. They are chained, the furthest first."""

    start: int
    term: Term | None
    after: State
    before: KnownTerm | None


class Grammar(NamedTuple):
    """What contains each other, each in a file of its own: terms, and the bodies of comprehensions and the like."""

    term: Callable[[Cursor], Term | None]
    infix: Callable[[Cursor, bool], Term | None]
    literal: Callable[[Cursor], Statement | None]
    body: Callable[[Cursor, Kind], list[Statement] | None]


def from_chain(chain: Chain) -> list[Any]:
    """Its members, oldest first."""
    found = []
    while chain is not None:
        member, chain = chain
        found.append(member)
    found.reverse()
    return found
