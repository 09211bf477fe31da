"""Reads Rego modules from regorus' syntax tree, with every name resolved. Judges nothing.

A name is local (an argument, `some`, `:=`, `every`), or a rule, an import, `input` or `data`; else it is a variable
that its body has to bind. The walk knows the scopes, so that the checks need not.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from authz_service.policy.syntax import WILDCARD, Body, Import, Module, Path, Rule, Statement, Term, pattern_variables

_Node = dict[str, Any]  # regorus' tree is JSON; nothing but this file sees it
_Globals = Mapping[str, Path]

_RULE_KINDS = {"Default": "default", "Set": "set", "Func": "function", "Compr": "value"}
_CONSTANTS = {"String", "RawString", "Number", "Bool", "Null"}
_REFERENCES = {"Var", "RefDot", "RefBrack"}
_COMPREHENSIONS = {"ArrayCompr", "SetCompr", "ObjectCompr"}
# These imports only switch syntax on that is on.
_KEYWORDS = ((), ("contains",), ("every",), ("if",), ("in",))
_SYNTAX = {("rego", "v1"), *(("future", "keywords", *word) for word in _KEYWORDS)}
_KINDS = {"Array": "array", "Set": "set", "Object": "object"}  # and the rest are operations


def read_modules(ast_json: str) -> tuple[Module, ...]:
    """The modules of regorus' `get_ast_as_json`."""
    trees = json.loads(ast_json)
    names: dict[Path, dict[str, Path]] = {}
    for tree in trees:
        package = _package(tree["ast"])
        for rule in tree["ast"]["rules"]:
            name = _rule_name(rule)
            names.setdefault(package, {})[name] = (*package, name)
    return tuple(_module(tree, names.get(_package(tree["ast"]), {})) for tree in trees)


def _module(tree: _Node, names: _Globals) -> Module:
    ast = tree["ast"]
    imports = tuple(_imports(tree))
    global_names = {**names, **{each.alias: each.path for each in imports}, "input": ("input",), "data": ("data",)}
    reader = _Reader(tree["source"]["file"], tree["source"]["contents"].encode(), _package(ast), global_names)
    return Module(reader.file, reader.package, imports, tuple(reader.rule(rule) for rule in ast["rules"]))


def _package(ast: _Node) -> Path:
    return ("data", *_static_path(ast["package"]["refr"]))


def _imports(tree: _Node) -> Iterator[Import]:
    source = tree["source"]["contents"].encode()
    for each in tree["ast"]["imports"]:
        path = _static_path(each["refr"])
        if path not in _SYNTAX:
            alias = _text(source, each["as"]) if each.get("as") else path[-1]
            yield Import(alias, path, each["span"]["line"])


def _static_path(node: _Node) -> Path:
    head, indices = _flat(node)
    return (_only(head)[1]["value"], *(_only(index)[1]["value"] for index in indices))


def _flat(node: _Node) -> tuple[_Node, list[_Node]]:
    """`a.b["c"][d]` as its head and its indices; a field becomes a string."""
    indices: list[_Node] = []
    kind, inner = _only(node)
    while kind in {"RefDot", "RefBrack"}:
        if kind == "RefDot":
            span, name = inner["field"]
            indices.append({"String": {"span": span, "value": name}})
        else:
            indices.append(inner["index"])
        node = inner["refr"]
        kind, inner = _only(node)
    return node, indices[::-1]


def _only(node: _Node) -> tuple[str, _Node]:
    return next(iter(node.items()))


def _leading_strings(indices: Iterable[_Node]) -> Iterator[str]:
    for index in indices:
        kind, inner = _only(index)
        if kind not in {"String", "RawString"}:
            return
        yield inner["value"]


def _operands(inner: _Node) -> list[_Node]:
    """What an expression is made of, in the order in which it is written."""
    if "fields" in inner:
        return [part for _, key, value in inner["fields"] for part in (key, value)]
    if "items" in inner:
        items: list[_Node] = inner["items"]
        return items
    return [inner[part] for part in ("lhs", "rhs", "key", "value", "term", "collection", "expr") if inner.get(part)]


def _operation(kind: str, inner: _Node) -> str:
    if kind == "AssignExpr":
        return "assign" if inner["op"] == "ColEq" else "unify"
    if kind == "Membership" and inner["key"]:
        return "key_membership"
    return _KINDS.get(kind, "operation")


def _text(source: bytes, span: _Node) -> str:
    return source[span["start"] : span["end"]].decode()


def _rule_head(rule: _Node) -> tuple[str, _Node]:
    kind, inner = _only(rule)
    return ("Default", inner) if kind == "Default" else _only(inner["head"])


def _rule_name(rule: _Node) -> str:
    head, _ = _flat(_rule_head(rule)[1]["refr"])
    name: str = _only(head)[1]["value"]
    return name


