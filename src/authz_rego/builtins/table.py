"""Every builtin that a policy may call, by name, and why not the others. Not their types (`declarations`)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Final

from authz_rego.values.value import Value

# Each is a module that has FUNCTIONS; a policy that calls none pays for the import of none.
FAMILIES: Final = (
    "aggregates",
    "arrays",
    "bits",
    "comparison",
    "digests",
    "encodings",
    "glob",
    "graphs",
    "identifiers",
    "json_documents",
    "networks",
    "numbers",
    "objects",
    "regex",
    "sets",
    "sprintf",
    "strings",
    "times",
    "tracing",
    "types",
    "units",
    "uris",
    "versions",
    "yaml_documents",
)

_NO_NETWORK = "a decision cannot wait for a network"
_NO_CHANCE = "a decision must be the same for the same input"
_NO_KEYS = "a policy holds no keys and signs nothing"
_VERIFIED = "the token is verified before the policy is asked; its claims are in input.token"
_CERTIFICATES = "the certificate is verified before the policy is asked; what it says is in input.mtls"
_NO_BODY = "a policy does not see the request's body"
_NO_SCHEMA = "there is no JSON Schema here: say in a rule what must hold of each member, as in `is_string(input.name)`"
_JWT_VERIFIERS = "eddsa es256 es384 es512 hs256 hs384 hs512 ps256 ps384 ps512 rs256 rs384 rs512"
_GRAPHQL = "is_valid parse parse_and_verify parse_query parse_schema schema_is_valid"
_X509 = (
    "parse_and_verify_certificates parse_and_verify_certificates_with_options parse_certificate_request "
    "parse_certificates parse_keypair parse_rsa_private_key"
)

# OPA's builtins that no policy may call here, by name: why, and what to write instead.
REFUSED: Final = MappingProxyType(
    {
        "http.send": f"{_NO_NETWORK}: put what the policy needs to know into its data, and reload that when it changes",
        "net.lookup_ip_addr": f"{_NO_NETWORK}: compare addresses with net.cidr_contains, the networks in data",
        "rand.intn": f"{_NO_CHANCE}: to pick a share of the requests, look at a digest (crypto.sha256) of the input",
        "uuid.rfc4122": f"{_NO_CHANCE}: the input has an identifier of the decision where one is needed",
        "opa.runtime": "a policy knows nothing of the process that runs it: put what it needs to know into data",
        "rego.parse_module": "policies are read when they are loaded: a policy cannot read another",
        "providers.aws.sign_req": f"{_NO_KEYS}: credentials of outgoing requests belong in the configuration",
        "crypto.parse_private_keys": f"{_NO_KEYS}: for a digest with a shared secret there is crypto.hmac.sha256",
        "strings.render_template": 'use sprintf, or a template string: $"… {input.name} …"',
        "json.match_schema": _NO_SCHEMA,
        "json.verify_schema": _NO_SCHEMA,
        "io.jwt.decode": _VERIFIED,
        "io.jwt.decode_verify": _VERIFIED,
        "io.jwt.encode_sign": f"{_NO_KEYS}: tokens for outgoing requests belong in the configuration",
        "io.jwt.encode_sign_raw": f"{_NO_KEYS}: tokens for outgoing requests belong in the configuration",
        **{f"io.jwt.verify_{algorithm}": _VERIFIED for algorithm in _JWT_VERIFIERS.split()},
        **{f"graphql.{name}": _NO_BODY for name in _GRAPHQL.split()},
        **{f"crypto.x509.{name}": _CERTIFICATES for name in _X509.split()},
    }
)

# Those that make texts that are no UTF-8 (`values.byte_texts`) of texts that are.
TEARING: Final = frozenset(
    [
        "base64.decode",
        "base64url.decode",
        "hex.decode",
        "replace",
        "strings.replace_n",
        "uri.parse",
        "urlquery.decode",
        "urlquery.decode_object",
    ]
)


@cache
def functions() -> dict[str, Callable[..., Value]]:
    """All that can be called, by name; each takes its operands by position and returns a value or raises BuiltinError.

    Those that the compiler answers itself (`assign`, `print`, `walk`, `time.now_ns` …) are not among them.
    """
    found: dict[str, Callable[..., Value]] = {}
    for family in FAMILIES:
        found |= import_module(f"{__package__}.{family}").FUNCTIONS
    return found
