"""Which of OPA's builtins a policy may call, and what to use instead of the others. Data only.

The names and their numbers of arguments are those that regorus 0.13.0 itself lists (`opa.runtime().builtins`);
tests/unit/policy/test_policy_builtins.py compares them with the installed engine: an update cannot change them unseen.
"""

_BY_ARITY = {
    0: """
        time.now_ns
    """,
    1: """
        abs array.reverse base64.decode base64.encode base64.is_valid base64url.decode base64url.encode
        base64url.encode_no_pad bits.negate ceil count floor glob.quote_meta hex.decode hex.encode intersection
        is_array is_boolean is_null is_number is_object is_set is_string json.is_valid json.marshal
        json.unmarshal json.verify_schema lower max min net.cidr_expand net.cidr_is_valid object.keys
        object.union_n product regex.is_valid round semver.is_valid sort strings.reverse sum time.clock
        time.date time.format time.parse_duration_ns time.parse_rfc3339_ns time.weekday to_number trace
        trim_space type_name union units.parse units.parse_bytes upper urlquery.decode urlquery.decode_object
        urlquery.encode urlquery.encode_object uuid.parse walk yaml.is_valid yaml.marshal yaml.unmarshal
    """,
    2: """
        array.concat bits.and bits.lsh bits.or bits.rsh bits.xor concat contains endswith format_int
        graph.reachable graph.reachable_paths indexof indexof_n json.filter json.marshal_with_options
        json.match_schema json.patch json.remove net.cidr_contains numbers.range object.filter object.remove
        object.subset object.union regex.match regex.split semver.compare split sprintf startswith
        strings.any_prefix_match strings.any_suffix_match time.diff time.parse_ns trim trim_left trim_prefix
        trim_right trim_suffix
    """,
    3: """
        array.slice glob.match numbers.range_step object.get regex.find_all_string_submatch_n regex.find_n
        regex.replace replace substring
    """,
    4: """
        regex.template_match time.add_date
    """,
}

# Those that the engine lacks and we give it (`added_builtins`).
_ADDED_BY_ARITY = {
    1: """
        array.flatten crypto.md5 crypto.sha1 crypto.sha256 io.jwt.decode net.cidr_merge
    """,
    2: """
        crypto.hmac.equal crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512 io.jwt.decode_verify
        io.jwt.verify_eddsa io.jwt.verify_es256 io.jwt.verify_es384 io.jwt.verify_es512 io.jwt.verify_hs256
        io.jwt.verify_hs384 io.jwt.verify_hs512 io.jwt.verify_ps256 io.jwt.verify_ps384 io.jwt.verify_ps512
        io.jwt.verify_rs256 io.jwt.verify_rs384 io.jwt.verify_rs512 net.cidr_contains_matches net.cidr_intersects
    """,
}


def _arities(by_arity: dict[int, str]) -> dict[str, int]:
    return {name: arity for arity, names in by_arity.items() for name in names.split()}


# Name -> how many arguments it takes. `print` takes any number; what it prints is thrown away outside of tests.
ADDED = _arities(_ADDED_BY_ARITY)
ARITY = _arities(_BY_ARITY) | ADDED
PRINT = "print"

# Longest prefix wins. Some exist in the engine and answer something else than OPA does: `not http.send(…)` is true
# (SECURITY T11), `strings.count("aaa", "aa")` is 2, `strings.replace_n` replaces what it has put in itself.
_INSTEAD = {
    "http.send": "a decision cannot wait for a network; put what the policy needs into data.json and reload it",
    "io.jwt.": "a policy signs nothing; egress credentials belong into the configuration",
    "crypto.x509.": "the sidecar has verified the client certificate: use input.mtls",
    "crypto.": "there are digests (crypto.sha256) and HMACs (crypto.hmac.sha256); the rest is not for a decision",
    "opa.runtime": "put what the policy needs to know about its surroundings into data.json",
    "rand.": "a decision must be the same for the same request; use input.decision_id where an id is needed",
    "uuid.rfc4122": "a decision must be the same for the same request; use input.decision_id",
    "net.lookup_ip_addr": "a decision cannot wait for a network; use net.cidr_contains with addresses from data.json",
    "net.cidr_overlap": "use net.cidr_contains",
    "rego.metadata.": "annotations are not read here; write the value into the rule",
    "rego.parse_module": "policies are checked when they are loaded; a policy cannot read another",
    "graphql.": "the policy does not see the request's body",
    "providers.aws.": "a policy does not sign requests; egress credentials belong into the configuration",
    "strings.render_template": "use sprintf",
    "strings.split_n": "use split",
    "strings.count": "use count(split(x, part)) - 1",
    "strings.replace_n": "use replace, once for each: replace(replace(x, a, b), c, d)",
    "uri.": "the sidecar has taken the request's URL apart: use input.request",
    "any": "use `some x in xs; x == true`, or `true in xs`",
    "all": "use `every x in xs { x == true }`",
    "re_match": "use regex.match",
    "regex.globs_match": "use glob.match or regex.match",
    "set_diff": "use `a - b`",
    "cast_": "use to_number, is_array and the like, or a comprehension",
    "time.": "compare nanoseconds since the epoch: time.now_ns, time.parse_rfc3339_ns",
}


def instead_of(name: str) -> str | None:
    """What to write instead of a builtin that OPA has and we refuse; None when OPA has none of that name either."""
    prefixes = [prefix for prefix in _INSTEAD if name == prefix or (prefix[-1] in "._" and name.startswith(prefix))]
    return _INSTEAD[max(prefixes, key=len)] if prefixes else None
