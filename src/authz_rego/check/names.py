"""What a name refers to: names of rules and imports become references below `data` and `input`. Not local names."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias, TypeGuard

from authz_rego.check.rebuild import Rebuild
from authz_rego.check.walk import COMPREHENSIONS, Node, children, variables
from authz_rego.errors import Place, RegoProblem
from authz_rego.syntax import tree
from authz_rego.syntax.shapes import distinct, identity

Globals: TypeAlias = Mapping[str, tree.Ref]

ROOTS = ("data", "input")
_NOT_DOCUMENTS = ("future", "rego")


def is_root(term: tree.Term) -> bool:
    """`data` or `input` on its own."""
    return type(term) is tree.Ref and not term.path and type(term.head) is tree.Var and term.head.name in ROOTS


def resolve_modules(modules: Iterable[tree.Module]) -> tuple[list[tree.Module], list[RegoProblem]]:
    """The modules with each name of a rule or an import written out."""
    modules = list(modules)
    exports: dict[tuple[str, ...], set[str]] = {}
    for module in modules:
        exports.setdefault(package_path(module), set()).update(rule_name(rule) for rule in module.rules)
    problems: list[RegoProblem] = []
    resolved = []
    for module in modules:
        known = _globals(module, exports[package_path(module)])
        rules = tuple(_rule(known, rule, problems) for rule in module.rules)
        resolved.append(replace(module, rules=rules))
    return resolved, problems


def package_path(module: tree.Module) -> tuple[str, ...]:
    """`("a", "b")` for `package a.b`."""
    return tuple(str(each.value) for each in module.package.path if isinstance(each, tree.Scalar))


def rule_name(rule: tree.Rule) -> str:
    """The first name of a rule's head: `p` for `p.q[x]`."""
    head = rule.head.ref.head
    return head.name if isinstance(head, tree.Var) else ""


def _globals(module: tree.Module, rules: Iterable[str]) -> dict[str, tree.Ref]:
    known = {name: tree.Ref(tree.Var("data"), (*module.package.path, tree.Scalar(name))) for name in rules}
    known |= {each.name: each.path for each in module.imports if _is_document(each)}
    return known


def _is_document(imported: tree.Import) -> bool:
    return isinstance(imported.path.head, tree.Var) and imported.path.head.name not in _NOT_DOCUMENTS


def _rule(known: Globals, rule: tree.Rule, problems: list[RegoProblem]) -> tree.Rule:
    shadowing: set[str] = set()
    for arg in rule.head.args or ():
        _pattern_variables(arg, shadowing, problems)
    names = _Names(known, [shadowing, declared_in(rule.body)])
    head = replace(
        rule.head,
        ref=replace(rule.head.ref, path=tuple(map(names.term, rule.head.ref.path))),
        key=rule.head.key and names.term(rule.head.key),
        value=rule.head.value and names.term(rule.head.value),
    )
    body = names.body(rule.body)
    return replace(rule, head=head, body=body, else_=rule.else_ and _rule(known, rule.else_, problems))


def _pattern_variables(term: Node, found: set[str], problems: list[RegoProblem]) -> None:
    """The variables that a function's argument binds: not those of sets, comprehensions, calls and objects' keys."""
    match term:
        case tree.Var():
            found.add(term.name)
        case tree.ObjectTerm():
            for _, value in term.pairs:
                _pattern_variables(value, found, problems)
        case (
            tree.SetTerm()
            | tree.Call()
            | tree.ArrayComprehension()
            | tree.SetComprehension()
            | tree.ObjectComprehension()
        ):
            return
        case tree.Ref() if is_root(term):
            name = term.head.name if isinstance(term.head, tree.Var) else ""
            problems.append(_shadows(name, term.place))
        case _:
            for child in children(term):
                _pattern_variables(child, found, problems)


def _shadows(name: str, place: Place) -> RegoProblem:
    found = f"args must not shadow {name} (use a different variable name)"
    return RegoProblem("rego_compile_error", place, found, f"call the argument something else than `{name}`")


