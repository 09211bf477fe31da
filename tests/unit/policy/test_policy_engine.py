"""The engine: one input, one verdict; whatever breaks is a refusal and leaves nothing for the next request."""

import json
import os
import subprocess
import sys

import pytest
from tests.support.policy_answers import ANSWERS

from authz_service.domain.decision import StepUp, Verdict
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems
from authz_service.policy.answers import MAX_AUDIT_BYTES, MAX_REASON_CHARS, MAX_REASONS, read_answer
from authz_service.policy.engine import PolicyEngine

BY_ROUTE = 'allow if input.route == "orders"'


def an_engine(text: str, query: str = "data.p.allow", data: str = "{}") -> PolicyEngine:
    return PolicyEngine(PolicySource(query, (("p.rego", f"package p\n{text}"),), data))


def answer_to(text: str, **fields: object) -> Verdict:
    return an_engine(text).evaluate(json.dumps(fields))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *ANSWERS,
        ("allow := 1 / 0", Reason.POLICY_ERROR),
        ("allow if object.subset([1], [])", Reason.POLICY_ERROR),
        ("allow if unknown(1)", Reason.POLICY_ERROR),
    ],
)
def test_only_a_clear_yes_allows(text: str, reason: Reason) -> None:
    """`true`, or `{allow: true}` with nothing wrong in it; all else refuses and says of what kind it is."""
    assert answer_to(text).reason is reason


def test_a_query_that_names_nothing_refuses() -> None:
    """As it would after a mistake of ours: the load gate lets no such query through."""
    assert an_engine("allow := true", query="data.p.other").evaluate("{}").reason is Reason.POLICY_ERROR
    assert an_engine("allow := true").evaluate("{}").reason is Reason.ALLOWED


def test_reasons_and_audit_come_with_the_answer() -> None:
    """A set of reasons is in a stable order; the audit value is any JSON."""
    text = 'allow := {"allow": true, "reasons": {"b", "a"}, "audit": {"n": 1, "s": {2}, "of": input.route}}'

    assert answer_to(text, route="orders") == Verdict(Reason.ALLOWED, ("a", "b"), {"n": 1, "of": "orders", "s": [2]})


def test_an_error_says_nothing_about_the_inside() -> None:
    """No file, no line, no value: the load gate and `authz decide` are for that."""
    assert answer_to("allow := 1 / 0") == Verdict(Reason.POLICY_ERROR, ("policy error",), None)


def test_reasons_are_bounded() -> None:
    """Long ones are cut and marked, many are cut off; the decision stays."""
    many = {"allow": True, "reasons": ["x" * MAX_REASON_CHARS, "y" * (MAX_REASON_CHARS + 1), *["z"] * 20]}
    verdict = answer_to("allow := input.route", route=many)

    assert verdict.reason is Reason.ALLOWED
    assert len(verdict.reasons) == MAX_REASONS
    assert verdict.reasons[0] == "x" * MAX_REASON_CHARS
    assert verdict.reasons[1] == "y" * (MAX_REASON_CHARS - 1) + "…"


@pytest.mark.parametrize("letter", ["a", "é", '"', "\n"])
def test_audit_is_bounded(letter: str) -> None:
    """What fits stays as it is, what does not is cut, marked, and fits then."""
    text = 'allow := {"allow": true, "audit": {"path": input.route}}'

    assert answer_to(text, route=letter * 300).audit == {"path": letter * 300}
    cut = answer_to(text, route=letter * MAX_AUDIT_BYTES).audit
    assert isinstance(cut, dict)
    assert list(cut) == ["cut"]
    assert len(json.dumps(cut, ensure_ascii=False).encode()) <= MAX_AUDIT_BYTES + len('{"cut": ""}')


def test_indentation_does_not_count() -> None:
    """regorus writes its answers indented; a list of 900 numbers is small without."""
    numbers = [1] * 900

    assert answer_to('allow := {"allow": true, "audit": input.route}', route=numbers).audit == numbers


