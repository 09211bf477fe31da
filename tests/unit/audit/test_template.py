"""The pieces of a record are those of the record that repeats it, whatever callers and policies put between them."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.support.decisions import request, rules

from authz_service.audit.record import Recorder
from authz_service.audit.template import find_template
from authz_service.domain.decision import NO_CLAIMS, NO_PEER, Allow, Claims, Deny, Request, Verdict
from authz_service.domain.refusals import Reason

JUDGED = "0a" * 16
OWN: dict[str, Any] = {"decision_id": "1b" * 16, "correlation_id": "c-2", "now": 1_800_000_007.5, "duration_us": 5}
HOSTILE = (
    f'","decision_id":"{JUDGED}","correlation_id":"c-1","method":"',
    '","duration_us":1,"policy_audit":',
    ',"duration_us":7,"policy_audit":null,"shadow":false,"truncated":false,"repeats":"',
    '"}\n',
    '\\","duration_us":1,"policy_audit":2,"a":"',
    "\u2028\u202e\x7f\\",
)
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=40)
VALUES = st.recursive(st.none() | TEXTS, lambda inner: st.dictionaries(TEXTS, inner, max_size=3), max_leaves=4)
ALLOW = Allow(b"", peer=NO_PEER, claims=NO_CLAIMS, verdict=Verdict(Reason.ALLOWED, (), None))


def line(decision: Allow | Deny = ALLOW, asked: Request | None = None, **changes: Any) -> bytes:
    facts: dict[str, Any] = {
        "decision_id": JUDGED, "correlation_id": "c-1", "user_context": "", "now": 1_800_000_000.25, "duration_us": 40,
    }  # fmt: skip
    return Recorder(rules()).line(asked or request(), decision, **{**facts, **changes})


def repeated(line: bytes) -> bytes | None:
    """As the decision cache puts it together."""
    found = find_template(line, JUDGED, "c-1")
    if found is None:
        return None
    own = (b'{"time":"2027-01-15T08:00:07.500Z', b"1b" * 16, b"c-2", b"5")
    return b"".join(piece for pair in zip(own, found, strict=True) for piece in pair) + b"}\n"


def test_the_pieces_make_the_very_line_of_a_record_that_repeats() -> None:
    assert repeated(line()) == line(**OWN, repeats=JUDGED)


@given(texts=st.lists(TEXTS, min_size=9, max_size=9), audit=VALUES)
def test_no_value_of_a_caller_or_a_policy_moves_a_piece(texts: list[str], audit: object) -> None:
    """Each of them where a record has room for it: among them what looks like the end of a text and other members."""
    method, path, host, remote, subject, name, client, reason, context = texts
    asked = request(method=method, path=path, host=host, remote=remote)
    claims = Claims({"sub": subject, "preferred_username": name, "azp": client}, "", 0.0)
    peer = NO_PEER._replace(common_name=name, fingerprint=path[:64])
    raw = msgspec.Raw(msgspec.json.encode(audit))
    decision = Allow(b"", detail=path, peer=peer, claims=claims, verdict=Verdict(Reason.ALLOWED, (reason, path), raw))

    made = line(decision, asked, user_context=context)
    assert not json.loads(made)["truncated"]
    assert repeated(made) == line(decision, asked, user_context=context, **OWN, repeats=JUDGED)


def test_a_policys_members_are_not_the_records() -> None:
    audit = msgspec.Raw(b'{"a":1,"duration_us":7,"policy_audit":2,"shadow":false,"truncated":false,"repeats":""}')
    decision = ALLOW._replace(verdict=Verdict(Reason.ALLOWED, (), audit))

    assert repeated(line(decision)) == line(decision, **OWN, repeats=JUDGED)


def test_what_was_cut_is_no_template() -> None:
    """Nor what repeats another decision already, is shadow's, or has other ids."""
    assert repeated(line(asked=request(path="/" + "x" * 4000))) is None
    assert repeated(line(asked=request(path="/" + "x" * 3000))) is not None
    assert repeated(line(repeats="2c" * 16)) is None
    assert repeated(line(ALLOW._replace(reason=Reason.POLICY_DENIED))) is None
    assert repeated(line(correlation_id="c-3")) is None
    assert repeated(line(decision_id="2c" * 16)) is None


def test_garbage_is_no_template() -> None:
    made = line()

    for at in range(0, len(made), 7):
        assert repeated(made[:at]) is None
        assert repeated(made[at + 1 :]) is None
