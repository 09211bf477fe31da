"""Which headers a configuration may name. Not what is done with them (`authz_service.headers`, the gate)."""

from collections.abc import Iterator

from authz_service import headers
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Proxy

_HEADERS: Place = ("proxy", "headers")


def header_findings(proxy: Proxy) -> Iterator[Finding]:
    yield from _auth_header(proxy)
    yield from _token_elsewhere(proxy)
    yield from _injected(proxy)
    yield from _extracted(proxy)


def _auth_header(proxy: Proxy) -> Iterator[Finding]:
    name = headers.spelled(proxy.auth.header)
    if name in headers.FRAMING or headers.is_stripped(name) or name == headers.CORRELATION_ID:
        found = f"{proxy.auth.header} cannot carry a token: it has a meaning of its own, or is removed from requests"
        yield Finding(
            ("proxy", "auth", "header"), found, "use Authorization, or a name of your own such as X-Access-Token"
        )


def _token_elsewhere(proxy: Proxy) -> Iterator[Finding]:
    for key in ("cookie", "websocket_protocol"):
        if getattr(proxy.auth, key) is not None and not proxy.headers.pass_token:
            found = "the service sees it all the same, and pass_token is false"
            fix = f"write proxy.headers.pass_token: true, or remove {key}"
            yield Finding(("proxy", "auth", key), found, fix)


def _injected(proxy: Proxy) -> Iterator[Finding]:
    reserved = headers.FRAMING | headers.CREDENTIALS | {headers.CORRELATION_ID, headers.spelled(proxy.auth.header)}
    first: dict[str, Place] = {}
    for place, header in _injections(proxy):
        name = headers.spelled(header)
        if name in reserved or name.startswith((*headers.STRIPPED_PREFIXES, "x-forwarded-")):
            yield Finding(
                place, f"{header} is not free to carry a value of ours", "use a name of your own, such as X-User-ID"
            )
        elif name in first:
            found = f"{header} is written by {'.'.join(map(str, first[name]))} already"
            yield Finding(place, found, "give each value its own header")
        first.setdefault(name, place)


def _extracted(proxy: Proxy) -> Iterator[Finding]:
    injected = {headers.spelled(header) for _, header in _injections(proxy)}
    secret = headers.CREDENTIALS | {headers.spelled(proxy.auth.header)}
    secret |= {"sec-websocket-protocol"} if proxy.auth.websocket_protocol else set()
    first: dict[str, int] = {}
    for index, header in enumerate(proxy.headers.extract):
        place: Place = (*_HEADERS, "extract", index)
        name = headers.spelled(header)
        if name in secret:
            found = f"{header} carries credentials, and what is extracted is recorded"
            yield Finding(place, found, "remove it; the policy has the verified claims in input.token")
        elif name in headers.FRAMING:
            found = f"{header} says how the request is carried, and changes on the way"
            yield Finding(place, found, "remove it")
        elif headers.is_stripped(name) or name in injected:
            found = f"{header} never has a value here: a caller's own is removed"
            yield Finding(place, found, "remove it; the policy has the verified claims in input.token")
        elif name in first:
            found = f"{header} is listed already, as extract[{first[name]}]"
            yield Finding(place, found, "keep one")
        first.setdefault(name, index)


def _injections(proxy: Proxy) -> Iterator[tuple[Place, str]]:
    if proxy.headers.inject_user_id is not None:
        yield (*_HEADERS, "inject_user_id"), proxy.headers.inject_user_id
    for claim, header in proxy.headers.inject_claims.items():
        yield (*_HEADERS, "inject_claims", claim), header
    for header in proxy.headers.inject_paths:
        yield (*_HEADERS, "inject_paths", header), header
    for index, header in enumerate(proxy.headers.from_policy):
        yield (*_HEADERS, "from_policy", index), header
