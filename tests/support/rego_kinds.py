"""Seven kinds of policies that refuse in OPA and pass when Rego is nearly read as OPA does, beside who is let in.

Texts for a package of any name; the rules are called `allow`. tests/rego asks the compiler, tests/integration a
whole sidecar.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Claims = dict[str, Any]


class Kind(NamedTuple):
    """`yes` and `no` are the claims of two callers; in each of `noes` too the answer is no."""

    name: str
    text: str
    yes: Claims
    noes: tuple[Claims, ...]


KINDS = (
    Kind(
        "= inside every binds inside of it",
        'allow if every role in ["admin", "auditor"] { input.token.roles[_] = role }',
        {"roles": ["admin", "auditor"]},
        ({"roles": ["admin"]}, {"roles": ["nobody"]}, {"roles": []}, {}),
    ),
    Kind(
        "a member of a set that is undefined is left out, not the whole set",
        "deny contains entry.why if some entry in input.token.entries\nallow if count(deny) == 0",
        {"entries": [{"what": "b"}]},
        ({"entries": [{"why": "a"}, {"what": "b"}]}, {"entries": [{"what": "b"}, {"why": "a"}]}),
    ),
    Kind(
        "a reference under not is looked up outside of it",
        'allow if not "banned" in input.token.groups',
        {"groups": ["good"]},
        ({"groups": ["banned"]}, {}),
    ),
    Kind(
        "membership in what is undefined is undefined, not false",
        'is_admin := "admin" in input.token.groups\nallow if is_admin == false',
        {"groups": ["good"]},
        ({"groups": ["admin"]}, {}),
    ),
    Kind(
        "undefined in every, in functions and in builtins under not",
        "nothing := 1 if false\nf(x) if x == 1\n"
        'in_every if every x in ["a"] { not x in input.token.groups }\n'
        "of_a_rule if not f(nothing)\n"
        'of_a_builtin if not startswith(input.token.nick, "evil")\n'
        'of_a_network if not net.cidr_contains("10.0.0.0/8", input.token.address)\n'
        "bad.x := true\nof_a_key if not bad[input.token.key]\n"
        "allow if of_a_rule\nallow if { in_every; of_a_builtin; of_a_network; of_a_key }",
        {"groups": ["b"], "nick": "good", "address": "11.0.0.1", "key": "y"},
        (
            {},
            {"groups": ["a"], "nick": "good", "address": "11.0.0.1", "key": "y"},
            {"nick": "good", "address": "11.0.0.1", "key": "y"},
            {"groups": ["b"], "address": "11.0.0.1", "key": "y"},
            {"groups": ["b"], "nick": "good", "key": "y"},
            {"groups": ["b"], "nick": "good", "address": "11.0.0.1"},
        ),
    ),
    Kind(
        "some shadows a rule of that name",
        'role := "x"\nbad if { some role; input.token.roles[role] == "a" }\nallow if not bad',
        {"roles": ["b", "c"]},
        ({"roles": ["b", "a"]}, {"roles": ["a"]}),
    ),
    Kind(
        "a pattern is the whole object",
        'allow if { some {"kind": "order", "id": id} in input.token.grants; id == "1" }',
        {"grants": [{"kind": "order", "id": "1"}]},
        ({"grants": [{"kind": "order", "id": "1", "revoked": True}]}, {"grants": [{"id": "1"}]}, {}),
    ),
)
