"""What policies are made of: Rego with holes, by the kind of value that comes out. Not how the holes are filled (`terms`).

«str» is filled with a term of that kind, «+str» with the name of a variable that is declared here, «=str» with one that
is bound here without being declared, «-str» with the same again (¦: all of it is a scope of its own); other words in « » are constants of `CONSTANTS`.
"""

# ruff: noqa: E501, Q003 - tables of Rego, one entry beside the other

from __future__ import annotations

from typing import Final

KINDS: Final = ("bool", "num", "str", "strs", "nums", "objs", "obj", "set", "any")

TERMS: Final[dict[str, tuple[str, ...]]] = {
    "bool": (
        "«str» == «str»", "«num» < «num»", "«num» >= «num»", "«any» != «dyn»", "«str» in «strs»", "«num» in «nums»",
        "«word», «dyn» in «obj»", "startswith(«str», «word»)", "endswith(«str», «word»)", "contains(«str», «word»)",
        "is_string(«any»)", "is_number(«any»)", "is_array(«any»)", "is_object(«any»)", "is_set(«any»)", "is_null(«any»)",
        "is_boolean(«any»)", "regex.match(«pattern», «str»)", "glob.match(«glob», «delimiters», «str»)",
        "net.cidr_contains(«net», «address»)", "net.cidr_intersects(«net», «net»)", "net.cidr_is_valid(«str»)",
        "semver.is_valid(«any»)", "json.is_valid(«str»)", "regex.is_valid(«str»)", "object.subset(«obj», «obj»)",
        "object.subset(«strs», «strs»)", "strings.any_prefix_match(«strs», «strs»)", "strings.any_suffix_match(«str», «set»)",
        "base64.is_valid(«str»)", "uri.is_valid(«str»)", "yaml.is_valid(«str»)", "crypto.hmac.equal(«str», «str»)",
        "regex.globs_match(«word», «word»)", "regex.template_match(«word», «str», «word», «word»)", "«dyn» == «any»",
        "«str» in «set»", "«set» == «set»", "«strs» == «strs»", "count(«strs») > «int»",
    ),
    "num": (
        "«num» + «num»", "«num» - «num»", "«num» * «num»", "«num» / «num»", "«num» % «int»", "count(«strs»)", "count(«str»)",
        "count(«obj»)", "count(«set»)", "sum(«nums»)", "product(«nums»)", "max(«nums»)", "min(«nums»)", "abs(«num»)",
        "round(«num»)", "ceil(«num»)", "floor(«num»)", "to_number(«str»)", "indexof(«str», «word»)", "bits.and(«int», «int»)",
        "bits.or(«int», «num»)", "bits.lsh(«int», «int»)", "strings.count(«str», «word»)", "time.now_ns()",
        "time.parse_rfc3339_ns(«time»)", "time.parse_duration_ns(«duration»)", "units.parse(«unit»)",
        "units.parse_bytes(«unit»)", "semver.compare(«version», «version»)", "time.add_date(«moment», «int», «int», «int»)",
        "time.clock(«moment»)[«int»]", "time.date([«moment», «zone»])[0]", "object.get(«obj», «key», «num»)",
        "time.parse_ns(«layout», «str»)", "-«digit»", "«nums»[«int»]", "count([1 | «bool»])",
    ),
    "str": (
        "lower(«str»)", "upper(«str»)", "trim(«str», «word»)", "trim_left(«str», «word»)", "trim_right(«str», «word»)",
        "trim_prefix(«str», «word»)", "trim_suffix(«str», «word»)", "trim_space(«str»)", "replace(«str», «word», «word»)",
        "substring(«str», «int», «int»)", "concat(«word», «strs»)", "concat(«word», «set»)", "sprintf(«format1», [«any»])",
        "sprintf(«format2», [«any», «any»])", 'sprintf("%v", [«obj»])', 'sprintf("%d", [«num»])', "format_int(«num», «base»)",
        "json.marshal(«any»)", "type_name(«any»)", "strings.reverse(«str»)", "base64.encode(«str»)", "hex.encode(«str»)",
        "urlquery.encode(«str»)", "crypto.sha256(«str»)", "crypto.md5(«str»)", "regex.replace(«str», «pattern», «word»)",
        "strings.replace_n({«word»: «word», «word»: «word»}, «str»)", "object.get(«obj», «key», «str»)", "«strs»[«int»]",
        "split(«str», «word»)[«int»]", "time.weekday(«moment»)", "time.format([«moment», «zone», «layout»])",
        "time.format(«moment»)", "glob.quote_meta(«str»)", '$"{«str»}-{«any»}"', '$"x {«any»} y"', "$`{«num»}\n{«str»}`",
        "strings.render_template(\"{{.a}}\", {\"a\": «any»})", "base64url.encode_no_pad(«str»)", "yaml.marshal(«any»)",
        "base64.decode(«str»)", "hex.decode(«str»)", "urlquery.decode(«str»)", "crypto.hmac.sha256(«str», «word»)",
    ),
    "strs": (
        "[«str»]", "[«str», «str»]", "[«str», «word», «str»]", "array.concat(«strs», «strs»)", "split(«str», «word»)",
        "array.slice(«strs», «int», «int»)", "sort(«strs»)", "sort(«set»)", "regex.find_n(«pattern», «str», «int»)",
        "regex.split(«pattern», «str»)", "array.reverse(«strs»)", "object.get(«obj», «key», «strs»)",
        "array.flatten([«strs», «str»])", "strings.split_n(«str», «word», «int»)", "urlquery.decode_object(«str»)[«key»]",
        "[«str» | «body»]", "[«str» | «body»]", "[«str» | «body»]", "regex.find_all_string_submatch_n(«pattern», «str», 1)[0]",
        "object.get(«obj», [«key», «key»], «strs»)",
    ),
    "nums": (
        "[«num»]", "[«num», «num»]", "numbers.range(«int», «int»)", "numbers.range_step(«int», «int», 2)", "time.clock(«moment»)",
        "time.date(«moment»)", "time.diff(«moment», «moment»)", "indexof_n(«str», «word»)", "sort(«nums»)", "[«num» | «body»]",
        "[«num» | «body»]", "[count(«dyn») | «body»]",
    ),
    "objs": ("[«obj»]", "[«obj», «obj»]", "array.concat(«objs», «objs»)", "[«obj» | «body»]", "[«obj» | «body»]"),
    "obj": (
        "{«key»: «any»}", "{«key»: «any», «key»: «str»}", "{«str»: «num», «key»: «any»}", "{«any»: «str»}", "{}",
        "object.union(«obj», «obj»)", "object.union_n(«objs»)", "object.remove(«obj», [«key»])", "object.filter(«obj», «strs»)",
        "object.get(«obj», «key», {})", "json.filter(«obj», [«word», \"a/b\"])", "json.remove(«obj», «strs»)",
        "json.patch(«obj», [{\"op\": \"add\", \"path\": \"/k\", \"value\": «any»}])", "{«str»: «any» | «body»}",
        "{«str»: «str» | «body»}", "{«key»: «any» | «body»}", "«objs»[«int»]", "json.unmarshal(json.marshal(«obj»))",
        "uri.parse(«str»)", "yaml.unmarshal(yaml.marshal(«obj»))", "¦{«-str»: «-any» | some «+str», «+any» in «obj»}",
    ),
    "set": (
        "{«str»}", "{«str», «word»}", "set()", "«set» | «set»", "«set» & «set»", "«set» - «set»", "object.keys(«obj»)",
        "union({«set», «set»})", "intersection({«set», «set»})", "{«str» | «body»}", "{«str» | «body»}", "{«any» | «body»}",
        "graph.reachable(data.graph, [«key»])", "graph.reachable_paths(data.graph, {«key»})", "net.cidr_merge(«strs»)",
        "net.cidr_expand(«smallnet»)", "¦{«-str» | some «+str» in «strs»}", "¦{«-num» | «strs»[«=num»]}", "¦{«-str» | some «+str», _ in «obj»}",
        "net.cidr_contains_matches(«strs», «net»)", "¦{«-strs» | walk(«obj», [«=strs», _])}",
    ),
    "any": (
        "«obj».«member»", "«obj»[«str»]", "«strs»[«int»]", "«obj».«member».«member»", "«objs»[«int»].«member»", "[«any», «any»]",
        "{«any»}", "object.get(«obj», «dyn», «any»)", "max(«strs»)", "min(«set»)", "json.unmarshal(«str»)", "null", "[]", "{}",
        "[«any»]", "{\"a\": «any»}", "({\"a\": [«any»]}).a", "[«str», «num»][«int»]", "{«word»: «any»}[«word»]", "[«any» | «body»]",
        "walk(«obj»)", "«set»[«str»]", "[«any», {«key»: [«str», «num»]}]", "{«str», «num»}", "¦[«-any» | walk(«any», «=any»)]",
        "sort(«objs»)", "time.clock(«dyn»)", "count(«dyn»)", "«any».«member»", "«dyn»", "«dyn»", "¦[[«-strs», «-any»] | walk(«obj», [«=strs», «=any»])]",
        "yaml.unmarshal(«str»)", "{«any»: «any»}", "¦[«-any» | «+any» := «any»[_]]", "¦[«-obj» | some «+obj» in «objs»; «-obj».k == «dyn»]", "«any»[_]", "«strs»[_]", "«objs»[_].«member»",
        "«package»", "«package»[«str»]", "«package».«member»", "object.get(«package», «word», «any»)", "¦[«-any» | «+any» := «package»[_]]",
    ),
}  # fmt: skip

