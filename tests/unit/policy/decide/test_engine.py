"""The engine: one input, one verdict; whatever breaks is a refusal and leaves nothing for the next request."""

import json

import msgspec
import pytest
from tests.support.policy_answers import ANSWERS, HEADERS

from authz_rego.values.json_text import from_json
from authz_rego.values.python_documents import from_python
from authz_service.domain.decision import StepUp, Verdict
from authz_service.domain.refusals import Reason
from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems
from authz_service.policy.decide.answers import (
    MAX_AUDIT_BYTES,
    MAX_HEADER_CHARS,
    MAX_REASON_CHARS,
    MAX_REASONS,
    read_answer,
)
from authz_service.policy.decide.bad_answer import BadAnswer
from authz_service.policy.decide.engine import PolicyEngine

BY_ROUTE = 'allow if input.route == "orders"'
FAILED = Verdict(Reason.POLICY_ERROR, ("policy error",), None)


def an_engine(text: str, query: str = "data.p.allow", data: str = "{}") -> PolicyEngine:
    return PolicyEngine(PolicySource(query, (("p.rego", f"package p\n{text}"),), data, HEADERS))


def answer_to(text: str, **fields: object) -> Verdict:
    return an_engine(text).evaluate(from_python(fields))


def audit_of(verdict: Verdict) -> object:
    assert isinstance(verdict.audit, msgspec.Raw)
    return json.loads(bytes(verdict.audit))


@pytest.mark.parametrize(("text", "reason"), ANSWERS)
def test_only_a_clear_yes_allows(text: str, reason: Reason) -> None:
    """`true`, or `{allow: true}` with nothing wrong in it; all else refuses and says of what kind it is."""
    assert answer_to(text).reason is reason


@pytest.mark.parametrize(
    "text",
    [
        "allow := 1 / 0",
        "allow if input.route / 2 == 3",
        "allow if object.subset([1], {})",
        'allow if to_number("x") == 1',
    ],
)
def test_what_a_builtin_cannot_answer_is_undefined(text: str) -> None:
    """As in OPA; under `not` it is therefore true."""
    assert answer_to(text, route="r").reason is Reason.POLICY_UNDEFINED
    assert answer_to(text.replace("allow", "x") + "\nallow if not x", route="r").reason is Reason.ALLOWED


def test_a_query_that_names_nothing_cannot_be_asked() -> None:
    """As it would be after a mistake of ours: the vetting lets no such query through."""
    with pytest.raises(PolicyProblems, match="authz check"):
        an_engine("allow := true", query="data.p.other")
    assert an_engine("allow := true").evaluate({}).reason is Reason.ALLOWED


def test_reasons_and_audit_come_with_the_answer() -> None:
    """A set of reasons is in a stable order; the audit value is any JSON, and its numbers keep their digits."""
    text = 'allow := {"allow": true, "reasons": {"b", "a"}, "audit": {"n": 1.10, "s": {2}, "of": input.route}}'
    verdict = answer_to(text, route="orders")

    assert (verdict.reason, verdict.reasons) == (Reason.ALLOWED, ("a", "b"))
    assert verdict.audit == msgspec.Raw(b'{"n":1.10,"of":"orders","s":[2]}')


def test_opa_envoy_plugins_word_is_understood() -> None:
    """`allowed` is `allow`, in one value or rule by rule; both words at once are one too many."""
    by_rules = 'result.allowed := input.route\nresult.reasons contains "r"'

    assert answer_to('allow := {"allowed": input.route}', route=True).reason is Reason.ALLOWED
    assert answer_to('allow := {"allowed": input.route}', route=False).reason is Reason.POLICY_DENIED
    assert answer_to('allow := {"allowed": true, "allow": true}') == FAILED
    engine = an_engine(by_rules, query="data.p.result")
    assert engine.evaluate({"route": True}) == Verdict(Reason.ALLOWED, ("r",), None)
    assert engine.evaluate({"route": False}) == Verdict(Reason.POLICY_DENIED, ("r",), None)
    assert engine.evaluate({}) == FAILED


@pytest.mark.parametrize(
    "member",
    [
        '"http_status": 200',
        '"http_status": 302',
        '"body": "hello"',
        '"response_headers_to_add": {"x": "y"}',
        '"response_headers_to_add": {}',
        '"request_headers_to_remove": ["authorization"]',
        '"query_parameters_to_set": {"a": "b"}',
        '"query_parameters_to_remove": ["a"]',
        '"dynamic_metadata": {"a": 1}',
    ],
)
@pytest.mark.parametrize("allowed", ["true", "false"])
def test_what_else_opa_envoy_plugin_takes_is_refused_and_never_ignored(member: str, allowed: str) -> None:
    """Whoever wrote it counts on it. The vetting says what there is in its place."""
    text = f'{{"allowed": {allowed}, {member}}}'

    assert answer_to(f"allow := {text}") == FAILED
    with pytest.raises(BadAnswer, match="is not taken here: "):
        read_answer(from_json(text))


def headers(value: str, allow: str = "true") -> Verdict:
    return answer_to(f'allow := {{"allowed": {allow}, "headers": {value}}}', plan="gold")


def test_a_policy_sets_the_headers_that_are_configured_for_it() -> None:
    """Whatever the case of their names; no other one, and none when it refuses."""
    assert headers('{"X-Plan": input.plan}') == Verdict(Reason.ALLOWED, (), None, None, (("x-plan", "gold"),))
    assert headers('{"x-plan": "a", "X-QUOTA": "7"}').headers == (("x-plan", "a"), ("x-quota", "7"))
    assert headers("{}").headers == headers("{}", "false").headers == ()
    assert headers("{}", "false").reason is Reason.POLICY_DENIED
    assert headers('{"X-Plan": input.plan}', "false") == FAILED


