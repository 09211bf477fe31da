"""A request that goes on ends with what it was let in by: token and certificate. Nobody else's does, whatever happens.

Each kind of stream at the same time, so that one change has to end all of them, or none.
"""

from __future__ import annotations

import json
import signal
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.live import Json, Live, decoded, lines
from tests.support.lone_config import POLICY
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, replace, until
from tests.support.open_streams import GrpcStream, Stream, Upload, all_kinds, channel, events, routes, services

from authz_devkit.certs.authority import client_request
from authz_devkit.certs.revocation import refresh_crl, revoke
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import ca_crl, load_leaf
from authz_service.domain.refusals import Reason

Certificate = tuple[Path, Path]
DRAIN = 2  # seconds
LIFETIME = 8  # seconds of a token or certificate that shall end while we look


@pytest.fixture(scope="module")
def sidecar(live: Live, module_stack: ExitStack) -> LoneSidecar:
    """The order service, which here speaks everything, and lets in whoever has the gateway's name."""

    def prepare(sidecar: LoneSidecar) -> None:
        denylist(sidecar).write_text("{}")
        refresh_crl(sidecar.certs, "zone2", now=now())
        changes = {
            "proxy.routes": routes(sidecar),
            "revocation.path": str(denylist(sidecar)),
            "http.tls.crl_file": str(ca_crl(sidecar.certs, "zone2")),
            "http.max_body_bytes": "2GiB",
            "jwt.leeway": "0s",
            "runtime.drain": f"{DRAIN}s",
            "audit.access_log": str(sidecar.folder / "access.jsonl"),
        }
        sidecar.write_config(changes)

    sidecar = LoneSidecar(live, own_certs=True, prepare=prepare)
    module_stack.enter_context(services(sidecar))
    return module_stack.enter_context(sidecar)


def now() -> datetime:
    return datetime.now(UTC)


def denylist(sidecar: LoneSidecar) -> Path:
    return sidecar.folder / "etc" / "denylist.json"


def deny(sidecar: LoneSidecar, **sections: object) -> None:
    replace(denylist(sidecar), json.dumps(sections))


def all_end(streams: dict[str, Stream]) -> None:
    for stream in streams.values():
        stream.wait_ended()
    upload = streams["upload"]
    assert isinstance(upload, Upload)
    assert upload.reason == Reason.NO_LONGER_ALLOWED


def all_pass(streams: dict[str, Stream]) -> None:
    for stream in streams.values():
        stream.passes()


def ends(sidecar: LoneSidecar, since: int = 0) -> list[Json]:
    """The records of what was ended, but for the first so many."""
    return [record for record in lines(sidecar.folder / "audit.jsonl") if record["event"] == "end"][since:]


def counted(sidecar: LoneSidecar, reason: Reason) -> float:
    return sidecar.metric(f'authz_requests_ended_total{{reason="{reason}"}}')


def another_certificate(sidecar: LoneSidecar, **changes: timedelta) -> Certificate:
    """Of the gateway's name too."""
    return sidecar.issued("another", client_request("api-gateway", "zone1", now=now(), **changes))


def test_each_kind_ends_when_its_user_is_revoked(sidecar: LoneSidecar, live: Live) -> None:
    """On record, counted, and marked in the access log; another user's go on, over the same connection too."""
    john, mary = live.user("john"), live.user("mary")
    claims, before, revoked = decoded(john)[1], len(ends(sidecar)), counted(sidecar, Reason.TOKEN_REVOKED)
    with ExitStack() as stack:
        ending, going_on = (stack.enter_context(all_kinds(sidecar, token)) for token in (john, mary))
        shared = stack.enter_context(channel(sidecar))
        johns, marys = (stack.enter_context(closing(GrpcStream(shared, token))) for token in (john, mary))
        deny(sidecar, tokens=[{"sub": claims["sub"], "issuer": claims["iss"]}])
        all_end(ending)
        johns.wait_ended()
        all_pass(going_on)
        marys.passes()
        deny(sidecar)

    records = ends(sidecar, before)
    allowed = {record["correlation_id"]: record for record in sidecar.audit}
    assert len(records) == 6
    for record in records:
        said = {name: record[name] for name in ("decision", "reason", "reasons", "user_name", "mtls_client")}
        assert said == {
            "decision": "deny",
            "reason": Reason.TOKEN_REVOKED,
            "reasons": ["its sub is on the denylist"],
            "user_name": "john",
            "mtls_client": "api-gateway-client",
        }
        begun = allowed[record["correlation_id"]]
        for name in ("method", "path", "route", "downstream", "user_id", "mtls_fingerprint", "remote"):
            assert record[name] == begun[name]
    until(lambda: counted(sidecar, Reason.TOKEN_REVOKED) == revoked + 6)
    cut = {record["correlation_id"] for record in records}

    def logged() -> set[str]:
        found = [json.loads(line) for line in (sidecar.folder / "access.jsonl").read_text().splitlines()]
        return {line["correlation_id"] for line in found if line.get("details") == Reason.NO_LONGER_ALLOWED}

    until(lambda: logged() == cut)


