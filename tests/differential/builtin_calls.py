"""Calls of every builtin that a policy may call: operands by its types, and picked by hand (`pools`). Not policies."""

# ruff: noqa: E501, PLR0911, C901 - tables, and a way out for each kind

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any, Final, TypeAlias

from tests.differential import pools
from tests.differential.pools import ARRAYS, CIDRS, NUMBERS, OBJECTS, SCALARS, SETS, TEXTS

from authz_rego.builtins.declarations import Declaration, declarations
from authz_rego.builtins.table import REFUSED, functions
from authz_rego.values.byte_texts import raw_of, text_of_bytes
from authz_rego.values.value import Value, key_of, sorted_keys

Call: TypeAlias = tuple[Any, ...]  # a name and its operands

# What stands in the place of an operand, by the builtin; None: what the declared type says.
_POOLS: Final[dict[str, tuple[tuple[Value, ...] | None, ...]]] = {
    **dict.fromkeys(("regex.match", "regex.is_valid", "regex.split", "regex.find_n", "regex.find_all_string_submatch_n"), (pools.PATTERNS,)),
    "regex.replace": (None, pools.PATTERNS, pools.REPLACEMENTS),
    "regex.globs_match": (pools.GLOBS, pools.GLOBS),
    "regex.template_match": (("{a.*}", "x{\\d+}y", "{", "<a>", "{{a}}", "a{b}c{d}", ""), None, ("{", "<", "", "{{", "é"), ("}", ">", "", "}}", "é")),
    "glob.match": (pools.GLOBS, pools.DELIMITERS),
    "glob.quote_meta": (pools.GLOBS,),
    **dict.fromkeys(("net.cidr_contains", "net.cidr_intersects", "net.cidr_is_valid"), (CIDRS, CIDRS)),
    "net.cidr_expand": (tuple(each for each in CIDRS if each.endswith(("/24", "/30", "/31", "/32", "/126", "/128")) or "/" not in each),),
    **dict.fromkeys(("semver.compare", "semver.is_valid"), (pools.VERSIONS, pools.VERSIONS)),
    **dict.fromkeys(("units.parse", "units.parse_bytes"), (pools.UNITS,)),
    "to_number": ((*pools.UNITS, *SCALARS, *NUMBERS, "0x1p3", "1e5", "1E400", "٣", "1e-400", "0X1F", "+.5", "1__0", "0b11"),),
    "time.parse_duration_ns": (pools.DURATIONS,),
    "time.parse_rfc3339_ns": (pools.TIMES,),
    "time.parse_ns": (pools.LAYOUTS, pools.TIMES),
    "time.add_date": (pools.MOMENTS, NUMBERS, NUMBERS, NUMBERS),
    "sprintf": (pools.FORMATS,),
    **dict.fromkeys(("uri.parse", "uri.is_valid"), (pools.URLS,)),
    "urlquery.decode": ((*pools.QUERIES, *TEXTS),),
    "urlquery.decode_object": (pools.QUERIES,),
    **dict.fromkeys(("json.unmarshal", "json.is_valid"), (pools.JSON_TEXTS,)),
    **dict.fromkeys(("yaml.unmarshal", "yaml.is_valid"), (pools.YAML_TEXTS,)),
    **dict.fromkeys(("base64.decode", "base64.is_valid", "base64url.decode"), (pools.BASE64S,)),
    "hex.decode": (pools.HEXES,),
    "uuid.parse": (pools.UUIDS,),
    "strings.render_template": (pools.TEMPLATES,),
    "format_int": (NUMBERS, (2, 8, 10, 16, 7, 0, -2, "10")),
    "numbers.range": ((0, 1, 5, -3, 10, 2**40), (0, 1, 5, -3, 12)),
    "numbers.range_step": ((0, 1, 5, -3), (0, 1, 5, -3, 10), (1, 2, 3, 0, -1, 100)),
    "bits.lsh": (NUMBERS, (0, 1, 2, 63, 64, 65, 100, 1000, 70_000, -1)),
    "bits.rsh": (NUMBERS, (0, 1, 2, 63, 64, 65, 100, -1)),
    "walk": (),
}  # fmt: skip
# OPA computes for minutes with larger numbers, and nobody can stop it.
_ENDLESS: Final = frozenset({"bits.lsh", "numbers.range", "numbers.range_step"})
_BY_POLICY: Final = frozenset({"walk", "time.now_ns", "rego.metadata.chain", "rego.metadata.rule"})


