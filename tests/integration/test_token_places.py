"""Tokens in a header of another name, a cookie, a WebSocket's offer: at a real sidecar, by its configuration only."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, closing

from tests.support.live import Live, decoded
from tests.support.lone_sidecar import HOST, LoneSidecar, replace
from tests.support.open_streams import Answer

from authz_service.domain.refusals import Reason

StartSidecar = Callable[..., LoneSidecar]


PLACES = {"header": "X-Access-Token", "scheme": "none", "cookie": "at", "websocket_protocol": "bearer."}


def test_a_token_is_found_in_each_place_and_never_in_two(start_sidecar: StartSidecar, live: Live) -> None:
    """Nor where the configuration does not say so; a page of another origin does not use the browser's cookie."""
    sidecar, john = start_sidecar({"proxy.auth": PLACES}), live.user("john")

    def answer(*sent: tuple[str, str], method: str = "GET") -> tuple[int, str]:
        found = sidecar.call(method, "/orders/1", headers=sent)
        return found.status, "" if found.status == 200 else found.problem["reason"]

    header, cookie, offer = ("x-access-token", john), ("cookie", f"a=b; at={john}"), f"chat, bearer.{john}"
    protocol = ("sec-websocket-protocol", offer)
    for place in (header, cookie, protocol):
        assert answer(place) == (200, "")
        assert sidecar.echo.seen[-1].values("x-user-id")
    for two in ((header, cookie), (header, protocol), (cookie, protocol), (header, header), (cookie, cookie)):
        assert answer(*two) == (401, Reason.TOKEN_MALFORMED)
    missing = (401, Reason.TOKEN_MISSING)
    assert answer(("authorization", f"Bearer {john}")) == missing
    assert answer(("cookie", f"xat={john}")) == missing
    assert answer() == missing
    assert answer(("x-access-token", f"Bearer {john}")) == (401, Reason.TOKEN_MALFORMED)

    ours, other = ("origin", f"https://{HOST}"), ("origin", "https://evil.example")
    for method in ("GET", "POST"):
        assert answer(cookie, ours, method=method) == (200, "")
        assert answer(cookie, other, method=method) == (403, Reason.BROWSER_REFUSED)
        assert answer(header, other, method=method) == (200, "")
    assert john not in sidecar.log
    assert all(john not in str(record) for record in sidecar.audit)


def test_what_goes_on_is_known_by_its_token_in_each_place(start_sidecar: StartSidecar, live: Live) -> None:
    """It goes on, and ends with the token that it was let in by, wherever that stood."""

    def prepare(sidecar: LoneSidecar) -> None:
        replace(sidecar.folder / "etc" / "denylist.json", "{}")
        sidecar.write_config({"revocation.path": str(sidecar.folder / "etc" / "denylist.json")})

    sidecar = start_sidecar({"proxy.auth": PLACES}, prepare=prepare)
    with ExitStack() as stack:

        def begin(name: str) -> list[Answer]:
            token = live.user(name)
            places = (
                ("x-access-token", token),
                ("cookie", f"a=b; at={token}"),
                ("sec-websocket-protocol", f"bearer.{token}"),
            )
            return [stack.enter_context(closing(Answer(sidecar, one, "/orders/feed?events=1000"))) for one in places]

        johns, marys = begin("john"), begin("mary")
        time.sleep(1.5)
        for stream in (*johns, *marys):
            stream.passes()
        subject = decoded(live.user("john"))[1]["sub"]
        replace(sidecar.folder / "etc" / "denylist.json", json.dumps({"tokens": [{"sub": subject}]}))
        for stream in johns:
            stream.wait_ended()
        for stream in marys:
            stream.passes()


def test_without_the_keys_there_is_one_place(start_sidecar: StartSidecar, live: Live) -> None:
    """The twin of the above."""
    sidecar, john = start_sidecar({}), live.user("john")

    assert sidecar.call("GET", "/orders/1", token=john).status == 200
    for place in (("x-access-token", john), ("cookie", f"at={john}"), ("sec-websocket-protocol", f"bearer.{john}")):
        assert sidecar.call("GET", "/orders/1", headers=[place]).problem["reason"] == Reason.TOKEN_MISSING
