"""The kinds of value that a configuration holds: what each accepts, and how the JSON Schema describes it. Not the keys.

Every ValueError is a sentence for the reader of a problem report: it says what to write, never what was found.
"""

import re
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, TypeVar, cast

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from authz_service.config.addresses import (
    Address,
    Endpoint,
    UnixAddress,
    is_host_name,
    is_ip,
    parse_address,
    parse_endpoint,
    parse_local_address,
    split_url,
)
from authz_service.domain.secret import Secret as SecretText
from authz_service.domain.spiffe import is_spiffe_id
from authz_service.durations import format_duration, format_size, parse_duration, parse_size

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._~!$&'()+,=:@-]+")
_T = TypeVar("_T")


def http_url(text: str) -> str:
    """The same text. Raises ValueError for what is no URL of ours to ask."""
    *_, rest = split_url(text)
    if "#" in rest:
        raise ValueError("write the URL without '#'")
    return text


def _ip(text: str) -> str:
    if not is_ip(text):
        raise ValueError("write an IP address, such as 127.0.0.1; a name cannot stand for a name")
    return text


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError("write a network, such as 10.0.0.0/8 or fd00::/8, or an IP address") from None


def _host(text: str) -> str:
    if not is_host_name(text) or is_ip(text):
        raise ValueError("write a host name, such as data-service.zone3.local")
    return text.lower()


def _header(text: str) -> str:
    if not _TOKEN.fullmatch(text):
        raise ValueError("write a header name (RFC 9110 token): letters, digits and '-', such as X-User-ID")
    return text


def _clean_path(text: str) -> str:
    segments = text.split("/")[1:]
    if text != "/" and not (text.startswith("/") and all(_SEGMENT.fullmatch(segment) for segment in segments)):
        raise ValueError(
            "write a path that starts with '/', without '//', '..', '%', '*' or a '/' at the end, such as /data"
        )
    return text


def _strip_prefix(text: str) -> str:
    if text == "/":
        raise ValueError("write the prefix to remove, such as /data, or remove strip_prefix")
    return _clean_path(text)


def _route_path(text: str) -> str:
    try:
        _clean_path(text.removesuffix("/**") or "/")
    except ValueError:
        raise ValueError("write an exact path such as /orders, or a path and all below it such as /orders/**") from None
    return text


def is_off(value: object) -> bool:
    """As pydantic reads a switch."""
    return str(value).lower() in {"false", "off", "no", "n", "f", "0"}


def _switch(value: object) -> object:
    return False if is_off(value) else True if str(value).lower() in {"true", "on", "yes", "y", "t", "1"} else value


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _plain_number(value: object) -> float | None:
    """Python code may give seconds and bytes as numbers; YAML always gives text."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _duration(lowest: float, highest: float, advice: str) -> PlainValidator:
    def validate(value: object) -> float:
        number = _plain_number(value)
        seconds = number if number is not None else parse_duration(_text(value))
        if not lowest <= seconds <= highest:
            raise ValueError(advice)
        return seconds

    return PlainValidator(validate)


def _size(value: object) -> int:
    number = _plain_number(value)
    size = int(number) if number is not None else parse_size(_text(value))
    if not 0 < size <= 1 << 40:
        raise ValueError("write a size of at least 1B and at most 1024GiB")
    return size


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("write one value here, not a list or a section")  # noqa: TRY004 - pydantic collects ValueErrors only
    return value


def _path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("write the path of a file or folder")
    return Path(text)


def parse_secret(text: str) -> SecretText:
    """A line break is the one at the end of somebody's file; the identity provider would only say "wrong secret"."""
    if not text or re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("write at least one character, and no line break or other control character")
    return SecretText(text)


def _parsed_by(parse: Callable[[str], _T], kind: type[_T] | tuple[type[_T], ...]) -> PlainValidator:
    """From text, or already of the kind (a default, or Python code)."""

    def validate(value: object) -> _T:
        return value if isinstance(value, kind) else parse(_text(value))

    return PlainValidator(cast("Callable[[object], object]", validate))