@pytest.mark.parametrize("bad", ["", "{", "[" * 200, '{"a": "\\ud800"}', '{"a": 1e999}', "NaN", "\ud800"])
def test_a_bad_input_is_not_decided_as_the_one_before(bad: str) -> None:
    """SECURITY T7: regorus keeps the previous input when it refuses the next."""
    engine = an_engine(BY_ROUTE)

    assert engine.evaluate('{"route": "orders"}').reason is Reason.ALLOWED
    assert engine.evaluate(bad).reason is Reason.POLICY_ERROR
    assert engine.evaluate('{"route": "orders"}').reason is Reason.ALLOWED
    assert engine.evaluate("{}").reason is Reason.POLICY_UNDEFINED


def test_a_panic_is_a_refusal_and_the_next_request_is_served() -> None:
    """SECURITY T10: pyo3's PanicException is no Exception."""
    engine = an_engine("allow if object.subset(input.route, input.host)")

    assert engine.evaluate('{"route": ["a"], "host": []}').reason is Reason.POLICY_ERROR
    assert engine.evaluate('{"route": ["a"], "host": ["a"]}').reason is Reason.ALLOWED


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_process_is_not_a_refusal(end: type[BaseException]) -> None:
    """A worker that is told to stop stops."""

    class Stopping(PolicyEngine):
        def ask(self, input_json: str) -> str:
            raise end

    with pytest.raises(end):
        Stopping(PolicySource("data.p.allow", (("p.rego", "package p\nallow := true"),))).evaluate("{}")


@pytest.mark.parametrize(
    ("modules", "data"),
    [
        ([("p.rego", "package p\nallow if {")], "{}"),
        ([("p.rego", "package p\nallow if foo")], "{}"),
        ([("p.rego", "package p\nallow := true")], "["),
        ([("p.rego", "package p\nallow := true")], "[]"),
    ],
)
def test_what_cannot_be_loaded_is_refused_at_once(modules: list[tuple[str, str]], data: str) -> None:
    """The load gate has said why; here it is only broken."""
    with pytest.raises(PolicyProblems, match="authz check"):
        PolicyEngine(PolicySource("data.p.allow", tuple(modules), data))
    PolicyEngine(PolicySource("data.p.allow", (("p.rego", "package p\nallow := true"),), "{}"))


def test_data_is_there() -> None:
    """The data document beside the policies."""
    engine = an_engine("allow if input.route in data.open", data='{"open": ["orders"]}')

    assert engine.evaluate('{"route": "orders"}').reason is Reason.ALLOWED
    assert engine.evaluate('{"route": "admin"}').reason is Reason.POLICY_UNDEFINED


def test_print_does_not_reach_our_output(capfd: pytest.CaptureFixture[str]) -> None:
    """A caller's bytes do not get into the log through a forgotten print."""
    assert answer_to("allow if print(input.route)", route="forged").reason is Reason.ALLOWED
    captured = capfd.readouterr()
    assert "forged" not in captured.out + captured.err


def test_no_answer_is_a_text_of_undefined() -> None:
    """regorus' word for undefined, and what looks like it, are refusals both."""
    assert read_answer('"<undefined>"').reason is Reason.POLICY_UNDEFINED
    assert answer_to('allow := "<undefined>"').reason is not Reason.ALLOWED


