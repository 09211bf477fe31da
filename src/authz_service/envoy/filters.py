"""What Envoy does with a request between the connection and the route: clean, number, measure, ask. Not the way on."""

from collections.abc import Collection, Iterable

from authz_service import headers
from authz_service.config.model import Config
from authz_service.domain import time_budget
from authz_service.envoy import limits
from authz_service.envoy.messages import Json, Message, extension, message, seconds, set_header

DECISION_CLUSTER = "decision"
EXCHANGE_CLUSTER = "exchange"  # the same workers; who waits for an identity provider there is in nobody's way
EXT_AUTHZ = "envoy.filters.http.ext_authz"
KNOWN = ("authz", "known")  # the metadata by which the decision cache says that a request needs no question
_HEADER_MUTATION = "extensions.filters.http.header_mutation.v3.HeaderMutation"
_WEBSOCKET_KEY = "YXV0aHotc2VydmljZSAgIA=="  # 16 bytes
# What the gate may say to a caller whom it refuses.
_ANSWER_HEADERS = ("allow", "cache-control", "content-type", "retry-after", "www-authenticate")

_REMOTE: Message = {"key": headers.REMOTE, "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}
# Of the egress: there the other one is what the service says in X-Forwarded-For.
_DIRECT: Message = {"key": headers.REMOTE, "value": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"}
_ROUTE: Message = {"key": headers.ROUTE, "value": "%ROUTE_NAME%"}


def owned_headers(config: Config) -> tuple[str, ...]:
    """Lower-case names of the headers that only the gate may set."""
    wanted = config.proxy.headers
    names = {name.lower() for name in (*wanted.inject_claims.values(), *wanted.inject_paths, *wanted.from_policy)}
    return tuple(sorted(names | ({wanted.inject_user_id.lower()} if wanted.inject_user_id else set())))


def early_removal(names: Collection[str], prefixes: Iterable[str], forwarded: Iterable[str] | None = None) -> Message:
    """Before anything else looks at the request: our own names, in whatever case, number or form (SECURITY T1, T4).

    `_` counts as `-`, as many services read it; a client's name with `_` is refused anyway. Of X-Forwarded-* only
    `forwarded` is left.
    """
    spellings = {*names, *map(headers.spelled, names)}
    removals: list[Json] = [{"remove": name} for name in sorted(spellings)]
    matchers: list[Message] = [{"prefix": prefix, "ignore_case": True} for prefix in prefixes]
    if forwarded is not None:
        matchers.append({"safe_regex": {"regex": headers.FORWARDED_PREFIX + _anything_but({*forwarded})}})
    removals += [{"remove_on_match": {"key_matcher": matcher}} for matcher in matchers]
    return extension(
        "envoy.http.early_header_mutation.header_mutation",
        "extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=removals,
    )


def _anything_but(words: set[str]) -> str:
    """As a regular expression without lookahead, which RE2 has not."""
    heads = sorted({word[0] for word in words if word})
    if not heads:
        return ".+"
    others = [f"[^{''.join(heads)}].*"]
    others += [head + _anything_but({word[1:] for word in words if word.startswith(head)}) for head in heads]
    return f"(?:{'|'.join(others)}){'' if '' in words else '?'}"


def correlation() -> list[Message]:
    """One id for the client, the gate, the service and the next hop; a bad one is replaced (SECURITY T25).

    The first filter makes an id unless the client's is good; the second shows it to the client,
    whatever the service says.
    """
    make = extension(
        "make_correlation_id",
        "extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=extension(
            "envoy.filters.http.header_mutation",
            _HEADER_MUTATION,
            mutations={"request_mutations": [{"append": set_header(headers.CORRELATION_ID, "%UNIQUE_ID%")}]},
        ),
        xds_matcher={"matcher_list": {"matchers": [{"predicate": _good_correlation_id(), "on_match": _skip()}]}},
    )
    show = extension(
        "envoy.filters.http.header_mutation",
        _HEADER_MUTATION,
        mutations={
            "response_mutations": [
                {"append": set_header(headers.CORRELATION_ID, f"%REQ({headers.CORRELATION_ID.upper()})%")}
            ]
        },
    )
    return [make, show]


def no_trailers() -> Message:
    """A caller's `x-user-id` in a trailer would reach a gRPC service, which may read it as a header. gRPC's own clients
    send none: its status is the service's.
    """
    everything: Message = {"safe_regex": {"regex": ".*"}}
    return extension(
        "no_trailers",
        _HEADER_MUTATION,
        mutations={"request_trailers_mutations": [{"remove_on_match": {"key_matcher": everything}}]},
    )


def websocket_key() -> Message:
    """WebSocket over HTTP/2 has no key (RFC 8441 §5), and a service that speaks HTTP/1.1 wants one. It keeps caches in
    between from answering (RFC 6455 §10.8), and there is none: any does.
    """
    add = set_header("sec-websocket-key", _WEBSOCKET_KEY) | {"append_action": "ADD_IF_ABSENT"}
    is_websocket = _header_is("upgrade", "upgrade", {"exact": "websocket", "ignore_case": True})
    return extension(
        "websocket_key",
        "extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=extension(
            "envoy.filters.http.header_mutation", _HEADER_MUTATION, mutations={"request_mutations": [{"append": add}]}
        ),
        xds_matcher={"matcher_list": {"matchers": [{"predicate": {"not_matcher": is_websocket}, "on_match": _skip()}]}},
    )