def _word(text: str) -> str:
    return _matching(text, r"[!-~]{1,256}", "write at least one letter, without spaces")


def _name(text: str) -> str:
    return _matching(text, r"[A-Za-z0-9._-]{0,63}", "write at most 63 letters, digits, '.', '_' or '-'")


def _target_name(text: str) -> str:
    return _matching(text, r"[a-z0-9-]{1,63}", "name a target with small letters, digits and '-', such as data-service")


def _policy_query(text: str) -> str:
    word = r"\.[A-Za-z_][A-Za-z0-9_]*"
    return _matching(text, f"data({word}){{2,}}", "write data, the package and the rule, such as data.order.allow")


def _client(text: str) -> str:
    advice = (
        "write subject attributes such as CN=api-gateway-client,O=MyOrg, a SPIFFE ID such as spiffe://mesh/gateway, or "
        "a DNS name such as dns:gateway.zone1.example"
    )
    return _matching(text, r"spiffe://[!-~]+|dns:[!-~]+|(?!spiffe:)[A-Za-z0-9.]+=.+", advice)


def _spiffe_id(text: str) -> str:
    if not is_spiffe_id(text):
        raise ValueError("write spiffe://, a trust domain and a path, such as spiffe://mesh/zone3/data-service")
    return text


def _unix_socket(text: str) -> Endpoint:
    if not text.startswith("unix://"):
        raise ValueError("write unix:// and an absolute path, such as unix:///run/spire/agent.sock")
    return parse_endpoint(text)


def _file_mode(text: str) -> int:
    return int(_matching(text, r"0?[0-7]{3}", "write three octal digits, such as 0660"), 8)


def _as_file_mode(mode: int) -> str:
    """A function of our own: pydantic asks for the signature, and a builtin's may say `(*args, **kwargs)` (3.13)."""
    return f"{mode:04o}"


def _account(text: str) -> str:
    return _matching(text, r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}", "write a name or a number, such as app or 1000")


def _file_or_dash(text: str) -> str:
    return _matching(text, r"[^\0]+", "write the path of a file, or - for standard output")


