"""Policies, by their syntax trees: what cannot be true in this mesh, and what is true where it should not be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from authz_rego.check.names import package_path, resolve_modules
from authz_rego.check.walk import walk
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import ArrayTerm, Call, Module, ObjectTerm, Ref, Rule, Scalar, SetTerm, Term, Var
from authz_service.mesh.ground import Ground, PolicyRead
from authz_service.mesh.lint.rule import Found, named
from authz_service.mesh.model import Sidecar
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.spot import Spot
from authz_service.policy.vetting.contract import constant_names

_ALWAYS = {"exp", "iat", "nbf", "jti", "iss", "sid", "typ", "acr", "auth_time", "cnf", "scope", "aud", "sub", "azp"}
_EQUAL = {"equal", "eq", "assign", "internal.member_2"}
_CORRELATION = "x-correlation-id"


class _Compared(NamedTuple):
    """A constant and the part of the input that it is compared with."""

    value: str
    path: tuple[str, ...]
    line: int
    file: str


def unusable(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.served:
        policy = ground.policy(sidecar)
        for problem in () if policy is None else policy.problems:
            spot = sidecar.spot("policy", "path") if policy is None else policy.spot(problem.file, problem.line)
            yield Found(spot, f"{sidecar.name} would not start: {problem.found} ({problem.at})", problem.fix)


def header_may_be_missing(ground: Ground) -> Iterator[Found]:
    """In the value of a rule: without the header there is no value at all, and the refusal has no reason."""
    for _, policy, module in _modules(ground):
        for rule in module.rules:
            read = [(ref, below_input(ref)) for ref in _refs(rule.head.value)]
            found = [(ref, path[1]) for ref, path in read if len(path) > 1 and path[0] == "headers"]
            names = [name for _, name in found]
            if any(name.lower() != _CORRELATION for name in names):
                yield Found(
                    policy.spot(found[0][0].place.file, found[0][0].place.row),
                    f"{_name(rule)} has no value when a request lacks {' or '.join(dict.fromkeys(names))}",
                    'write object.get(input.headers, "NAME", "")',
                )


def prefix_without_an_end(ground: Ground) -> Iterator[Found]:
    for _, policy, module in _modules(ground):
        for call in _calls(module):
            match call.args:
                case (Ref() as ref, Scalar(value=str(text))) if ref_text(call.operator) == "startswith":
                    if below_input(ref) == ("request", "path") and not text.endswith("/"):
                        yield Found(
                            policy.spot(call.place.file, call.place.row),
                            f'startswith(input.request.path, "{text}") also holds for {text}-admin',
                            f'compare whole segments: input.request.segments[0] == "{text.strip("/").split("/")[0]}"',
                        )


def role_that_nobody_has(ground: Ground) -> Iterator[Found]:
    for sidecar, policy, module in _modules(ground):
        principals = _all_known(ground, sidecar)
        for one in _compared(module) if principals else ():
            if "roles" not in one.path or one.path[0] != "token":
                continue
            if all(one.value not in _values_at(principal, one.path[1:]) for principal in principals):
                yield Found(
                    policy.spot(one.file, one.line),
                    f"{sidecar.name} asks for {one.value} in {'.'.join(one.path[1:])}",
                    f"correct its name, or give {one.value} to whom it is for",
                    principals[0].spot,
                    f"nobody whose token it accepts has it ({named(principals)})",
                )


def name_that_no_certificate_has(ground: Ground) -> Iterator[Found]:
    for sidecar, policy, module in _modules(ground):
        for one in _compared(module):
            if one.path not in {("mtls", "subject", "CN"), ("mtls", "san", "uri"), ("mtls", "san", "dns")}:
                continue
            for other, says in _names_that_arrive(ground, sidecar, one.path[-1], one.value):
                yield Found(
                    policy.spot(one.file, one.line),
                    f"{sidecar.name} asks for a certificate named {one.value}",
                    "compare with the name that the certificate has, or issue it with this one",
                    other,
                    says,
                )


def _names_that_arrive(ground: Ground, sidecar: Sidecar, kind: str, wanted: str) -> Iterator[tuple[Spot, str]]:
    """What stands against it: the certificates of the callers, or the list of allowed names."""
    calls = [call for call, destination in ground.arrows if destination is sidecar]
    peers = [(call, ground.peer(call)) for call in calls]
    seen = [peer for _, peer in peers if peer is not None]
    if seen and len(seen) == len(peers):
        names = [name for peer in seen for name in ([peer.common_name] if kind == "CN" else [*peer.uris, *peer.dns])]
        if wanted not in names:
            call = peers[0][0]
            spot = call.source.spot(*call.target_place, "tls", "client_cert")
            yield spot, f"its callers are named {', '.join(names) or 'nothing of the kind'}"
            return
    allowed = sidecar.config.proxy.mtls.allowed_clients
    if sidecar.config.proxy.mtls.enabled and allowed and not any(wanted in text for text in allowed):
        yield sidecar.spot("proxy", "mtls", "allowed_clients"), f"allowed are {', '.join(allowed)}"


def claim_that_nobody_writes(ground: Ground) -> Iterator[Found]:
    for sidecar, policy, module in _modules(ground):
        principals = _all_known(ground, sidecar)
        known = {name for principal in principals for name in principal.claims} | _ALWAYS
        told: set[str] = set()
        for ref in (node for rule in module.rules for node in walk(rule) if isinstance(node, Ref)):
            path = below_input(ref)
            if principals and path[:1] == ("token",) and len(path) > 1 and path[1] not in known | told:
                told.add(path[1])
                yield Found(
                    policy.spot(ref.place.file, ref.place.row),
                    f"{sidecar.name} reads input.token.{path[1]}",
                    f"add a mapper that writes {path[1]}, or read a claim that is there",
                    principals[0].spot,
                    f"no token that it accepts has it; they have {', '.join(sorted(known - _ALWAYS)[:8])}",
                )


def rule_that_is_never_used(ground: Ground) -> Iterator[Found]:
    for sidecar in ground.served:
        policy = ground.policy(sidecar)
        asked = sidecar.config.asked_policy
        if policy is None or policy.compiled is None or asked is None:
            continue
        resolved, _ = resolve_modules(policy.compiled.modules)
        rules: dict[tuple[str, ...], list[Rule]] = {}
        for module in resolved:
            for rule in module.rules:
                head = rule.head.ref.head
                name = head.name if isinstance(head, Var) else ""
                rules.setdefault((*package_path(module), name), []).append(rule)
        for path in sorted(set(rules) - _used(rules, tuple(asked.policy_query.split(".")[1:]))):
            rule = rules[path][0]
            yield Found(
                policy.spot(rule.place.file, rule.place.row),
                f"nothing that {asked.policy_query} asks for uses data.{'.'.join(path)}",
                "remove it, or use it",
            )


def _used(rules: dict[tuple[str, ...], list[Rule]], query: tuple[str, ...]) -> set[tuple[str, ...]]:
    waiting = [path for path in rules if path == query[: len(path)] or query == path[: len(query)]]
    used: set[tuple[str, ...]] = set()
    while waiting:
        path = waiting.pop()
        if path in used:
            continue
        used.add(path)
        for rule in rules[path]:
            for node in walk(rule):
                if isinstance(node, Ref) and isinstance(node.head, Var) and node.head.name == "data":
                    there = tuple(constant_names(node))
                    waiting += [one for one in rules if one == there[: len(one)] or there == one[: len(there)]]
    return used


def method_without_a_path(ground: Ground) -> Iterator[Found]:
    """A method is allowed on whatever the service has, now and later."""
    for sidecar in ground.served:
        found = ground.modules(sidecar)
        if found is None or sidecar.config.proxy.routes:
            continue
        policy, modules = found
        refs = [node for module in modules for rule in module.rules for node in walk(rule) if isinstance(node, Ref)]
        paths = [below_input(ref) for ref in refs]
        method = next((ref for ref, path in zip(refs, paths, strict=True) if path == ("request", "method")), None)
        if method is not None and not any(_reads_a_path(path) for path in paths):
            yield Found(
                policy.spot(method.place.file, method.place.row),
                f"{sidecar.name} allows by the method alone, on every path",
                "allow a method on a resource: compare input.request.segments too, or list proxy.routes",
            )


def _reads_a_path(path: tuple[str, ...]) -> bool:
    return path == ("request",) or path[:2] in {("request", "path"), ("request", "segments")} or path[:1] == ("route",)


def permission_that_the_realm_lacks(ground: Ground) -> Iterator[Found]:
    """A table of clients and their permissions in a policy, beside the roles that the realm gives them."""
    for sidecar, policy, module in _modules(ground):
        for rule in module.rules:
            for client, names, line in _table(rule):
                granted = _granted(ground, client)
                for spot, roles in granted:
                    lacking = [name for name in names if name not in roles]
                    if lacking:
                        yield Found(
                            policy.spot(rule.place.file, line),
                            f"{sidecar.name} lets {client} do {', '.join(names)}",
                            f"take {', '.join(lacking)} out of the policy, or give {client} the role",
                            spot,
                            f"{client} is given {', '.join(sorted(roles))}",
                        )


def _table(rule: Rule) -> Iterator[tuple[str, list[str], int]]:
    if not isinstance(rule.head.value, ObjectTerm):
        return
    for key, value in rule.head.value.pairs:
        match key, value:
            case Scalar(value=str(client)), ArrayTerm(items=items) | SetTerm(items=items):
                names = [item.value for item in items if isinstance(item, Scalar) and isinstance(item.value, str)]
                if names and len(names) == len(items):
                    yield client, names, key.place.row


def _granted(ground: Ground, client: str) -> Iterator[tuple[Spot, set[str]]]:
    for loose in ground.mesh.loose_roles:
        if loose.client == client and loose.client_roles:
            yield loose.spot, {name for names in loose.client_roles.values() for name in names}
    for file in ground.mesh.realms.values():
        for user in file.realm.users:
            if user.service_account_client_id == client and user.client_roles:
                yield file.line(user.username), {name for names in user.client_roles.values() for name in names}


def _modules(ground: Ground) -> Iterator[tuple[Sidecar, PolicyRead, Module]]:
    for sidecar in ground.served:
        found = ground.modules(sidecar)
        if found is not None:
            yield from ((sidecar, found[0], module) for module in found[1])


def _all_known(ground: Ground, sidecar: Sidecar) -> list[Principal]:
    """Whose tokens it accepts; none where one of its issuers is not known: nobody can say then what there is not."""
    principals = ground.principals(sidecar)
    issuers = {one.issuer for one in principals}
    return principals if all(one.issuer in issuers for one in sidecar.config.issuers) else []


def _calls(module: Module) -> Iterator[Call]:
    return (node for rule in module.rules for node in walk(rule) if isinstance(node, Call))


def _refs(term: Term | None) -> list[Ref]:
    return [] if term is None else [node for node in walk(term) if isinstance(node, Ref)]


def _compared(module: Module) -> Iterator[_Compared]:
    """`input.a.b == "c"`, `"c" in input.a.b`, `input.a.b[_] == "c"`."""
    for call in _calls(module):
        if ref_text(call.operator) not in _EQUAL or len(call.args) != 2:
            continue
        for constant, part in (call.args, call.args[::-1]):
            if isinstance(constant, Scalar) and isinstance(constant.value, str) and isinstance(part, Ref):
                path = below_input(part)
                if path:
                    yield _Compared(constant.value, path, call.place.row, call.place.file)


def below_input(ref: Ref) -> tuple[str, ...]:
    """Below `input`; empty for any other reference."""
    return tuple(constant_names(ref)) if isinstance(ref.head, Var) and ref.head.name == "input" else ()


def _values_at(principal: Principal, path: Iterable[str]) -> list[object]:
    value: object = principal.claims
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return list(value) if isinstance(value, list | tuple) else [value]


def _name(rule: Rule) -> str:
    head = rule.head.ref.head
    return head.name if isinstance(head, Var) else "a rule"