def names() -> list[str]:
    """What can be called from outside: neither refused nor answered by the compiler itself."""
    found = functions()
    return sorted(name for name in declarations() if name in found and name not in REFUSED and name not in _BY_POLICY)


def calls(chance: Random, each: int) -> Iterator[Call]:
    """So many calls of each builtin."""
    declared = declarations()
    for name in names():
        for _ in range(each if declared[name].args else 1):
            yield a_call(declared[name], chance)


def a_call(declaration: Declaration, chance: Random) -> Call:
    operands = _operands(declaration, chance)
    if chance.random() < 0.15:
        operands = [torn(each, chance) for each in operands]
    return (declaration.name, *operands)


def _operands(declaration: Declaration, chance: Random) -> list[Value]:
    given = _POOLS.get(declaration.name, ())
    operands = []
    for at, kind in enumerate(declaration.args):
        pool = given[at] if at < len(given) else None
        number = chance.random()
        if declaration.name in _ENDLESS:
            operands.append(chance.choice(SCALARS if number < 0.1 or pool is None else pool))
        elif number < 0.04:
            operands.append(anything(chance))
        elif pool is not None and number < 0.9:
            operands.append(copy.deepcopy(chance.choice(pool)))
        else:
            operands.append(_special(declaration.name, at, chance) or of_type(kind, chance))
    return operands


def torn(value: Value, chance: Random) -> Value:
    """The value with bytes that are no UTF-8 in half of its texts."""
    kind = type(value)
    if kind is list:
        return [torn(each, chance) for each in value]
    if kind is dict:
        return {torn(key, chance): torn(member, chance) for key, member in value.items()}
    if kind is frozenset:
        return frozenset(torn(key, chance) for key in sorted_keys(value))
    if kind is not str or chance.random() < 0.5:
        return value
    if chance.random() < 0.4:
        return chance.choice(pools.TORN)
    raw = raw_of(value)
    at, end = sorted((chance.randint(0, len(raw)), chance.randint(0, len(raw))))
    if chance.random() < 0.5:
        return text_of_bytes(raw[at:end])  # cut, perhaps within a character
    return text_of_bytes(raw[:at] + raw_of(chance.choice((*pools.TORN, "\ufffd"))) + raw[at:])


def anything(chance: Random) -> Value:
    """Any value, also a nested one."""
    return copy.deepcopy(chance.choice(chance.choice((SCALARS, NUMBERS, TEXTS, ARRAYS, OBJECTS, SETS))))


def of_type(kind: dict[str, Any], chance: Random, depth: int = 2) -> Value:
    """A value of a declared type."""
    name = kind["type"]
    if name == "any":
        options = kind.get("of")
        return of_type(chance.choice(options), chance, depth) if options else anything(chance)
    if name == "array":
        if "static" in kind:
            return [of_type(each, chance, depth - 1) for each in kind["static"]]
        return (
            _several(kind.get("dynamic"), chance, depth)
            if chance.random() < 0.6
            else copy.deepcopy(chance.choice(ARRAYS))
        )
    if name == "set":
        if chance.random() < 0.5 or depth <= 0:
            return chance.choice(SETS)
        return frozenset(map(key_of, _several(kind.get("of"), chance, depth)))
    if name == "object":
        return _object(kind, chance, depth)
    if name == "string":
        return chance.choice(TEXTS)
    if name == "number":
        return chance.choice(NUMBERS)
    return chance.choice((True, False)) if name == "boolean" else None


