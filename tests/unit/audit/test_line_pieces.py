"""A record that is put together of pieces has the very bytes of one that is made in full, whoever calls and whatever
he sends.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import request, rules

from authz_service.audit.line_pieces import find_pieces
from authz_service.audit.record import Recorder
from authz_service.domain.decision import NO_PEER, Allow, Claims, Decision, Deny, Request, Verdict
from authz_service.domain.refusals import Reason

HOSTILE = (
    '","path":"/orders","route":"',
    ',"decision_id":"d0","correlation_id":"c-0","method":"POST","path":"/orders/0","route":"',
    ',"duration_us":0,"policy_audit":null,"shadow":false,"truncated":false,"repeats":""}\n',
    "\u2028\u202e\x7f\\",
    "é" * 30,
)
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=30)
PATHS = TEXTS.map(lambda text: text.encode().decode("latin-1")) | st.sampled_from(["/orders/7", "/a" * 1500])
PEER = NO_PEER._replace(common_name="api-gateway-client", fingerprint="ab" * 32)
JOHN = Claims({"sub": "u1", "preferred_username": "john", "azp": "web-app"}, "https://idp", 0.0)
YES = Verdict(Reason.ALLOWED, (), None)
ALLOW = Allow(b"", peer=PEER, claims=JOHN, verdict=YES)


class Records:
    """Of one recorder, each beside the same of one that has seen nothing."""

    def __init__(self) -> None:
        self._recorder = Recorder(rules())
        self._number = 0

    def differ(self, decision: Decision, asked: Request, user_context: str = "", repeats: str = "") -> bool:
        self._number += 1
        number = self._number
        facts: dict[str, Any] = {
            "decision_id": f"d{number}", "correlation_id": f"c-{number}", "user_context": user_context,
            "now": 1_800_000_000 + number * 0.3, "duration_us": number, "repeats": repeats,
        }  # fmt: skip
        made = self._recorder.line(asked, decision, **facts)
        return made != Recorder(rules()).line(asked, decision, **facts)


@given(
    texts=st.lists(TEXTS, min_size=7, max_size=7),
    paths=st.lists(PATHS, min_size=4, max_size=4),
    decided=st.sampled_from([Allow, Deny]),
)
def test_no_value_of_a_caller_moves_a_piece(texts: list[str], paths: list[str], decided: type[Allow | Deny]) -> None:
    route, remote, subject, name, client, context, common_name = texts
    peer = PEER._replace(common_name=common_name)
    claims = JOHN._replace(values={"sub": subject, "preferred_username": name, "azp": client})
    decision: Decision = ALLOW._replace(peer=peer, claims=claims)
    if decided is Deny:
        decision = Deny(Reason.POLICY_DENIED, "", peer, claims, Verdict(Reason.POLICY_DENIED, (), None))
    records = Records()

    for path in ("/orders/1", *paths, "/orders/2"):
        assert not records.differ(decision, request(path=path, route=route, remote=remote), context)


def test_another_fact_is_another_record() -> None:
    """One after the other from one recorder, thrice each, so that all of them have their pieces."""
    good = request()
    facts: list[tuple[Decision, Request, str, str]] = [
        (ALLOW, good, "", ""),
        (ALLOW, good, "mary", ""),
        (ALLOW, good, "", "2c" * 16),
        (ALLOW, good._replace(method="GET"), "", ""),
        (ALLOW, good._replace(route="/orders"), "", ""),
        (ALLOW, good._replace(remote="10.0.1.11"), "", ""),
        (ALLOW._replace(reason=Reason.POLICY_DENIED), good, "", ""),
        (ALLOW._replace(peer=PEER._replace(common_name="other")), good, "", ""),
        (ALLOW._replace(claims=JOHN._replace(values={"sub": "u2"})), good, "", ""),
        (ALLOW._replace(verdict=Verdict(Reason.ALLOWED, ("why",), None)), good, "", ""),
        (ALLOW._replace(verdict=Verdict(Reason.ALLOWED, (), msgspec.Raw(b'{"a":1}'))), good, "", ""),
        (ALLOW._replace(detail="shortened"), good, "", ""),
        (ALLOW._replace(peer=NO_PEER), good, "", ""),
        (ALLOW, good._replace(evaluation="{}"), "", ""),
        (Deny(Reason.POLICY_DENIED, "", PEER, JOHN, YES), good, "", ""),
        (Deny(Reason.TOKEN_EXPIRED, "expired 3 s ago", PEER, JOHN, YES), good, "", ""),
    ]
    records = Records()

    assert not any(records.differ(*each) for _ in range(4) for each in facts)


def test_others_with_the_identity_of_who_is_gone_are_others() -> None:
    """Python gives a new object the place of one that nobody has any more."""
    records = Records()

    for turn in range(2):
        users = [Claims({"sub": f"u{turn}.{number}"}, "https://idp", 0.0) for number in range(300)]
        assert not any(records.differ(ALLOW._replace(claims=claims), request()) for claims in users * 3)
        del users


def test_a_path_that_is_too_long_for_a_line_is_cut_as_ever() -> None:
    records = Records()

    for length in (1, 1, 1, 3000, 3300, 3500, 3900, 1):
        assert not records.differ(ALLOW, request(path="/" + "a" * length))


def test_pieces_are_of_whole_lines_only() -> None:
    ids, asked = ("d1", "c-1"), request(path="/orders/7")
    facts: dict[str, Any] = {"decision_id": "d1", "correlation_id": "c-1", "user_context": "", "now": 1e9}
    line = Recorder(rules()).line(asked, ALLOW, **facts, duration_us=5)
    good = (line, ids, asked.method, asked.path, 5)
    assert find_pieces(*good) is not None

    cut = Recorder(rules()).line(asked._replace(remote="x" * 9000), ALLOW, **facts, duration_us=5)
    for changed in ({0: cut}, {1: ("d2", "c-1")}, {1: ("d1", "c-2")}, {2: "GET"}, {3: "/orders"}, {4: 6}):
        assert find_pieces(*(changed.get(at, part) for at, part in enumerate(good))) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/a\\b", '/a"b', "/a\x7f", "/a\n", "/\xe9"])
def test_a_path_that_is_escaped_has_no_pieces(path: str) -> None:
    facts: dict[str, Any] = {"decision_id": "d1", "correlation_id": "c-1", "user_context": "", "now": 1e9}
    line = Recorder(rules()).line(request(path=path), ALLOW, **facts, duration_us=5)

    assert find_pieces(line, ("d1", "c-1"), "POST", path, 5) is None