def body_limit(max_bytes: int) -> Message:
    """413 while the body passes, without keeping it; by Content-Length before the gate is asked."""
    return extension(
        "envoy.filters.http.body_size_limit",
        "extensions.filters.http.body_size_limit.v3.BodySizeLimit",
        max_request_bytes=max_bytes,
    )


def ask_the_gate(config: Config, *, unless_known: bool) -> Message:
    """Ask a decision worker about every request; without an answer the request is refused (503).

    The lean form: only what the gate reads is sent, which saves about 30 µs against forwarding every header.
    `unless_known`: not about those that the decision cache before it has marked.
    """
    owned = owned_headers(config)
    metadata = [*limits.user_metadata(config), *([headers.REMEMBER] if unless_known else [])]
    asking = _ask_a_worker(
        DECISION_CLUSTER,
        path_prefix=headers.CHECK_PATH + headers.listener_tag(owned),
        asked=asked_headers(config) | {headers.CORRELATION_ID},
        facts=_connection_facts(config),
        answers={
            **({"allowed_upstream_headers": _exactly(owned)} if owned else {}),
            **({"dynamic_metadata_from_headers": _exactly(metadata)} if metadata else {}),
        },
        attempt=time_budget.attempt(config.policy.evaluation_budget),
    )
    return _unless_known(asking) if unless_known else asking


def asked_headers(config: Config) -> set[str]:
    """In lower case, what the gate is told of the request's own headers, beside the correlation id: all that its answer
    may depend on.
    """
    return {name.lower() for name in (*token_headers(config), *config.proxy.headers.extract)} - {headers.CORRELATION_ID}


def token_headers(config: Config) -> set[str]:
    """What `identity.token_places` reads."""
    auth = config.proxy.auth
    return {
        auth.header,
        *(("cookie", "origin") if auth.cookie else ()),
        *(("sec-websocket-protocol",) if auth.websocket_protocol else ()),
    }


def ask_for_exchange() -> Message:
    """Ask a decision worker what the target is shown in place of the user's token; without an answer nothing leaves."""
    return _ask_a_worker(
        EXCHANGE_CLUSTER,
        path_prefix=headers.EXCHANGE_PATH,
        asked={headers.AUTHORIZATION, headers.CORRELATION_ID},
        facts=[_DIRECT, _ROUTE],
        answers={"allowed_upstream_headers": _exactly([headers.EGRESS_AUTHORIZATION])},
        attempt=time_budget.EXCHANGE_ATTEMPT,
    )


