"""`python -m bench.revocation`: how long after a revocation its token or certificate is refused. Three minutes.

Counted from before the file is written, or the issuer is told, to the first refusal: of requests on a connection from
before, of requests on new connections, and of a stream, which ends.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from rich.console import Console
from tests.support.live import Live, decoded
from tests.support.lone_sidecar import GATEWAY, LoneSidecar, ask_again, replace
from tests.support.open_streams import Answer, events
from tests.support.patience import until
from tests.support.private_idp import PrivateIdp

from authz_devkit.certs.revocation import refresh_crl, revoke
from authz_devkit.certs.rotation import rotate_leaf
from authz_devkit.certs.tree import ca_crl, load_leaf
from bench.figures import Figure, at_most, print_figures, write_json

PROMISED = at_most(2.0)  # seconds
CACHE = 1  # second that an issuer's answer is remembered, which counts on top
_SERVICE, _SECRET = "data-service", "data-service-secret"

Seconds = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.revocation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    live = Live()
    try:
        live.start()
        found = [*_by_files(live, options.rounds), *_by_the_issuer(live, options.rounds)]
    finally:
        live.stop()
    print_figures(found, Console(width=120))
    if options.json:
        write_json(found, options.json)


def _by_files(live: Live, rounds: int) -> Iterator[Figure]:
    with LoneSidecar(live, own_certs=True, prepare=_with_lists) as sidecar:

        def deny(**sections: object) -> None:
            replace(_denylist(sidecar), json.dumps(sections))

        def deny_certificate() -> None:
            own = load_leaf(sidecar.certs, GATEWAY).certificate
            deny(certificates=[{"serial": f"{own.serial_number:X}", "issuer": own.issuer.rfc4514_string()}])

        ways: dict[str, Callable[[str], object]] = {
            "denylist, a token": lambda token: deny(tokens=[{"jti": decoded(token)[1]["jti"]}]),
            "denylist, a certificate": lambda _: deny_certificate(),
            "revocation list of a CA": lambda _: revoke(sidecar.certs, GATEWAY, now=_now()),
        }
        for way, act in ways.items():
            seconds: Seconds = {}
            for _ in range(rounds):
                token = live.user("john")
                _measure(sidecar, token, lambda act=act, token=token: act(token), seconds)  # type: ignore[misc]
                rotate_leaf(sidecar.certs, GATEWAY, now=_now())
            yield from _figures(way, seconds, PROMISED.bound)


def _by_the_issuer(live: Live, rounds: int) -> Iterator[Figure]:
    realm = f"{live.mesh.identity_url}/realms/services"
    asked = {
        "url": f"{realm}/protocol/openid-connect/token/introspect",
        "client_id": _SERVICE,
        "client_secret": _SECRET,
        "cache": f"{CACHE}s",
    }
    with PrivateIdp(live) as idp:
        changes = {
            "hosts": dict(idp.hosts),
            "jwt.issuer": realm,
            "jwt.audience": _SERVICE,
            "jwt.introspection": asked,
            "proxy.mtls.bindings": {"api-gateway-client": "order-service"},
            "proxy.routes": [{"path": "/orders/**", "introspect": "true"}],
        }
        with LoneSidecar(live, changes) as sidecar:
            seconds: Seconds = {}
            for _ in range(rounds):
                token = idp.service("order-service")
                until(lambda token=token: sidecar.call("GET", "/orders/1", token=token).status == 200)  # type: ignore[misc]
                _measure(sidecar, token, lambda token=token: idp.revoke("order-service", token), seconds)  # type: ignore[misc]
            yield from _figures(f"introspection, cache: {CACHE}s", seconds, PROMISED.bound + CACHE)


def _measure(sidecar: LoneSidecar, token: str, act: Callable[[], object], seconds: Seconds) -> None:
    """One revocation: three who were let in until then look at once for when they are refused."""
    tls = sidecar.tls()
    connection = sidecar.connection(tls)
    until(lambda: sidecar.call("GET", "/orders/1", token=token).status == 200)
    for _ in range(5):  # Envoy repeats it from the third on
        assert ask_again(connection, token) == (200, "")

    def again() -> bool:
        return _status(lambda: ask_again(connection, token)[0])

    def anew() -> bool:
        return _status(lambda: sidecar.call("GET", "/orders/1", token=token).status)

    with closing(events(sidecar, token, tls)) as stream, ThreadPoolExecutor() as pool:
        waits = {
            "a request on an open connection": pool.submit(_when, again),
            "a request on a new connection": pool.submit(_when, anew),
            "a stream": pool.submit(_ended, stream),
        }
        begun = time.monotonic()
        act()
        for what, moment in waits.items():
            seconds.setdefault(what, []).append(moment.result() - begun)
    connection.close()


def _status(ask: Callable[[], int]) -> bool:
    """Whether it was refused: by the gate, or in the handshake."""
    try:
        return ask() in {401, 403}
    except (OSError, http.client.HTTPException):
        return True


def _when(holds: Callable[[], bool]) -> float:
    until(holds)
    return time.monotonic()


def _ended(stream: Answer) -> float:
    stream.wait_ended()
    return time.monotonic()


def _figures(way: str, seconds: Seconds, bound: float) -> Iterator[Figure]:
    for what, found in seconds.items():
        yield Figure(way, f"{what}: median of {len(found)}", median(found), "s")
        yield Figure(way, f"{what}: the last", max(found), "s", at_most(bound))


def _with_lists(sidecar: LoneSidecar) -> None:
    _denylist(sidecar).write_text("{}")
    refresh_crl(sidecar.certs, "zone2", now=_now())
    crl = str(ca_crl(sidecar.certs, "zone2"))
    sidecar.write_config({"revocation.path": str(_denylist(sidecar)), "http.tls.crl_file": crl})


def _denylist(sidecar: LoneSidecar) -> Path:
    return sidecar.folder / "etc" / "denylist.json"


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    main()