def _several(kind: dict[str, Any] | None, chance: Random, depth: int) -> list[Value]:
    kind = kind or {"type": "any"}
    return [of_type(kind, chance, depth - 1) for _ in range(chance.choice((0, 1, 2, 2, 3, 5)))]


def _object(kind: dict[str, Any], chance: Random, depth: int) -> Value:
    dynamic = kind.get("dynamic")
    found: dict[Any, Value] = {
        each["key"]: of_type(each["value"], chance, depth - 1)
        for each in kind.get("static", ())
        if chance.random() < 0.7
    }
    if dynamic is None or (dynamic["value"]["type"] == "any" and "of" not in dynamic["value"]):
        return {**copy.deepcopy(chance.choice(OBJECTS)), **found}
    for _ in range(chance.choice((0, 1, 2, 3))):
        found[key_of(of_type(dynamic["key"], chance, depth - 1))] = of_type(dynamic["value"], chance, depth - 1)
    return found


def _special(name: str, at: int, chance: Random) -> Value:
    """Operands with a form of their own; None where there is none."""
    if name in ("json.filter", "json.remove") and at == 1:
        paths = [copy.deepcopy(chance.choice(pools.PATHS)) for _ in range(chance.randrange(4))]
        return paths if chance.random() < 0.6 else frozenset(map(key_of, paths))
    if name == "json.patch" and at == 1:
        return [_patch(chance) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
    if name in ("time.clock", "time.date", "time.weekday", "time.diff", "time.format"):
        moment = chance.choice(pools.MOMENTS)
        zoned = [moment, chance.choice(pools.ZONES), chance.choice(pools.LAYOUTS)][: chance.choice((1, 2, 2, 3))]
        return moment if chance.random() < 0.4 else zoned
    if name in ("net.cidr_merge", "net.cidr_contains_matches"):
        nets: list[Value] = [chance.choice(CIDRS[:12] + CIDRS[36:]) for _ in range(chance.randrange(5))]
        if name == "net.cidr_contains_matches" and chance.random() < 0.5:
            nets = [[each, chance.choice(SCALARS)] for each in nets]
            return {f"k{number}": each for number, each in enumerate(nets)} if chance.random() < 0.4 else nets
        return chance.choice((nets, frozenset(nets) if all(type(each) is str for each in nets) else nets))
    if name == "sprintf" and at == 1:
        return [anything(chance) for _ in range(chance.choice((0, 1, 1, 2, 2, 3)))]
    if name.startswith("object.") and at == 1 and chance.random() < 0.5:
        return [chance.choice(("a", "b", "c", 1, None, "é", ["a", "b"], "0")) for _ in range(chance.randrange(4))]
    if name == "substring" and at > 0:
        return chance.choice((0, 1, 2, -1, 5, 100))
    if name in ("array.slice", "strings.split_n", "regex.find_n", "regex.find_all_string_submatch_n") and at > 0:
        return chance.choice((None, 0, 1, 2, -1, 5, 3))
    if name == "json.marshal_with_options" and at == 1:
        return {
            key: value
            for key, value in (
                ("indent", chance.choice(("", " ", "\t", "ab"))),
                ("prefix", chance.choice(("", ">"))),
                ("pretty", chance.random() < 0.7),
            )
            if chance.random() < 0.7
        }
    return None


def _patch(chance: Random) -> Value:
    patch = {
        "op": chance.choice(pools.PATCHES[:6] if chance.random() < 0.95 else pools.PATCHES),
        "path": copy.deepcopy(chance.choice(pools.PATHS)),
    }
    if chance.random() < 0.85:
        patch["value"] = anything(chance)
    if patch["op"] in ("move", "copy") or chance.random() < 0.1:
        patch["from"] = copy.deepcopy(chance.choice(pools.PATHS))
    if chance.random() < 0.03:
        del patch[chance.choice(sorted(patch))]
    return patch