@pytest.mark.parametrize("variable", ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"])
def test_errors_stay_short_whatever_the_environment_says(variable: str) -> None:
    """SECURITY T21: else each error is a page of addresses. `full` in either variable is enough for that."""
    code = (
        "{first}; import regorus\n"
        "try: regorus.Engine().add_policy('p.rego', 'package')\n"
        "except RuntimeError as error: print(len(str(error)))"
    )

    def length(first: str) -> int:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RUST_")}
        return int(
            subprocess.check_output(
                [sys.executable, "-c", code.format(first=first)], env={**environment, variable: "full"}
            )
        )

    assert length("import authz_service.policy.engine") < 200 < length("pass")


def test_panics_stay_short_too() -> None:
    """Rust prints them to the worker's standard error, once per request if a caller so wishes."""
    policy = "package p\\nx := object.subset([1], [])"
    code = (
        "{first}; import regorus\n"
        f"engine = regorus.Engine(); engine.add_policy('p.rego', \"{policy}\")\n"
        "try: engine.eval_rule('data.p.x')\n"
        "except BaseException: pass"
    )

    def length(first: str) -> int:
        environment = {**os.environ, "RUST_BACKTRACE": "full"}
        command = [sys.executable, "-c", code.format(first=first)]
        return len(subprocess.run(command, env=environment, capture_output=True, check=True).stderr)

    assert length("import authz_service.policy.engine") < 500 < length("pass")


def test_the_engine_is_lean() -> None:
    """A decision worker imports it: nothing heavy may come with it."""
    heavy = ("pydantic", "httpx", "click", "rich", "yaml", "subprocess", "asyncio")
    code = f"import sys, authz_service.policy.engine; print([m for m in {heavy} if m in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_engine_takes_no_huge_pages() -> None:
    """Linux says so of a process (proc(5), THP_enabled); with regorus alone it may have them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MIMALLOC")}
    # This very process has none either, which its children inherit: PR_SET_THP_DISABLE, prctl(2).
    code = "import ctypes; ctypes.CDLL(None).prctl(41, 0, 0, 0, 0); import {}; print(open('/proc/self/status').read())"

    def may_have(module: str) -> bool:
        command = [sys.executable, "-c", code.format(module)]
        return "THP_enabled:\t1" in subprocess.check_output(command, env=environment, text=True)

    assert may_have("regorus")
    assert not may_have("authz_service.policy.engine")


def test_who_does_not_evaluate_does_not_load_the_engine() -> None:
    """The control plane knows what answers mean, and runs no policy: regorus would be 3 MiB of it for nothing."""
    code = "import sys, authz_service.supervisor.{}; print('regorus' in sys.modules)"

    def is_loaded(module: str) -> str:
        return subprocess.check_output([sys.executable, "-c", code.format(module)], text=True).strip()

    assert is_loaded("sidecar") == "False"
    assert is_loaded("worker") == "True"


def step_up(value: str, allow: str = "false") -> Verdict:
    return answer_to(f'allow := {{"allow": {allow}, "step_up": {value}}}', acr="silver")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"acr_values": "gold"}', StepUp("gold", None)),
        ('{"acr_values": "gold silver"}', StepUp("gold silver", None)),
        ('{"acr_values": ["urn:mace:incommon:iap:silver", "2"]}', StepUp("urn:mace:incommon:iap:silver 2", None)),
        ('{"acr_values": {"gold"}}', StepUp("gold", None)),
        ('{"max_age": 300}', StepUp("", 300)),
        ('{"max_age": 0, "acr_values": input.acr}', StepUp("silver", 0)),
        ('{"max_age": 60 * 5}', StepUp("", 300)),
    ],
)
def test_a_policy_may_ask_for_a_better_sign_in(value: str, expected: StepUp) -> None:
    """It refuses all the same; together with an allow it is an error."""
    assert step_up(value) == Verdict(Reason.INSUFFICIENT_USER_AUTHENTICATION, (), None, expected)
    assert step_up(value, "true") == Verdict(Reason.POLICY_ERROR, ("policy error",), None)


@pytest.mark.parametrize(
    "value",
    [
        "{}",
        "null",
        "true",
        "[]",
        '"gold"',
        '{"acr": "gold"}',
        '{"acr_values": "gold", "more": 1}',
        '{"acr_values": ""}',
        '{"acr_values": []}',
        '{"acr_values": [""]}',
        '{"acr_values": " gold"}',
        '{"acr_values": "a  b"}',
        '{"acr_values": ["a b"]}',
        '{"acr_values": null}',
        '{"acr_values": 1}',
        '{"acr_values": [1]}',
        r'{"acr_values": "a\"b"}',
        r'{"acr_values": "a\\b"}',
        r'{"acr_values": "a\r\nx-a:b"}',
        r'{"acr_values": ["a\nb"]}',
        r'{"acr_values": "a\u0000"}',
        r'{"acr_values": "\u00e9"}',
        r'{"acr_values": "a\t"}',
        r'{"acr_values": "\u007f"}',
        f'{{"acr_values": "{"a" * 129}"}}',
        f'{{"acr_values": "{"a " * 16}a"}}',
        '{"max_age": -1}',
        '{"max_age": 1.5}',
        '{"max_age": "300"}',
        '{"max_age": true}',
        '{"max_age": null}',
        '{"max_age": 1000000000}',
        r'{"max_age": 5, "acr_values": "\""}',
    ],
)
def test_a_wish_that_is_not_understood_is_an_error_and_never_an_allow(value: str) -> None:
    """Nothing of it reaches a header."""
    for allow in ("true", "false"):
        assert step_up(value, allow) == Verdict(Reason.POLICY_ERROR, ("policy error",), None)