@pytest.mark.parametrize(
    "value",
    [
        "null",
        "[]",
        '[{"X-Plan": "a"}]',
        '{"X-User-ID": "admin"}',
        '{"Authorization": "Bearer x"}',
        '{"X_Plan": "a"}',
        '{"X-Plan ": "a"}',
        '{"": "a"}',
        '{1: "a"}',
        '{"X-Plan": "a", "x-plan": "b"}',
        '{"X-Plan": null}',
        '{"X-Plan": 1}',
        '{"X-Plan": ["a"]}',
        '{"X-Plan": ""}',
        '{"X-Plan": " "}',
        '{"X-Plan": " a"}',
        r'{"X-Plan": "a\r\nx-user-id: admin"}',
        r'{"X-Plan": "a\u0000"}',
        r'{"X-Plan": "a\u2028b"}',
        f'{{"X-Plan": "{"a" * (MAX_HEADER_CHARS + 1)}"}}',
    ],
)
def test_a_header_that_is_not_understood_is_an_error_and_never_an_allow(value: str) -> None:
    """Of ours, of nobody's, or with a line of its own in it: nothing of it reaches the service."""
    assert headers(value) == FAILED
    assert headers(f'{{"X-Plan": "{"a" * MAX_HEADER_CHARS}"}}').reason is Reason.ALLOWED


def test_without_configured_headers_there_are_none() -> None:
    """The default."""
    with pytest.raises(BadAnswer, match=r"proxy\.headers\.from_policy does not name"):
        read_answer({"allow": True, "headers": {"X-Plan": "a"}})
    assert read_answer({"allow": True, "headers": {"X-Plan": "a"}}, {"x-plan"}).headers == (("x-plan", "a"),)


def test_an_error_says_nothing_about_the_inside() -> None:
    """No file, no line, no value: the vetting and `authz decide` are for that."""
    assert answer_to("allow := true\nallow := false if not input.route") == FAILED


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

    assert audit_of(answer_to(text, route=letter * 300)) == {"path": letter * 300}
    cut = audit_of(answer_to(text, route=letter * MAX_AUDIT_BYTES))
    assert isinstance(cut, dict)
    assert list(cut) == ["cut"]
    assert len(json.dumps(cut, ensure_ascii=False).encode()) <= MAX_AUDIT_BYTES + len('{"cut": ""}')


def test_one_question_leaves_nothing_for_the_next() -> None:
    """SECURITY T7: neither its input nor what was found out about it."""
    engine = an_engine(BY_ROUTE)

    for _ in range(2):
        assert engine.evaluate({"route": "orders"}).reason is Reason.ALLOWED
        assert engine.evaluate({}).reason is Reason.POLICY_UNDEFINED
        assert engine.evaluate({"route": "admin"}).reason is Reason.POLICY_UNDEFINED


def test_whatever_fails_is_a_refusal_and_the_next_request_is_served() -> None:
    """SECURITY T10: an input of a kind that is never made (no value of Rego's) included."""
    engine = an_engine("allow if input.route[_] < 5")

    assert engine.evaluate({"route": [object()]}).reason is Reason.POLICY_ERROR
    assert engine.evaluate({"route": [4]}).reason is Reason.ALLOWED


class Ending(PolicyEngine):
    """Comes to an end while it evaluates."""

    end: type[BaseException]

    def __init__(self) -> None:
        super().__init__(PolicySource("data.p.allow", (("p.rego", "package p\nallow := true"),)))
        self._evaluate = self._ended  # type: ignore[assignment]  # in the place of the compiled rule

    def _ended(self, document: object, *, now_ns: int) -> object:
        raise self.end


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, MemoryError])
def test_the_end_of_the_process_is_not_a_refusal(end: type[BaseException]) -> None:
    """A worker that is told to stop stops, and so does one that has no memory left; another error is a refusal."""
    engine = Ending()
    for engine.end in (RecursionError, ValueError):
        assert engine.evaluate({}) == FAILED
    engine.end = end
    with pytest.raises(end):
        engine.evaluate({})


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
    """The vetting has said why; here it is only broken."""
    with pytest.raises(PolicyProblems, match="authz check"):
        PolicyEngine(PolicySource("data.p.allow", tuple(modules), data))
    PolicyEngine(PolicySource("data.p.allow", (("p.rego", "package p\nallow := true"),), "{}"))


def test_data_is_there() -> None:
    """The data document beside the policies."""
    engine = an_engine("allow if input.route in data.open", data='{"open": ["orders"]}')

    assert engine.evaluate({"route": "orders"}).reason is Reason.ALLOWED
    assert engine.evaluate({"route": "admin"}).reason is Reason.POLICY_UNDEFINED


def test_it_is_one_moment_for_the_whole_question() -> None:
    """Of the clock that the engine was given; the next question has another."""
    moments = iter((7, 8))
    text = "allow if time.now_ns() == now\nnow := time.now_ns()\nsays := now"
    source = PolicySource("data.p.says", (("p.rego", f"package p\n{text}"),))
    engine = PolicyEngine(source, lambda: next(moments))

    assert [engine.ask({}), engine.ask({})] == [7, 8]
    assert answer_to(text).reason is Reason.ALLOWED


def test_print_does_not_reach_our_output(capfd: pytest.CaptureFixture[str]) -> None:
    """A caller's bytes do not get into the log through a forgotten print."""
    assert answer_to("allow if print(input.route)", route="forged").reason is Reason.ALLOWED
    captured = capfd.readouterr()
    assert "forged" not in captured.out + captured.err


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
