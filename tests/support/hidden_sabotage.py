"""Policies that pass the vetting, because what they do to a worker they do for one request only (SECURITY A9).

Each is a Rego body that the policy enters for one path, which it puts together itself: no trial request finds it.
"""

from __future__ import annotations

from typing import NamedTuple


class Hidden(NamedTuple):
    """`body` is to be stopped, or to fail, or to come to nothing. It never lets the request in."""

    name: str
    body: str


def a_search(step: str, many: int = 999_999) -> str:
    """Does `step` with `i` again and again, and never finds what it looks for."""
    return f"some i in numbers.range(1, {many}); {step}"


_LONG = 'text := concat("", [c | some i in numbers.range(1, 20000); c := "aaaaaaaaaa"])'
_OPENED = 'concat("", [c | some i in numbers.range(1, 99999); c := "["])'
_GRAPH = "edges := {i: [i + 1] | some i in numbers.range(1, 999999)}"
_MANY = "some i in numbers.range(1, 9999); some j in numbers.range(1, 9999)"
_TEN = '"aaaaaaaaaa"'
_HUGE = f'{_LONG}; huge := replace(replace(replace(text, "a", {_TEN}), "a", {_TEN}), "a", {_TEN})'

HIDDEN = (
    # Time
    Hidden("two loops", "some i in numbers.range(1, 99999); some j in numbers.range(1, 99999); i * j == -1"),
    Hidden(
        "every one of many",
        "every i in numbers.range(1, 9999) { every j in numbers.range(1, 9999) { i + j > 0 } }; false",
    ),
    Hidden("a comprehension", f"count([1 | {_MANY}; i > j]) == 1"),
    Hidden("a set", f"count({{x | {_MANY}; x := (i + j) % 7}}) == 1"),
    Hidden("an object", f"count({{i: 1 | {_MANY}; j > 0}}) == 1"),
    Hidden("a function", a_search("negative(i)")),
    Hidden("a rule over and over", a_search("with_input(i)")),
    Hidden("digests", a_search('crypto.sha256(sprintf("%d", [i])) == ""')),
    Hidden("HMACs", a_search('crypto.hmac.sha512(sprintf("%d", [i]), "key") == ""')),
    Hidden("digests that are compared", a_search('crypto.hmac.equal(sprintf("%d", [i]), "key")')),
    Hidden("regular expressions", a_search('regex.match("(a|b|ab)*c", sprintf("abababab%d", [i]))')),
    Hidden("globs", a_search('glob.match("{a,b,c}*{d,e}**x", [], sprintf("adae%d", [i]))')),
    Hidden("networks", a_search('net.cidr_contains("10.0.0.0/8", sprintf("11.0.0.%d", [i % 250]))')),
    Hidden("merged networks", a_search('count(net.cidr_merge([sprintf("10.%d.0.0/16", [i % 250])])) == 2')),
    Hidden("texts that are split", a_search('count(split(sprintf("a,b,%d", [i]), ",")) == 1')),
    Hidden("documents that are parsed", a_search('json.unmarshal(sprintf("[%d]", [i])) == []')),
    Hidden("YAML that is parsed", a_search('yaml.unmarshal(sprintf("a: %d", [i])) == []')),
    Hidden("times that are parsed", a_search('time.parse_rfc3339_ns("2026-01-01T00:00:00Z") == i')),
    Hidden("a walk", "count([1 | walk(numbers.range(1, 999999), [_, x]); x == -1]) == 1"),
    Hidden("a graph", _GRAPH + "; count(graph.reachable(edges, [1])) == 1"),
    # Memory
    Hidden("one enormous text", 'count(sprintf("%1900000000d", [1])) == 0'),
    Hidden("a text that grows", _HUGE + "; count(huge) == 0"),
    Hidden("a text that grows, in base64", _HUGE + '; base64.encode(huge) == ""'),
    Hidden("a text that grows, in hex", _HUGE + '; hex.encode(huge) == ""'),
    Hidden("a text that grows, escaped", _HUGE + '; urlquery.encode(huge) == ""'),
    Hidden("a list", "count(numbers.range(1, 1000000000)) == 0"),
    Hidden("a list in steps", "count(numbers.range_step(1, 1000000000, 1)) == 0"),
    Hidden("lists in a list", "count(array.flatten([numbers.range(1, 999) | some i in numbers.range(1, 99999)])) == 0"),
    Hidden("a sorted list", "sort(numbers.range(1, 99999999))[0] == 0"),
    Hidden("a printed list", 'sprintf("%v", [numbers.range(1, 9999999)]) == ""'),
    Hidden("all of IPv4", 'count(net.cidr_expand("0.0.0.0/0")) == 0'),
    Hidden("all of IPv6", 'count(net.cidr_expand("::/0")) == 0'),
    Hidden("an enormous number", "bits.lsh(1, 4000000000) == 0"),
    Hidden("a number that grows", "product([999999999999 | some i in numbers.range(1, 999999)]) == 0"),
    Hidden("what is thrown away", "print(numbers.range(1, 99999999)); false"),
    # Panics and errors
    Hidden("a list too long to exist", "count(numbers.range(1, 1000000000000000000)) == 0"),
    Hidden("a subset of nothing", "object.subset([], [1])"),
    Hidden("a time in other letters", r'time.parse_ns("2006-01-02", "\uff12\uff10\uff12\uff16-01-02") == 0'),
    Hidden("a date beyond all dates", "time.add_date(9223372036854775807, 999999999, 1, 1) == 0"),
    Hidden("a date beyond all dates, in words", 'time.format(9223372036854775807) == ""'),
    Hidden("a document without a bottom",  f"json.unmarshal({_OPENED}) == 0"),
    Hidden("YAML without a bottom",  f"yaml.unmarshal({_OPENED}) == 0"),
    Hidden("a pattern that is too large", 'regex.match("((a{1000}){1000}){1000}", "a")'),
    Hidden("a pattern that is none", 'regex.match("(", "a")'),
    Hidden("a division by nothing", "1 / count([]) == 0"),
    Hidden("text as a number", "input.request.path / 2 == 0"),
    Hidden("base64 that is none", 'base64.decode("?") == ""'),
    Hidden("digits that are none", 'hex.decode("x") == ""'),
    Hidden("a pattern with many ways", f'{_LONG}; regex.match("(a*)*(a*)*b", text)'),
    Hidden("a value in itself", "walk([[[[[[[[[[[[1]]]]]]]]]]]], [_, x]); x == 2"),
    Hidden("a network that is none", 'net.cidr_contains("x", "y")'),
    Hidden("two results of one function", "twofold(1) == 0"),
)  # fmt: skip


def path_of(number: int) -> str:
    return f"/sabotage-{number}"


def policy(hidden: tuple[Hidden, ...] = HIDDEN) -> str:
    """One policy with all of them; it allows /orders, and refuses what is none of its paths."""
    rules = [
        f'result if {{\n\tinput.request.segments[0] == concat("-", ["sabotage", "{number}"])\n\t{each.body}\n}}'
        for number, each in enumerate(hidden)
    ]
    return "\n\n".join(
        [
            "package lone",
            "default result := false",
            'result if input.request.segments[0] == "orders"',
            *rules,
            "negative(x) if x < 0",
            "with_input(x) if input.request.path == x",
            "twofold(x) := 1 if x > 0",
            "twofold(x) := 2 if { x > 0; x < 9 }",
        ]
    )