def test_each_kind_ends_with_its_token(sidecar: LoneSidecar, live: Live) -> None:
    """Not before; one that lives longer goes on."""
    john = live.user("john")
    end = int(time.time()) + LIFETIME
    short = live.signed("users", john, exp=end, jti="short")
    before = len(ends(sidecar))
    with all_kinds(sidecar, short) as ending, all_kinds(sidecar, john) as going_on:
        assert time.time() < end
        all_pass(ending)
        all_end(ending)
        assert time.time() >= end
        all_pass(going_on)
    assert [record["reason"] for record in ends(sidecar, before)] == [Reason.TOKEN_EXPIRED] * 5


def test_each_kind_ends_with_its_certificate(sidecar: LoneSidecar, live: Live) -> None:
    """As a further request on its connection would be refused; a longer one of the same name goes on."""
    john, before = live.user("john"), len(ends(sidecar))
    short = another_certificate(sidecar, lifetime=timedelta(seconds=LIFETIME))
    with all_kinds(sidecar, john, short) as ending, all_kinds(sidecar, john) as going_on:
        all_end(ending)
        all_pass(going_on)
    assert [record["reason"] for record in ends(sidecar, before)] == [Reason.CLIENT_CERT_EXPIRED] * 5


def test_a_token_is_taken_back_by_each_of_its_names(sidecar: LoneSidecar, live: Live) -> None:
    """One list, and what it does not name goes on."""
    tokens = [live.user("john") for _ in range(4)]
    claims = [decoded(token)[1] for token in tokens]
    other = live.signed("users", tokens[0], azp="other-app", jti="other", sid="other")
    entries = [{"jti": claims[0]["jti"]}, {"sid": claims[1]["sid"]}, {"azp": "other-app"}]
    with ExitStack() as stack:
        by_id, by_session, going_on = (stack.enter_context(closing(events(sidecar, one))) for one in tokens[:3])
        by_client = stack.enter_context(closing(events(sidecar, other)))
        deny(sidecar, tokens=entries)
        for ending in (by_id, by_session, by_client):
            ending.wait_ended()
        going_on.passes()
        deny(sidecar, not_before={claims[2]["iss"]: claims[2]["iat"] + 1})
        going_on.wait_ended()
        deny(sidecar)


@pytest.mark.parametrize("how", ["serial", "list", "name"])
def test_a_certificate_is_taken_back(sidecar: LoneSidecar, live: Live, how: str) -> None:
    """By the denylist, by a new revocation list, and by its name's leaving `allowed_clients`."""
    john, before = live.user("john"), len(ends(sidecar))
    own = load_leaf(sidecar.certs, GATEWAY).certificate
    other = another_certificate(sidecar)
    with all_kinds(sidecar, john) as ending, all_kinds(sidecar, john, other) as going_on:
        if how == "serial":
            entry = {"issuer": own.issuer.rfc4514_string(), "serial": f"{own.serial_number:X}"}
            deny(sidecar, certificates=[entry])
        elif how == "list":
            revoke(sidecar.certs, GATEWAY, now=now())
        else:
            sidecar.write_config({"proxy.mtls.allowed_clients": ["CN=somebody-else,O=MyOrg"]})
            all_end(going_on)
        all_end(ending)
        if how != "name":
            all_pass(going_on)
    reason = Reason.CLIENT_NOT_ALLOWED if how == "name" else Reason.CLIENT_CERT_REVOKED
    assert {record["reason"] for record in ends(sidecar, before)} == {reason}
    sidecar.write_config({"proxy.mtls.allowed_clients": ["CN=api-gateway-client,O=MyOrg"]})
    deny(sidecar)
    rotate_leaf(sidecar.certs, GATEWAY, now=now())
    until(lambda: sidecar.call("GET", "/orders/1", token=john).status == 200)


def test_nothing_that_changes_or_dies_ends_a_good_one(sidecar: LoneSidecar, live: Live) -> None:
    """And it is looked after as before: what is revoked then still ends."""
    john, mary = live.user("john"), live.user("mary")
    before, revision = len(ends(sidecar)), sidecar.readyz()["revision"]
    with all_kinds(sidecar, john) as ending, all_kinds(sidecar, mary) as going_on:
        sidecar.tree()[0].send_signal(signal.SIGHUP)
        sidecar.write_policy(POLICY + "\n# another revision\n")
        until(lambda: sidecar.readyz()["revision"] != revision)
        rotate_leaf(sidecar.certs, "order-service/server", now=now())
        for worker in sidecar.workers():
            worker.kill()
        until(lambda: len(sidecar.workers()) == 2 and sidecar.readyz()["ready"])
        sidecar.forkserver().kill()
        until(lambda: sidecar.readyz()["ready"])
        # Another listener: the one before drains, and does not cut what is left when it has.
        revision = sidecar.readyz()["revision"]
        sidecar.write_config({"http.timeouts.headers": "9s"})
        until(lambda: sidecar.readyz()["revision"] != revision and sidecar.readyz()["ready"])
        time.sleep(DRAIN + 2)
        all_pass(ending)
        all_pass(going_on)
        assert ends(sidecar, before) == []

        deny(sidecar, tokens=[{"sub": decoded(john)[1]["sub"]}])
        all_end(ending)
        all_pass(going_on)
        deny(sidecar)