class _Reader:
    """Reads the rules of one module; `local` is what the scopes around an expression declare."""

    def __init__(self, file: str, source: bytes, package: Path, global_names: _Globals) -> None:
        self.file = file
        self.package = package
        self._source = source
        self._globals = global_names

    def rule(self, node: _Node) -> Rule:
        head_kind, head = _rule_head(node)
        name, indices = _flat(head["refr"])
        static = list(_leading_strings(indices))
        path = (*self.package, _only(name)[1]["value"], *static)
        local = frozenset().union(*(pattern_variables(self._pattern(each)) for each in head.get("args", ())))
        arguments = self._all(head.get("args", ()), local)
        if head_kind == "Default":
            value = self.term(head["value"], local)
            bodies: tuple[Body, ...] = (Body(value.line, (value,), ()),)
        else:
            assigned = [head["assign"]["value"]] if head.get("assign") else []
            heads = [*indices[len(static) :], *([head["key"]] if head.get("key") else []), *assigned]
            bodies = tuple(self._bodies(node["Spec"], heads, local))
        dynamic = len(static) < len(indices)
        line = _only(node)[1]["span"]["line"]
        kind = "bracketed" if self._is_bracketed(head) else _RULE_KINDS[head_kind]
        return Rule(self.file, line, kind, path, dynamic, arguments, bodies)

    def _is_bracketed(self, head: _Node) -> bool:
        """The tree has `s["x"]` and `s contains "x"` as one; the text between name and member tells."""
        if not head.get("key"):
            return False
        name, key = _only(head["refr"])[1]["span"], _only(head["key"])[1]["span"]
        return b"contains" not in self._source[name["end"] : key["start"]]

    def _bodies(self, spec: _Node, heads: list[_Node], local: frozenset[str]) -> Iterator[Body]:
        for body in spec["bodies"]:
            statements, inner = self.statements(body["query"], local)
            own = [body["assign"]["value"]] if body.get("assign") else []
            values = own if body["is_else"] else [*heads, *own]
            yield Body(body["span"]["line"], self._all(values, inner), statements)
        if not spec["bodies"]:
            yield Body(spec["span"]["line"], self._all(heads, local), ())

    def statements(self, query: _Node, local: frozenset[str]) -> tuple[tuple[Statement, ...], frozenset[str]]:
        """A body, and what is local in it."""
        local = local.union(*(self._declared(each["literal"]) for each in query["stmts"]))
        return tuple(self._statement(each, local) for each in query["stmts"]), local

    def _declared(self, literal: _Node) -> frozenset[str]:
        kind, inner = _only(literal)
        if kind == "SomeVars":
            return frozenset(_text(self._source, span) for span in inner["vars"])
        if kind == "SomeIn":
            patterns = [inner["value"], *([inner["key"]] if inner["key"] else [])]
            return frozenset().union(*(pattern_variables(self._pattern(each)) for each in patterns))
        if kind == "Expr" and inner["expr"].get("AssignExpr", {}).get("op") == "ColEq":
            return pattern_variables(self._pattern(inner["expr"]["AssignExpr"]["lhs"]))
        return frozenset()

    def _pattern(self, node: _Node) -> Term:
        """A term in which every name is new, whatever it means outside."""
        return _Reader(self.file, self._source, self.package, {}).term(node, frozenset())

    def _statement(self, node: _Node, local: frozenset[str]) -> Statement:
        kind, inner = _only(node["literal"])
        line = node["span"]["line"]
        replacements = self._all([each["as"] for each in node.get("with_mods", ())], local)
        declares = self._declared(node["literal"])
        if kind == "SomeVars":
            return Statement("some", line, declares)
        if kind == "SomeIn":
            nodes = [*([inner["key"]] if inner["key"] else []), inner["value"], inner["collection"]]
            return Statement("some_in", line, declares, self._all(nodes, local), (), replacements)
        if kind == "Every":
            spans = [inner["value"], *([inner["key"]] if inner["key"] else [])]
            declares = frozenset(_text(self._source, span) for span in spans)
            body, _ = self.statements(inner["query"], local | declares)
            return Statement("every", line, declares, self._all([inner["domain"]], local), body, replacements)
        negated = "not" if kind == "NotExpr" else "expression"
        return Statement(negated, line, declares, self._all([inner["expr"]], local), (), replacements)

    def _all(self, nodes: Iterable[_Node], local: frozenset[str]) -> tuple[Term, ...]:
        return tuple(self.term(node, local) for node in nodes)

    def term(self, node: _Node, local: frozenset[str]) -> Term:
        kind, inner = _only(node)
        line = inner["span"]["line"]
        if kind in _CONSTANTS:
            return Term("constant", line, inner["value"])
        if kind in _REFERENCES:
            return self._reference(node, line, local)
        if kind == "Call":
            return self._call(inner, line, local)
        if kind in _COMPREHENSIONS:
            body, local = self.statements(inner["query"], local)
            return Term("comprehension", line, parts=self._all(_operands(inner), local), body=body)
        parts = self._all(_operands(inner), local)
        return Term(_operation(kind, inner), line, parts=parts)

    def _reference(self, node: _Node, line: int, local: frozenset[str]) -> Term:
        head, indices = _flat(node)
        kind, inner = _only(head)
        if kind != "Var":
            return Term("reference", line, parts=self._all([head, *indices], local))
        # Each `_` is a variable of its own.
        name = inner["value"] if inner["value"] != "_" else f"_{WILDCARD}{inner['eidx']}"
        start = None if name in local else self._globals.get(name)
        if start is None:
            variable = Term("variable", line, name)
            return Term("reference", line, parts=(variable, *self._all(indices, local))) if indices else variable
        static = list(_leading_strings(indices))
        return Term("reference", line, path=(*start, *static), parts=self._all(indices[len(static) :], local))

    def _call(self, inner: _Node, line: int, local: frozenset[str]) -> Term:
        name, *rest = _static_path(inner["fcn"])
        start = self._globals.get(name)
        arguments = self._all(inner["params"], local)
        if start is None:
            return Term("call", line, ".".join([name, *rest]), parts=arguments)
        return Term("call", line, path=(*start, *rest), parts=arguments)
