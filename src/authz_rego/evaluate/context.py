"""One question: its input and data, what has been found out meanwhile, and what `with` puts in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from authz_rego.errors import BuiltinError
from authz_rego.values.value import UNDEFINED, Value, key_of

Path = tuple[Value, ...]
Mock = Callable[..., Value]

MISSING: Final = object()  # nothing has been found out yet
_NO_MOCKS: Final[Mapping[str, Mock]] = {}


class Context:
    """What a compiled policy reads. A `with` makes another one of it, with a memory of its own."""

    __slots__ = ("input", "memory", "mocks", "now_ns", "overlay", "replaced", "taken", "trace")

    def __init__(self, input_: Value, now_ns: int, trace: Any = None) -> None:
        self.input = input_
        self.now_ns = now_ns
        self.trace = trace
        self.memory: dict[Any, Any] = {}
        self.mocks = _NO_MOCKS
        self.overlay: Value = UNDEFINED  # what `with data.…` puts over the data
        self.replaced: tuple[Path, ...] = ()  # the paths below `data` that `with` replaced
        self.taken: tuple[Path, ...] = ()  # those of them at which nothing is left

    def replacing(
        self,
        inputs: Sequence[tuple[Path, Value]] = (),
        data: Sequence[tuple[Path, Value]] = (),
        mocks: Mapping[str, Mock] = _NO_MOCKS,
    ) -> Context:
        """The same question, with other values and functions."""
        new = Context(self.input, self.now_ns, self.trace)
        new.mocks = {**self.mocks, **mocks} if mocks else self.mocks
        new.overlay, new.replaced, new.taken = self.overlay, self.replaced, self.taken
        if inputs:
            new.input = merged(self.input, inputs)
        if data:
            new.overlay = merged(self.overlay, data)
            new.replaced = (*self.replaced, *(path for path, _ in data))
            for path, value in data:
                left = (each for each in new.taken if each[: len(path)] != path)
                new.taken = (*left, path) if value is UNDEFINED else tuple(left)
        return new

    def is_replaced(self, path: Sequence[Value]) -> bool:
        """Whether `with` put something at this path below `data`, or above it."""
        return any(tuple(path[: len(each)]) == each for each in self.replaced)

    def call(self, name: str, function: Callable[..., Value], arity: int, *args: Value) -> Value:
        """A function of the policy that a `with` may have replaced; after its arguments, what is known of its value."""
        mock = self.mocks.get(name)
        return function(self, *args) if mock is None else mock(self._unmocked(), *args[:arity])

    def call_builtin(self, name: str, function: Callable[..., Value], *args: Value) -> Value:
        """A builtin that a `with` may have replaced; raises BuiltinError when it cannot answer."""
        mock = self.mocks.get(name)
        return function(*args) if mock is None else mock(self._unmocked(), *args)

    def is_rule_mocking(self, name: str) -> bool:
        """Whether a rule stands in for it: OPA takes a statement that calls it for true, whatever the rule says."""
        return type(self.mocks.get(name)) is RuleMock

    def _unmocked(self) -> Context:
        """What stands in for a function is evaluated without other stand-ins."""
        new = Context(self.input, self.now_ns, self.trace)
        new.memory, new.overlay, new.replaced, new.taken = self.memory, self.overlay, self.replaced, self.taken
        return new


def builtin_mock(function: Callable[..., Value]) -> Mock:
    """A builtin in the place of another function: what it cannot answer is undefined."""

    def mock(_: Context, *args: Value) -> Value:
        try:
            return function(*args)
        except BuiltinError:
            return UNDEFINED

    return mock


class RuleMock:
    """The value of a rule, or of a package, in the place of a function."""

    def __init__(self, at: Callable[[Context], Value]) -> None:
        self._at = at

    def __call__(self, context: Context, *_: Value) -> Value:
        return self._at(context)


def value_mock(value: Value) -> Mock:
    """A value in the place of a function."""
    return lambda _, *__: value


def merged(value: Value, pairs: Iterable[tuple[Path, Value]]) -> Value:
    """The document with other values at the paths; what stands in the way is replaced by objects.

    The value UNDEFINED, which a function gives that stands for a document, takes away what was there.
    """
    for path, new in pairs:
        value = _put(value, path, new)
    return value


def _put(value: Value, path: Path, new: Value) -> Value:
    if not path:
        return new
    members = value if type(value) is dict else {}
    key = key_of(path[0])
    member = _put(members.get(key, UNDEFINED), path[1:], new)
    if member is UNDEFINED:
        return {each: other for each, other in members.items() if each != key}
    return {**members, key: member}