# Words that stand for constants; what a kind's constants are is said here, too.
CONSTANTS: Final[dict[str, tuple[str, ...]]] = {
    "int": ("0", "1", "2", "3", "-1", "5", "10", "1.0"),
    "digit": ("0", "1", "2", "10", "1.5"),
    "base": ("2", "8", "10", "16", "7"),
    "key": ('"a"', '"b"', '"k"', '"id"', '"name"', '"roles"', '"role"', '"why"', '"v"', '"x"', "1"),
    "member": ("a", "b", "k", "id", "name", "roles", "role", "v", "x", "missing", "sub", "alice", "in"),
    "pattern": ('"^o"', '"[a-z]+"', r'"\\d+"', r"`^\d+$`", '"(a)(b)?"', '":"', '""', '"(?i)ADMIN"', '"."', r"`\pL+`", '"(("'),
    "glob": ('"*"', '"orders:*"', '"**"', '"/orders/*"', '"[a-c]?"', '"{admin,a*}"', '"/**"', '"????"', '"*.local"', '"[!a]*"'),
    "delimiters": ("[]", '["/"]', "null", '[":"]', '["."]', '["", "/"]', '[":", "/"]'),
    "net": ('"10.0.0.0/8"', '"192.168.1.0/24"', '"::1/128"', '"10.0.0.1"', '"x"', '"192.168.1.7/30"', '"::ffff:10.0.0.0/104"'),
    "smallnet": ('"192.168.1.0/29"', '"10.0.0.1/32"', '"::1/126"', '"x"', '"10.0.0.7/30"'),
    "address": ('"10.0.0.1"', '"10.1.2.0/24"', '"::1"', '"11.0.0.1"', '"::ffff:10.0.0.1"', '""', '"10.0.0.1/33"'),
    "time": ('"2024-02-29T12:00:00Z"', '"2024-02-29T12:00:00.123456789+05:30"', '"2024-02-30T12:00:00Z"', '"x"'),
    "moment": ("0", "1763251199123456789", "-1", "time.now_ns()", "951827696000000000", "1e9", "9223372036854775807"),
    "zone": ('"UTC"', '"Europe/Berlin"', '"America/New_York"', '""', '"Local"', '"Nowhere"', '"Asia/Kathmandu"'),
    "layout": ('"2006-01-02"', '"RFC3339"', '"Mon Jan _2 15:04:05 2006"', '"15:04:05.000 MST"', '"RFC1123Z"', '"02/01/06 PM"'),
    "duration": ('"1h"', '"1.5s"', '"-3m2ns"', '"1d"', '""', '"100"'),
    "unit": ('"10K"', '"1.5Mi"', '"3"', '"1e3"', '"100m"', '"10GB"', '"x"', '"5ki"', '" 1"'),
    "version": ('"1.2.3"', '"1.2.3-rc.1"', '"1.10.0"', '"v1.0.0"', '"1.0"', "data.version"),
    "format1": ('"%s"', '"%v"', '"%d"', '"%q"', '"%5s|"', '"%x"', '"%.2f"', '"%t"', '"%05d"', '"%T"', '"%%"', '"%-8v|"', '"%+v"'),
    "format2": ('"%s/%v"', '"%v %v"', '"%[2]v %[1]v"', '"%d-%s"', '"%*d"', '"%s"', '"%v %v %v"', '"%q %x"', '"%.1f %g"', '"%6.2f|%e"'),
}  # fmt: skip

