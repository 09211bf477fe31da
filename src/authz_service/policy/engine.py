"""The hot half of the policies: one question to the checked Rego, one `Verdict`. Not the checks (`load_gate`).

The only file that knows regorus' API, so that another build drops in (docs/decisions/evaluate-rego-in-regorus.md).
"""

import os
from collections.abc import Iterable, Sequence

from authz_service.domain.decision import Verdict
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.added_builtins import added_builtins
from authz_service.policy.answers import read_answer
from authz_service.policy.input_reads import reads_in

# SECURITY T21: with either variable set, every error carries a page of addresses. Read once, so before the import.
os.environ["RUST_BACKTRACE"] = os.environ["RUST_LIB_BACKTRACE"] = "0"
# Its allocator would begin with a huge page in each process, and use a part of it: 6 MiB of a sidecar's memory.
os.environ["MIMALLOC_ALLOW_THP"] = "0"

import regorus

_FAILED = Verdict(Reason.POLICY_ERROR, ("policy error",), None)


class PolicyEngine:
    """Evaluates one query over policies that passed the load gate."""

    def __init__(self, source: PolicySource) -> None:
        """Raises PolicyProblems when regorus refuses the source, which the load gate has ruled out."""
        self._query = source.query
        self.reads = reads_in(text for _, text in source.modules)
        try:
            self._prepared = _prepared(source)
        except Exception as error:
            raise PolicyProblems(
                [Problem(source.query, "the policies cannot be loaded", "run `authz check`: it names the place")]
            ) from error

    def evaluate(self, input_json: str) -> Verdict:
        """The policy's answer; whatever goes wrong is a refusal. Says nothing about the inside of the policy."""
        try:
            return read_answer(self.ask(input_json))
        except Exception:  # noqa: BLE001 - the policy is somebody else's program: it may fail in any way
            return _FAILED

    def ask(self, input_json: str) -> str:
        """The rule's value as JSON, or `"<undefined>"`; raises what regorus raises. For the load gate.

        A clone for each question: when `set_input_json` raises, regorus keeps the input of the question before,
        and the next one would be decided as somebody else (SECURITY T7).
        """
        engine = self._prepared.clone()
        try:
            engine.set_input_json(input_json)
            answer: str = engine.eval_rule_as_json(self._query)
        except BaseException as error:  # noqa: BLE001 - see _without_panic
            raise _without_panic(error) from None
        return answer


def syntax_tree(modules: Iterable[tuple[str, str]]) -> str:
    """The modules as regorus reads them, in JSON; raises RuntimeError with its message. For the load gate."""
    try:
        tree: str = _loaded(modules).get_ast_as_json()
    except BaseException as error:  # noqa: BLE001 - see _without_panic
        raise _without_panic(error) from None
    return tree


def _without_panic(error: BaseException) -> BaseException:
    """A panic in Rust arrives as pyo3's PanicException, which is not an Exception and would end the worker (T10)."""
    if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
        return error
    return RuntimeError(str(error))


def _loaded(modules: Iterable[tuple[str, str]]) -> regorus.Engine:
    engine = regorus.Engine()
    engine.set_gather_prints(True)  # else `print` in a policy writes a caller's bytes to our standard error
    for path, text in modules:
        engine.add_policy(path, text)
    return engine


def _add_builtins(engine: regorus.Engine, texts: Sequence[str]) -> None:
    """Those that the policies name: each evaluation's clone has a copy of the table."""
    for name, added in added_builtins().items():
        if any(name in text for text in texts):
            engine.add_extension(name, added.arity, added.call)


def _prepared(source: PolicySource) -> regorus.Engine:
    engine = _loaded(source.modules)
    _add_builtins(engine, [text for _, text in source.modules])
    engine.add_data_json(source.data)
    # Before the first evaluation regorus schedules the statements; a clone of an engine that has done so answers in
    # 0.6 of the time. A rule that does not exist makes it do that, and nothing else.
    try:
        engine.eval_rule("")
    except RuntimeError as error:
        if "not a valid rule path" not in str(error):
            raise
    return engine
