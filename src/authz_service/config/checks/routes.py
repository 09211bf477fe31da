"""What must fit together about the routes of the ingress: paths, methods and where requests go."""

from collections.abc import Iterator

from authz_service.config.checks.rules import not_below
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config, Endpoint, Route
from authz_service.request_form import METHODS


def route_findings(config: Config) -> Iterator[Finding]:
    yield from _upstream(config, ("proxy", "upstream"), config.proxy.upstream)
    routes = config.proxy.routes
    for index, route in enumerate(routes):
        place: Place = ("proxy", "routes", index)
        yield from _one_route_for_a_method(place, route, routes[:index])
        yield from _ignored_tokens(place, route)
        if route.upstream is not None:
            yield from _upstream(config, (*place, "upstream"), route.upstream)
        yield from not_below(place, "path", route.path.removesuffix("/**"), route.strip_prefix)


def _one_route_for_a_method(place: Place, route: Route, before: tuple[Route, ...]) -> Iterator[Finding]:
    for index, other in enumerate(before):
        both = [method for method in route.methods if method in other.methods]
        if both and route.path == other.path:
            shared = "" if both == list(METHODS) else f", and both have {', '.join(both)}"
            found = f"the same path as proxy.routes[{index}]{shared}"
            fix = "keep one, or give each its own methods"
            yield Finding((*place, "path"), found, fix)
            return


def _ignored_tokens(place: Place, route: Route) -> Iterator[Finding]:
    if not route.ignore_tokens:
        return
    if route.auth_required:
        fix = "write auth_required: false, or remove ignore_tokens"
        yield Finding((*place, "ignore_tokens"), "but a token is required", fix)
    if route.introspect:
        fix = "remove introspect, or ignore_tokens"
        yield Finding((*place, "introspect"), "no token is looked at: ignore_tokens", fix)


def _upstream(config: Config, place: Place, upstream: Endpoint) -> Iterator[Finding]:
    """A TLS upstream needs the CA and the certificate of a target (correction 10)."""
    targets = config.egress.targets if config.egress.enabled else {}
    named = [name for name, target in targets.items() if target.url == upstream]
    if upstream.scheme == "https" and not named:
        found = f"{upstream}, but no enabled egress target has this url, so its CA is unknown"
        yield Finding(place, found, "add it to egress.targets with url and tls (ca_cert, client_cert, client_key)")
    if len(named) > 1:
        yield Finding(place, f"{upstream} is the url of {len(named)} egress targets", "give each target its own url")