# Statements that say something; with the share in which each is taken.
CONDITIONS: Final[tuple[tuple[int, str], ...]] = (
    (6, "«bool»"), (4, "«str» == «str»"), (3, "«str» != «str»"), (3, "«num» «order» «num»"), (4, "«word» in «strs»"),
    (3, "«str» in «strs»"), (2, "«str» in «set»"), (2, "«key», «dyn» in «obj»"), (3, "count(«strs») >= 0"),
    (2, "count(«obj») > 0"), (2, "«any» == «dyn»"), (2, "«dyn» != «any»"), (1, "«any» == «any»"), (3, "«any»"), (2, "«str»"), (2, "«obj»"),
    (2, "«obj»[«key»]"), (1, "«set»[«str»]"), (2, "«obj».«member»"), (1, "«strs» == «strs»"), (1, "«set» == «set»"),
    (1, "startswith(«str», «word»)"), (1, "[«str», «num»] == [«str», «num»]"), (1, "«obj» == «obj»"), (1, "true"),
    (1, "regex.match(«pattern», «str»)"), (1, "glob.match(«glob», «delimiters», «str»)"), (2, "is_string(«any»)"),
    (1, "object.get(«obj», «key», «any») == «dyn»"), (1, "«any» = «dyn»"), (1, "[«dyn», 1] = [«any», «num»]"),
    (1, "«num» «order» «any»"), (1, "«any» «order» «any»"), (1, "print(«any», «str»)"), (1, "trace(«str»)"),
    (1, "{\"k\": «any»} = {\"k\": «dyn»}"), (1, "«strs»[«int»] == «str»"), (1, "false == «bool»"), (1, "«bool» == «bool»"),
)  # fmt: skip