def _ask_a_worker(
    cluster: str, *, path_prefix: str, asked: Iterable[str], facts: list[Message], answers: Message, attempt: float
) -> Message:
    return extension(
        EXT_AUTHZ,
        "extensions.filters.http.ext_authz.v3.ExtAuthz",
        stat_prefix=cluster,
        failure_mode_allow=False,
        status_on_error={"code": "ServiceUnavailable"},
        validate_mutations=True,
        clear_route_cache=False,
        charge_cluster_response_stats=False,
        allowed_headers=_exactly(asked),
        http_service={
            "server_uri": {
                "uri": f"http://{cluster}",
                "cluster": cluster,
                "timeout": seconds(time_budget.ATTEMPTS * attempt),
            },
            "path_prefix": path_prefix,
            "authorization_request": {"headers_to_add": facts},
            "authorization_response": {**answers, "allowed_client_headers": _exactly(_ANSWER_HEADERS)},
            "retry_policy": _decision_retry(attempt),
        },
    )


def not_asked() -> Message:
    """For a route whose requests leave as they are: what `typed_per_filter_config` holds."""
    return {EXT_AUTHZ: message("extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", disabled=True)}


def router() -> Message:
    return extension(
        "envoy.filters.http.router", "extensions.filters.http.router.v3.Router", suppress_envoy_headers=True
    )


def inject_token(token_source: Message) -> Message:
    """The target's token in place of whatever the service sent. No token: a local 401, which becomes our 503."""
    return extension(
        "envoy.filters.http.credential_injector",
        "extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=True,
        allow_request_without_credential=False,
        credential=extension(
            "envoy.http.injected_credentials.generic",
            "extensions.http.injected_credentials.generic.v3.Generic",
            header=headers.AUTHORIZATION,
            header_value_prefix="Bearer ",
            credential=token_source,
        ),
    )


def previous_hosts() -> Message:
    """A retry goes to another endpoint than the one that failed, as far as there is one."""
    return {
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": 5,
    }


def _connection_facts(config: Config) -> list[Message]:
    facts = [_REMOTE]
    if config.proxy.routes:
        facts.append(_ROUTE)
    if config.http.tls.enabled and config.http.tls.client_auth != "none":
        facts.append({"key": headers.PEER_CERT, "value": "%DOWNSTREAM_PEER_CERT%"})
    return facts


def _decision_retry(attempt: float) -> Message:
    """On the standby worker, when the first died or hangs; then on the first one's successor.

    Not more: a question that ends workers ends one, for the next recognises it (decision_worker.poison_requests), but
    one that ends them before they have read it would go on. `max_interval` is also the time of one attempt.
    """
    return {
        "num_retries": time_budget.ATTEMPTS - 1,
        "retry_on": "connect-failure,refused-stream,reset",
        "retry_back_off": {"base_interval": "0.005s", "max_interval": seconds(attempt)},
        "retry_priority": extension(
            "envoy.retry_priorities.previous_priorities",
            "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=1,
        ),
        **previous_hosts(),
    }


def _unless_known(asking: Message) -> Message:
    """Inverted, so that what is not there, or is another value, is asked about."""
    namespace, key = KNOWN
    known: Message = {"filter": namespace, "path": [{"key": key}], "value": {"bool_match": True}, "invert": True}
    settings = asking["typed_config"]
    assert isinstance(settings, dict)
    return asking | {"typed_config": settings | {"filter_enabled_metadata": known}}


def _exactly(names: Iterable[str]) -> Message:
    return {"patterns": [{"exact": name} for name in sorted({name.lower() for name in names})]}


def _good_correlation_id() -> Message:
    pattern: Message = {"safe_regex": {"google_re2": {}, "regex": headers.CORRELATION_ID_PATTERN}}
    return _header_is("correlation_id", headers.CORRELATION_ID, pattern)


def _header_is(name: str, header: str, value: Message) -> Message:
    seen = extension(name, "type.matcher.v3.HttpRequestHeaderMatchInput", header_name=header)
    return {"single_predicate": {"input": seen, "value_match": value}}


def _skip() -> Message:
    return {"action": extension("skip", "extensions.filters.common.matcher.action.v3.SkipFilter")}