def declared_in(body: tree.Body) -> set[str]:
    """Names that the body itself declares: by `:=`, `some x`, `some x in xs`. Not those of comprehensions in it."""
    found: set[str] = set()
    for expr in body:
        declared_by(expr, found)
    return found


def declared_by(node: Node, found: set[str]) -> None:
    """The same of one node; adds to `found`."""
    if isinstance(node, COMPREHENSIONS):
        return
    if isinstance(node, tree.Expr):
        if is_assignment(node.terms) and len(node.terms.args) == 2:
            found |= variables(node.terms.args[0])
        elif isinstance(node.terms, tree.SomeDecl):
            for symbol in node.terms.symbols:
                for each in symbol.args[:-1] if isinstance(symbol, tree.Call) else (symbol,):
                    found |= variables(each)
    for child in children(node):
        declared_by(child, found)


def is_call_of(name: str, terms: object) -> TypeGuard[tree.Call]:
    """Whether it calls the builtin of that (undotted) name."""
    return (
        type(terms) is tree.Call
        and not terms.operator.path
        and type(terms.operator.head) is tree.Var
        and terms.operator.head.name == name
    )


def is_assignment(terms: object) -> TypeGuard[tree.Call]:
    """`x := y`."""
    return is_call_of("assign", terms)


def is_equality(terms: object) -> TypeGuard[tree.Call]:
    """`x = y`."""
    return is_call_of("eq", terms)


class _Names(Rebuild):
    """Writes names out, but for those that are declared where they stand."""

    def __init__(self, known: Globals, declared: list[set[str]]) -> None:
        self._known = known
        self._declared = declared

    def _global(self, name: str) -> tree.Ref | None:
        found = self._known.get(name)
        return None if found is None or any(name in names for names in self._declared) else found

    def term(self, term: tree.Term) -> tree.Term:
        match term:
            case tree.Var():
                found = self._global(term.name)
                return term if found is None else placed(found, term.place)
            case tree.SetTerm():
                return replace(term, items=distinct(map(self.term, term.items)))
            case tree.ObjectTerm():
                pairs = ((self.term(key), self.term(value)) for key, value in term.pairs)
                return replace(term, pairs=_last_of_each_key(pairs))
            case tree.ArrayComprehension() | tree.SetComprehension() | tree.ObjectComprehension():
                self._declared.append(declared_in(term.body))
                new = self.term_inside(term)
                self._declared.pop()
                return new
        return self.term_inside(term)

    def ref(self, ref: tree.Ref) -> tree.Ref:
        # As OPA has it, names inside of a template string in brackets are not looked up: they are unsafe there.
        path = tuple(each if isinstance(each, tree.TemplateString) else self.term(each) for each in ref.path)
        if isinstance(ref.head, tree.Var):
            found = self._global(ref.head.name)
            if found is None:
                return replace(ref, path=path)
            full = placed(found, ref.head.place)
            return tree.Ref(full.head, (*full.path, *path), ref.place)
        return replace(ref, head=self.term(ref.head), path=path)

    def statement(self, terms: tree.Terms) -> tree.Terms:
        match terms:
            case tree.SomeDecl():
                return super().statement(terms) if isinstance(terms.symbols[0], tree.Call) else terms
            case tree.Every():
                names = variables(terms.value) | (variables(terms.key) if terms.key is not None else set())
                self._declared.append(names)
                new = super().statement(terms)
                self._declared.pop()
                return new
        return super().statement(terms)


def _last_of_each_key(pairs: Iterable[tuple[tree.Term, tree.Term]]) -> tuple[tuple[tree.Term, tree.Term], ...]:
    """Of two pairs with one key the second is there, and the first is never evaluated."""
    found: dict[Hashable, tuple[tree.Term, tree.Term]] = {}
    for key, value in pairs:
        name = identity(key)
        found[name] = (found.get(name, (key,))[0], value)
    return tuple(found.values())


def placed(ref: tree.Ref, place: Place) -> tree.Ref:
    """The reference, at another place."""
    head = replace(ref.head, place=place)
    return tree.Ref(head, tuple(replace(each, place=place) for each in ref.path), place)