def _matching(text: str, pattern: str, advice: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(advice)
    return text


def _described(kind: str, pattern: str = "", **more: object) -> WithJsonSchema:
    """`kind` is the type's name in the schema and in the documentation."""
    return WithJsonSchema({"type": "string", "title": kind, **({"pattern": pattern} if pattern else {}), **more})


On = Annotated[Literal[True], BeforeValidator(_switch), WithJsonSchema({"type": "boolean", "const": True})]
Off = Annotated[Literal[False], BeforeValidator(_switch), WithJsonSchema({"type": "boolean", "const": False})]

_TEN_YEARS = 10 * 365 * 86400.0
_IS_DURATION = _described("duration", r"^\d+(\.\d+)?(ms|s|m|h|d)$")
_AS_DURATION = PlainSerializer(format_duration, return_type=str, when_used="json")
_AS_SIZE = PlainSerializer(format_size, return_type=str, when_used="json")
_PRINTED = PlainSerializer(str, return_type=str, when_used="json")

Duration = Annotated[
    float, _duration(0.001, _TEN_YEARS, "write a duration of at least 1ms, such as 30s"), _AS_DURATION, _IS_DURATION
]
DurationOrZero = Annotated[
    float, _duration(0, _TEN_YEARS, "write a duration such as 30s, or 0s"), _AS_DURATION, _IS_DURATION
]
TokenTimeout = Annotated[float, _duration(1, 60, "write a duration from 1s to 60s"), _AS_DURATION, _IS_DURATION]
Leeway = Annotated[float, _duration(0, 300, "write a duration from 0s to 5m"), _AS_DURATION, _IS_DURATION]
BindingGrace = Annotated[float, _duration(0, 3600, "write a duration from 0s to 1h"), _AS_DURATION, _IS_DURATION]
IntrospectionCache = Annotated[
    float, _duration(1, 60, "write a duration from 1s to 1m, such as 5s"), _AS_DURATION, _IS_DURATION
]
Size = Annotated[int, PlainValidator(_size), _AS_SIZE, _described("size", r"^\d+\s*(B|KiB|MiB|GiB)?$")]
Secret = Annotated[
    SecretText, _parsed_by(parse_secret, SecretText), _PRINTED, _described("secret", writeOnly=True, minLength=1)
]
ListenAddress = Annotated[
    Address, _parsed_by(parse_address, Address), _PRINTED, _described("listen address", r":\d{1,5}$")
]
LocalAddress = Annotated[
    Address | UnixAddress,
    _parsed_by(parse_local_address, (Address, UnixAddress)),
    _PRINTED,
    _described("listen address or Unix socket", r"(:\d{1,5}|^unix:///.+)$"),
]
FileMode = Annotated[
    int,
    _parsed_by(_file_mode, int),
    PlainSerializer(_as_file_mode, return_type=str, when_used="json"),
    _described("file mode", r"^0?[0-7]{3}$"),
]
AccountName = Annotated[str, AfterValidator(_account), _described("user or group", r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
ServiceUrl = Annotated[
    Endpoint,
    _parsed_by(parse_endpoint, Endpoint),
    _PRINTED,
    _described("service URL", r"^((https?|h2c)://[^/]+/?|(h2c\+)?unix:///.+)$"),
]
HttpUrl = Annotated[str, AfterValidator(http_url), _described("URL", r"^https?://")]
File = Annotated[Path, _parsed_by(_path, Path), _PRINTED, _described("path", minLength=1)]
FileOrDash = Annotated[str, AfterValidator(_file_or_dash), _described("path or -", minLength=1)]
IpAddress = Annotated[str, AfterValidator(_ip), _described("IP address", r"^[0-9a-fA-F.:]+$")]
Network = Annotated[str, AfterValidator(_network), _described("network", r"^[0-9a-fA-F.:]+(/\d{1,3})?$")]
HostName = Annotated[str, AfterValidator(_host), _described("host name")]
HeaderName = Annotated[str, AfterValidator(_header), _described("header name", r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]
CleanPath = Annotated[str, AfterValidator(_clean_path), _described("URL path", r"^/")]
StripPrefix = Annotated[str, AfterValidator(_strip_prefix), _described("URL path", r"^/.")]
RoutePath = Annotated[str, AfterValidator(_route_path), _described("route path", r"^/")]
Word = Annotated[str, AfterValidator(_word), _described("word", r"^[!-~]+$")]
Name = Annotated[str, AfterValidator(_name), _described("name", r"^[A-Za-z0-9._-]{0,63}$")]
TargetName = Annotated[str, AfterValidator(_target_name), _described("target name", r"^[a-z0-9-]{1,63}$")]
PolicyQuery = Annotated[
    str, AfterValidator(_policy_query), _described("policy query", r"^data(\.[A-Za-z_][A-Za-z0-9_]*){2,}$")
]
Client = Annotated[str, AfterValidator(_client), _described("client", r"=|^spiffe://|^dns:")]
SpiffeId = Annotated[str, AfterValidator(_spiffe_id), _described("SPIFFE ID", r"^spiffe://[^/]+/.+$")]
UnixSocket = Annotated[
    Endpoint, _parsed_by(_unix_socket, Endpoint), _PRINTED, _described("Unix socket", r"^unix:///.+$")
]
Texts = Annotated[
    tuple[Word, ...],
    BeforeValidator(_one_or_many),
    Field(min_length=1),
    WithJsonSchema(
        {
            "title": "word or list of words",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        }
    ),
]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
