"""Single values: what each kind accepts, and next to it what it refuses."""

from pathlib import Path
from types import FunctionType

import pytest
from pydantic import PlainSerializer
from tests.support.config_files import SECRET, TARGET, changed, load_text, load_tree, problems_of

from authz_service.config import values
from authz_service.config.addresses import Address, Endpoint, parse_address, parse_endpoint
from authz_service.durations import format_duration, format_size, parse_duration, parse_size

AUTH = f"{TARGET}.auth"


# key, what it accepts, what it refuses
KINDS: list[tuple[str, list[object], list[object]]] = [
    (
        "http.addr",
        [":8443", "127.0.0.1:1", "[::1]:65535"],
        ["8443", "127.0.0.1", "host:80", ":0", ":65536", ":x", "[::1"],
    ),
    ("http.max_body_bytes", ["1B", "64KiB", "1 GiB", "1024"], ["0B", "-1B", "64kb", "1.5MiB", "1025GiB", ["1B"]]),
    ("http.max_connections", ["1", "1000"], ["0", "1.5", "many", "9" * 5000]),
    ("http.timeouts.request", ["500ms", "15s", "1.5h", "0s"], ["15", "-1s", "1 year", "9999999h"]),
    ("http.timeouts.headers", ["1ms", "10s"], ["0s"]),
    ("http.tls.client_auth", ["request", "require"], ["Require", "yes", ""]),
    ("http.tls.enabled", ["true", "yes"], ["maybe", "", ["true"]]),
    ("http.tls.cert_file", ["/a/b.crt"], ["", "a\0b", {"a": "b"}]),
    ("http.tls.min_version", ["1.2", "1.3"], ["1.1", "TLSv1.2"]),
    (
        "jwt.issuer",
        ["https://idp.example.com:8443/realms/a"],
        ["idp.example.com", "ftp://a", "https://", "https://a b"],
    ),
    (
        "jwt.issuer",
        ["https://a"],
        [
            "https://u:p@a",
            "https://a#b",
            "https://a:99999",
            "https://a:0",
            "https://a:",
            "https://[::1",
            "https://a\\b",
        ],
    ),
    ("jwt.audience", ["a", ["a", "b"]], ["", [], ["a", ""], {"a": "b"}]),
    (
        "jwt.algorithms",
        [["RS256"], ["EdDSA", "PS512"]],
        [[], ["none"], ["None"], ["HS256"], ["hs512"], ["RS1"], "RS256"],
    ),
    ("jwt.leeway", ["0s", "30s", "5m"], ["301s"]),
    ("jwt.jwks_refresh_interval", ["1s"], ["0s"]),
    (
        "proxy.upstream",
        ["http://app:9000", "unix:///run/a.sock"],
        ["app:9000", "unix://a", "http://a/b", "http://a?b", ""],
    ),
    (
        "http.trusted_proxies",
        [["10.0.0.0/8"], ["192.0.2.7", "fd00::/8"]],
        [["10.0.0.1/8"], ["balancer"], ["10.0.0.0/33"], [""], "10.0.0.0/8"],
    ),
    (
        "proxy.cors.allow_origins",
        [["https://app.example.com"], ["http://localhost:3000", "https://[::1]:8443"]],
        [["*"], ["https://a/"], ["app"], ["null"], ["https://A"], ["https://a:443"], ["https://a.*"], "https://a"],
    ),
    ("proxy.auth.header", ["X-Token"], ["X Token", "X:Token", ":path", "", "Ä"]),
    ("proxy.auth.scheme", ["Bearer"], ["", "Be arer"]),
    (
        "proxy.authz.policy_query",
        ["data.order.allow", "data.a.b.c_1"],
        ["order.allow", "data.allow", "data.a-b.c", "data..a"],
    ),
    ("proxy.authz.mode", ["shadow"], ["off"]),
    ("proxy.mtls.allowed_clients", [["CN=a,O=b", "spiffe://mesh/a"]], [["a"], ["spiffe:a=b"], [""], "CN=a"]),
    ("proxy.mtls.bindings", [{"a": "b"}, {"a": ["b", "c"]}], [{"a": ""}, ["a"], {"a": []}, {"a": ["b c"]}]),
    (
        "proxy.routes.0.path",
        ["/", "/**", "/a", "/a/**", "/a-b/_c/~d"],
        ["a", "/a/*", "/a/**/b", "/a/", "/a//b", "/../b", "/%61"],
    ),
    ("proxy.routes.0.methods", [["GET"], ["POST", "PATCH"]], [["get"], ["TRACE"], ["CONNECT"], [], "GET"]),
    ("proxy.routes.0.strip_prefix", ["/orders"], ["/", "orders", "/orders/", ""]),
    ("proxy.headers.inject_user_id", ["X-User"], ["X User", ""]),
    (
        "proxy.headers.inject_paths",
        [{"X-Namespace": ["kubernetes.io", "namespace"]}, {"X-A": ["a.b"]}],
        [{"X-A": []}, {"X Y": ["a"]}, {"X-A": "a"}, {"X-A": ["a b"]}],
    ),
    ("proxy.headers.too_long", ["omit", "cut"], ["refuse"]),
    ("proxy.headers.inject_claims", [{"realm_access.roles": "X-Roles"}], [{"sub": "X Y"}, {"a b": "X-Y"}, {"": "X-Y"}]),
    ("proxy.headers.extract", [["X-Tenant"]], [["X Tenant"], "X-Tenant"]),
    ("egress.routes.0.path_prefix", ["/", "/data"], ["data", "/data/", "/data/**", "/a;b"]),
    (f"{AUTH}.client_id", ["a", "0123"], ["", "a b", "a\nb"]),
    (f"{AUTH}.client_secret", ["a", " ä "], ["", "a\n", "a\0", ["a"], {"a": "b"}]),
    (f"{AUTH}.scopes", [["a:b"], []], [["a b"], "a"]),
    (f"{AUTH}.client_auth", ["client_secret_post"], ["client_secret_jwt"]),
    (f"{AUTH}.type", ["oauth2_client_credentials"], ["oauth2", ["none"]]),
    (f"{TARGET}.tls.server_name", ["data.local", "a_b"], ["10.0.0.1", "a..b", "-a", "a b", "x" * 64]),
    (
        f"{TARGET}.tls.spiffe_id",
        ["spiffe://mesh/a", "spiffe://m.x-1/A/b.c"],
        [
            "mesh/a",
            "spiffe://mesh",
            "spiffe://mesh/",
            "spiffe://MESH/a",
            "spiffe://mesh/../a",
            "spiffe://mesh/" + "a" * 2048,
        ],
    ),
    (
        "http.tls",
        [{"sds": "unix:///a/b.sock", "client_auth": "require"}],
        [{"sds": wrong} for wrong in ("/a/b.sock", "http://a", "unix://a", "unix:///" + "a" * 107, "")],
    ),
    (f"{TARGET}.retries.attempts", ["0", "10"], ["11", "-1"]),
    ("hosts", [{"a.local": "127.0.0.1"}, {"A": "::1"}], [{"a": "b.local"}, {"a b": "::1"}, {"a": "127.0.0.1:80"}]),
    ("service.name", ["a-B_c.1"], ["a b", "x" * 64, "a\n"]),
    ("audit.path", ["-", "/a/b"], ["", "a\0"]),
    ("audit.on_failure", ["continue"], ["ignore"]),
    ("runtime.decision_workers", ["1"], ["0", "65"]),
    ("tracing", [{"otlp_url": "http://otel:4318/v1/traces", "sampling": "0.5"}], [{}, {"otlp_url": "a"}, "http://a"]),
    ("tracing", [{"otlp_url": "http://a", "sampling": "100"}], [{"otlp_url": "http://a", "sampling": "101"}]),
]


