"""A policy, ready to be asked. READ FIRST: everything else in this package is behind these two classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from authz_rego.check.clock import Clock, clock_of
from authz_rego.check.data_conflicts import data_problems
from authz_rego.check.reads import Reads, reads_of
from authz_rego.check.stages import Compiled, compile_modules
from authz_rego.compile.program import Program, program
from authz_rego.errors import NOWHERE, EvaluationError, RegoProblem, RegoProblems
from authz_rego.evaluate.context import Context
from authz_rego.evaluate.documents import Documents
from authz_rego.evaluate.trace import Trace
from authz_rego.explain import Explanation, explanation
from authz_rego.syntax.modules import parse_module
from authz_rego.syntax.tree import Module
from authz_rego.values.python_documents import readable_value
from authz_rego.values.value import UNDEFINED, Value


class Query:
    """One question to a policy: the value of a path below `data`."""

    def __init__(self, policy: Policy, path: tuple[Value, ...]) -> None:
        self._policy, self._path = policy, path
        self._ask = _asking(policy.program, path)

    def evaluate(self, input: Value = UNDEFINED, *, now_ns: int = 0) -> Value:  # noqa: A002 - Rego's word
        """The value, or UNDEFINED. Raises EvaluationError when there is no answer: two values of one rule, say.

        `input` is a value as `authz_rego.values` describes them, `now_ns` what `time.now_ns()` gives. In the value,
        U+FFFD is in place of each byte that is no UTF-8, as in the JSON that OPA answers with.
        """
        return _bounded(self._ask, Context(input, now_ns))

    def explain(
        self,
        input: Value = UNDEFINED,  # noqa: A002 - Rego's word
        *,
        now_ns: int = 0,
        trace: Trace | None = None,
    ) -> Explanation:
        """The same value, with the bodies that were tried and the line at which each stopped."""
        trace, error, value = trace or Trace(), "", UNDEFINED
        traced = self._policy.traced()
        try:
            value = _bounded(_asking(traced, self._path), Context(input, now_ns, trace))
        except EvaluationError as failed:
            error = str(failed)
        return explanation(traced, trace, self._policy.texts, value, error)


def _bounded(ask: Callable[[Context], Value], context: Context) -> Value:
    try:
        return ask(context)
    except RecursionError:
        raise EvaluationError("eval_depth_error", "a value is nested too deeply") from None


def _asking(program: Program, path: tuple[Value, ...]) -> Callable[[Context], Value]:
    place = program.documents.root.find(path)
    ask = place.document if place is not None else None
    if ask is None:
        documents = program.documents

        def ask(context: Context) -> Value:
            return documents.at(context, path)

    tearing = program.generator.tearing

    def ask_readable(context: Context) -> Value:
        value = ask(context)
        return readable_value(value) if tearing.seen else value

    return ask_readable if program.generator.calls_tearing else ask


class Policy:
    """Modules and data that were found to be right."""

    def __init__(self, compiled: Compiled, data: Mapping[str, Value], texts: Mapping[str, str]) -> None:
        self._compiled, self._data = compiled, dict(data)
        self.texts = texts  # by the names of the files
        self.program = program(compiled, self._data)
        self._traced: Program | None = None

    @classmethod
    def compile(
        cls, modules: Iterable[tuple[str, str]], data: Mapping[str, Value] | None = None, *, allow_overlap: bool = False
    ) -> Policy:
        """The policy of these files, `(name, text)` each. Raises RegoProblems: all that is wrong, with its places.

        With `allow_overlap` a rule may stand where data stands, and hides it; OPA's server and tools refuse that.
        """
        texts = dict(modules)
        return cls.of(parsed(texts.items()), data or {}, texts, allow_overlap=allow_overlap)

    @classmethod
    def of(
        cls,
        modules: Iterable[Module],
        data: Mapping[str, Value],
        texts: Mapping[str, str],
        *,
        allow_overlap: bool = False,
    ) -> Policy:
        """The same, of modules that are parsed already; the texts are for explanations."""
        try:
            compiled = compile_modules(modules, lambda tree: () if allow_overlap else data_problems(tree, dict(data)))
            return cls(compiled, data, texts)
        except (RecursionError, MemoryError, SyntaxError):  # the last two: Python's own compiler, of its own depth
            found = "the policy is nested too deeply"
            raise RegoProblems([RegoProblem("rego_compile_error", NOWHERE, found, "give parts of it names")]) from None

    def query(self, path: str) -> Query:
        """`data.package.rule`, or a package. Raises RegoProblems when there is nothing of that name."""
        steps = _steps(path)
        if not self.documents.has(steps):
            raise RegoProblems([_unknown(path)])
        return Query(self, steps)

    @property
    def documents(self) -> Documents:
        """Its rules and its data."""
        return self.program.documents

    @property
    def reads(self) -> Reads:
        """Which parts of the input its rules can read: None is all of it."""
        return reads_of(self._compiled.modules)

    @property
    def clock(self) -> Clock:
        """How its rules read the clock: with the same input the answer is the same until the next of its turns."""
        return clock_of(self._compiled.modules)

    def traced(self) -> Program:
        """The same rules, compiled so that they tell what they try. Made when it is first asked for."""
        if self._traced is None:
            self._traced = program(self._compiled, self._data, traced=True)
        return self._traced

    @property
    def source(self) -> str:
        """The Python that it was compiled to."""
        return self.program.source


def parsed(modules: Iterable[tuple[str, str]]) -> list[Module]:
    """The modules of some files. Raises RegoProblems: those of all files."""
    problems: list[RegoProblem] = []
    parsed = []
    for file, text in modules:
        try:
            parsed.append(parse_module(file, text))
        except RegoProblems as found:
            problems += found.problems
    if problems:
        raise RegoProblems(problems)
    return parsed


def _steps(path: str) -> tuple[str, ...]:
    root, *steps = path.split(".")
    if root != "data" or not all(steps):
        raise RegoProblems([_unknown(path)])
    return tuple(steps)


def _unknown(path: str) -> RegoProblem:
    return RegoProblem("rego_compile_error", NOWHERE, f"there is no `{path}`", "name a rule: data.package.rule")
