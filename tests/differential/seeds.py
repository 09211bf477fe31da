"""Small policies for which another engine once decided otherwise than OPA: the kinds of difference that cost the most."""

# ruff: noqa: E501 - tables of Rego, one entry beside the other

from __future__ import annotations

from typing import Final

KINDS: Final = (
    # `=` inside `every` on its variable.
    'package p\n\nallow if {\n\tevery role in ["admin", "auditor"] { input.token.realm_access.roles[_] = role }\n}\n',
    # A partial rule whose head is undefined for one element.
    "package p\n\ndeny contains g.why if some g in input.token.grants\n\nallow if count(deny) == 0\n\nwhy[g.k] := g.why if some g in input.token.grants\n",
    # A reference that is undefined inside `not`.
    (
    'package p\n\nallow if not "bob" in input.token.groups\n\nallow2 if not startswith(input.token.sub, "x")\n\nallow3 if not net.cidr_contains("10.0.0.0/8", input.request.host)\n\n'
    "bad[x] if some x in input.token.groups\n\nallow4 if not bad[input.token.sub]\n\nf(x) if x == 1\n\nallow5 if not f(nothing)\n\nnothing := 1 if input.nothing\n"
    ),
    # The same in a value, and in `every`.
    'package p\n\nx := "admin" in input.token.realm_access.roles\n\nfalse_one if x == false\n\nall if { every g in input.token.grants { g.role == "admin" } }\n\nnone if { every g in input.token.grants { not g.role in ["admin", input.token.azp] } }\n',
    # Names that hide rules and imports.
    'package p\n\nimport rego.v1\n\nimport input.token.realm_access.roles as list\n\nrole := "a"\n\nbad if { some role; list[role] == "admin" }\n\nv1 := 2\n\nok if { some list in input.token.groups; list == "bob" }\n',
    # Patterns of objects.
    'package p\n\nfound contains v if some {"k": "b", "v": v} in input.token.grants\n\nfound2 contains r if some {"k": "a", "v": _, "role": r, "why": _} in input.token.grants\n',
    # Regular expressions and globs.
    'package p\n\nallow if regex.match("^\\\\d+$", input.token.sub)\n\nallow2 if glob.match("/admin**", ["/"], input.request.path)\n\nallow3 if glob.match("????", [], input.token.sub)\n\nallow4 if glob.match("{,a}*", [":"], input.token.azp)\n',
    # Numbers.
    "package p\n\nallow if 0.1 + 0.2 == 0.3\n\nsums contains a + b if {\n\tsome a in input.token.scores\n\tsome b in input.token.scores\n}\n\nsame if input.token.level == input.token.scores[_]\n",
)  # fmt: skip