@pytest.mark.parametrize(("key", "accepted", "refused"), KINDS, ids=[key for key, *_ in KINDS])
def test_each_kind_of_value_has_its_limits(
    tmp_path: Path, key: str, accepted: list[object], refused: list[object]
) -> None:
    """What is accepted loads; what is refused is a problem at this key, with something to do."""
    for value in accepted:
        load_tree(tmp_path, changed({key: value}))
    for value in refused:
        problems = problems_of(tmp_path, {key: value})
        assert problems, value
        shown = key.replace("routes.0", "routes[0]")
        assert all(problem.at.startswith(shown) and problem.fix for problem in problems), (value, problems)


@pytest.mark.parametrize(
    ("key", "wrong", "near"),
    [
        ("http.tls.key_fil", "a", "key_file"),
        ("proxi", {}, "proxy"),
        ("jwt.isuer", "a", "issuer"),
        ("proxy.routes.0.upstrem", "a", "upstream"),
        (f"{AUTH}.client_secrett", SECRET, "client_secret"),
        ("egress.targets.data-service.tls.ca_file", "a", "ca_cert"),
    ],
)
def test_an_unknown_key_is_a_problem_that_names_the_nearest(tmp_path: Path, key: str, wrong: object, near: str) -> None:
    (problem,) = problems_of(tmp_path, {key: wrong})

    assert problem.at == key.replace("routes.0", "routes[0]")
    assert problem.found == "unknown key"
    assert problem.fix == f"did you mean {near}?"