# Statements that give variables their values.
BINDINGS: Final[tuple[tuple[int, str], ...]] = (
    (5, "«+str» := «str»"), (3, "«+num» := «num»"), (2, "«+obj» := «obj»"), (2, "«+strs» := «strs»"), (2, "«+any» := «any»"),
    (1, "«+set» := «set»"), (1, "«+bool» := «bool»"), (1, "«+objs» := «objs»"), (1, "«+nums» := «nums»"),
    (6, "some «+str» in «strs»"), (2, "some «+num» in «nums»"), (3, "some «+obj» in «objs»"), (2, "some «+any» in «any»"),
    (2, "some «+str» in «set»"), (2, "some «+num», «+str» in «strs»"), (1, "some «+any» in [\"0\", \"1.0\", \"+1.\", \".\", \"1.5\", 1.0]; data.names[«-any»]"), (3, "some «+str», «+any» in «obj»"),
    (1, "some {\"k\": «+str», \"v\": «+num»} in «objs»"), (1, "some {\"k\": \"a\", \"v\": «+num»} in input.token.grants"),
    (1, "some [«+str», «+any»] in [[«str», «any»], «dyn»]"), (1, "some «+str», {\"role\": «+str»} in «dyn»"),
    (1, "some {\"k\": «str»} in «dyn»"), (1, "some «+num», {\"role\": «+str», \"k\": «word»} in input.token.grants"),
    (2, "«=str» = «str»"), (1, "«str» = «=str»"), (1, "«=any» = «any»"), (1, "«=obj» = «obj»"),
    (2, "[«=str», «=any»] = [«str», «any»]"), (1, "[«str», «=any»] = [«=any», «num»]"), (1, "[«=str», _] = input.token.groups"),
    (1, "{\"a\": «=any», \"k\": «dyn»} = {\"a\": «any», \"k\": «=str»}"), (1, "{\"k\": «=str», \"v\": «=num»} = input.token.grants[_]"),
    (2, "[«+str», «+num»] := [«str», «num»]"), (1, "{\"a\": «+any», \"b\": [«+num», _]} := {\"a\": «any», \"b\": [«num», 1]}"),
    (1, "[«+str»] := input.request.segments"), (3, "«str» == «strs»[«=num»]"), (2, "«=str» = «strs»[_]"), (2, "«obj»[«=str»] == «dyn»"),
    (2, "«=str» = «obj»[«=str»]"), (1, "«obj»[«=str»][«=any»]"), (2, "«objs»[«=num»].k == «word»"), (2, "«dyn»[«=any»] == «any»"), (1, "«dyn»[«=any»][«=any»] = «=any»"), (1, "«set»[«=str»]"),
    (1, "some «+num»; «strs»[«-num»] == «str»"), (1, "some «+str», «+any»; «obj»[«-str»] = «-any»"),
    (1, "walk(«obj», [«=strs», «=any»])"), (1, "walk(«dyn», [[\"a\", «=str»], _])"), (1, "«=str» = {\"a\", «str»}[_]"),
    (1, "[«=num», «=str»] = [count(«strs»), concat(\",\", «strs»)]"), (1, "«=any» = «any»; «-any» = «dyn»"),
    (1, "«strs»[«=num»] == «strs»[«=num»]"), (1, "«=any» = «package»[_]"), (1, "some «+str», «+any» in «package»"), (1, "«package»[«=str»][«=any»]"), (1, "{\"k\": {\"b\": «=any»}} = {\"k\": «dyn»}"),
)  # fmt: skip
