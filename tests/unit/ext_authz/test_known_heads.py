"""What is known of a caller's head is what the parser would read, to the last member; whatever it would not, is not."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.fake_transport import FakeTransport

from authz_service import headers
from authz_service.domain.decision import Request
from authz_service.ext_authz import wire
from authz_service.ext_authz.http_protocol import DecisionProtocol
from authz_service.ext_authz.known_heads import KnownHeads
from authz_service.ext_authz.remembered import one_taken_apart, taken_apart

_EXTRACT = ((b"x-correlation-id", "x-correlation-id"), (b"x-user-context", "x-user-context"))
_LINE = b"POST /check-12345678/orders?a=1 HTTP/1.1"


def question(line: bytes = _LINE, correlation_id: bytes = b"c-1", more: tuple[bytes, ...] = ()) -> bytes:
    lines = (
        line,
        b"host: order.local",
        b"authorization: Bearer t",
        b"x-correlation-id: " + correlation_id,
        headers.ROUTE.encode() + b": r|/orders",
        headers.PEER_CERT.encode() + b": pem",
        *more,
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


def parsed(asked: bytes) -> Request | None:
    """What the parser makes of it; None where it ends the connection."""
    found: list[Request] = []

    def answer(method: bytes, target: bytes, head: dict[bytes, bytes], _: bytes) -> bytes:
        authorization = head.get(b"authorization", b"").decode("latin-1")
        found.append(wire.read_request(method, target, head, _EXTRACT, authorization))
        return b"-"

    protocol = DecisionProtocol(answer)
    protocol.connection_made(FakeTransport())
    protocol.data_received(asked)
    return found[0] if len(found) == 1 else None


class Heads:
    def __init__(self) -> None:
        self.known: KnownHeads[str] = KnownHeads()

    def learn(self, asked: bytes, request: Request | None = None) -> None:
        one, request = one_taken_apart(asked), request or parsed(asked)
        if one is not None and request is not None:
            self.known.learn(one, "reader", request)

    def find(self, asked: bytes) -> Request | None:
        alike = taken_apart(asked)
        found = None if alike is None else self.known.find(alike)
        return None if found is None else found[1]


_BYTE = st.one_of(st.sampled_from(b'/?#%&=. "<>\\^`{|}\t\r\n\x00\x7f\xe9'), st.integers(0, 255))
_TARGETS = st.lists(_BYTE, max_size=12).map(bytes)
_IDS = st.sampled_from([b"c-2", b"a.b", b"a b", b"", b"x" * 129])
_METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"get", b"PROPFIND"])


@settings(max_examples=400)
@given(_METHODS, _TARGETS, _IDS, st.sampled_from([b"1", b"0"]))
def test_it_is_what_the_parser_reads_or_nothing(
    method: bytes, rest: bytes, correlation_id: bytes, minor: bytes
) -> None:
    heads = Heads()
    heads.learn(question())
    asked = question(b"%s /check-12345678/%s HTTP/1.%s" % (method, rest, minor), correlation_id)

    found = heads.find(asked)
    assert found is None or found == parsed(asked)


def test_another_path_method_and_correlation_id_are_of_the_same_head() -> None:
    heads = Heads()
    heads.learn(question())
    asked = question(b"GET /check-12345678/orders/7 HTTP/1.1", b"c-2")

    found = heads.find(asked)
    assert found == parsed(asked)
    assert found is not None
    assert (found.method, found.path, found.query, found.extracted) == (
        "GET",
        "/orders/7",
        "",
        {"x-correlation-id": "c-2"},
    )
    heads.known.forget_all()
    assert heads.find(asked) is None


def test_a_correlation_id_is_no_header_for_the_policy_where_none_is_extracted() -> None:
    good = parsed(question())
    assert good is not None
    heads = Heads()
    heads.learn(question(), good._replace(extracted={}))

    found = heads.find(question(correlation_id=b"c-2"))
    assert found is not None
    assert (found.correlation_id, found.extracted) == ("c-2", {})


def test_any_other_byte_makes_it_another_head() -> None:
    heads = Heads()
    heads.learn(question())

    asked = question()
    for at in range(len(_LINE), len(asked)):
        changed = asked[:at] + bytes([asked[at] ^ 1]) + asked[at + 1 :]
        found = heads.find(changed)
        assert found is None or found == parsed(changed)
    assert heads.find(question(more=(b"x-user-context: mary",))) is None


def test_what_cannot_be_found_again_is_not_learnt() -> None:
    """Two correlation ids, a line that the parser alone reads, and what is no request."""
    heads = Heads()
    two = question(more=(b"x-correlation-id: c-2",))
    heads.learn(two)
    assert heads.find(two) is None

    elsewhere = question(b"POST /evaluate/x HTTP/1.1")
    heads.learn(elsewhere)
    assert heads.find(question()) is None

    good = parsed(question())
    assert good is not None
    for other in (good._replace(evaluation="{}"), good._replace(path="/x"), good._replace(correlation_id="c-2")):
        heads.learn(question(), other)
        assert heads.find(question()) is None
    heads.learn(question())
    assert heads.find(question()) == good