def test_an_unknown_key_like_no_other_names_the_known_ones(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, {"admin.zzz": "a"})

    assert problem.fix == "remove it; known here: addr, network_addr"


def test_what_asks_for_no_signature_or_a_shared_secret_says_why_not(tmp_path: Path) -> None:
    for algorithm in ("none", "HS256"):
        (problem,) = problems_of(tmp_path, {"jwt.algorithms": [algorithm]})
        assert "none and HS* are never accepted" in problem.fix
    (other,) = problems_of(tmp_path, {"jwt.algorithms": ["RS1"]})
    assert "never accepted" not in other.fix


def test_a_target_is_named_in_small_letters(tmp_path: Path) -> None:
    load_tree(tmp_path, changed({"egress.targets.b-2": {"url": "http://b"}}))

    (problem,) = problems_of(tmp_path, {"egress.targets.B_2": {"url": "http://b"}})

    assert problem.at == "egress.targets.B_2"


def test_numbers_and_switches_may_come_from_variables(tmp_path: Path) -> None:
    text = (
        "egress: {targets: {a: {url: 'http://a', retries: {attempts: '${N}'}}}, enabled: '${ON}'}\nservice: {name: a}"
    )

    config = load_text(tmp_path, text, {"N": "3", "ON": "true"})

    assert config.egress.targets["a"].retries.attempts == 3
    assert config.egress.enabled is True


@pytest.mark.parametrize(
    ("text", "address"),
    [(":8443", Address("0.0.0.0", 8443)), ("localhost:1", Address("127.0.0.1", 1)), ("[::1]:2", Address("::1", 2))],
)
def test_an_address_is_an_ip_address_and_a_port(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "same", "authority"),
    [
        ("https://A.example:443/", "https://a.example", "a.example"),
        ("http://a:80", "http://a", "a"),
        ("https://a:8443", "https://A:8443/", "a:8443"),
        ("http://[::1]:90", "http://[::1]:90/", "[::1]:90"),
        ("unix:///run/A.sock", "unix:///run/A.sock", "localhost"),
    ],
)
def test_two_ways_to_write_one_endpoint_are_equal(text: str, same: str, authority: str) -> None:
    endpoint = parse_endpoint(text)

    assert endpoint == parse_endpoint(same) == parse_endpoint(str(endpoint))
    assert endpoint.authority == authority
    assert endpoint != Endpoint("http", "a", 81)
    assert parse_endpoint("https://a") != parse_endpoint("http://a:443")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (1.5, "1500ms"), (60, "60s"), (90, "90s"), (300, "5m"), (3600, "1h")],
)
def test_a_duration_is_printed_as_one_writes_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1, "1B"), (1536, "1536B"), (65536, "64KiB"), (10 << 20, "10MiB")]
)
def test_a_size_is_printed_as_one_writes_it(size: int, text: str) -> None:
    assert format_size(size) == text
    assert parse_size(text) == size


def test_what_prints_a_value_has_a_signature() -> None:
    """A builtin's is `(*args, **kwargs)` from Python 3.13 on: pydantic then takes it for another kind of function, and
    nothing starts.
    """
    printers = [
        part.func
        for kind in vars(values).values()
        for part in getattr(kind, "__metadata__", ())
        if isinstance(part, PlainSerializer)
    ]

    assert len(printers) > 5
    assert [one for one in printers if not isinstance(one, FunctionType | type)] == []


@pytest.mark.parametrize("text", ["h2c://app:9000", "h2c+unix:///run/app.sock"])
def test_http2_without_tls_is_said_by_the_scheme(text: str) -> None:
    """And by nothing else: the same place without it is another one."""
    found = parse_endpoint(text)

    assert found.http2
    assert str(found) == text
    assert parse_endpoint(text.replace("h2c+", "").replace("h2c:", "http:")) != found
    for wrong in ("h2c://", "h2c:///x", "h2c://a/b", "h2c+unix://a", "h2c+http://a"):
        with pytest.raises(ValueError, match="write"):
            parse_endpoint(wrong)
