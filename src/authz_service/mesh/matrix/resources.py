"""Which methods and paths are worth asking about at a sidecar: those that its routes, its policy and mesh.yaml name.

`{id}` stands for one segment that nobody knows. What none of them names is asked about once, as `/{other}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from authz_rego.check.walk import walk
from authz_rego.syntax.text import ref_text
from authz_rego.syntax.tree import ArrayTerm, Call, Module, Ref, Scalar, SetTerm, Term, Var
from authz_rego.values.json_text import from_json
from authz_rego.values.value import Value
from authz_service.mesh.door import Unjudged, policy_source
from authz_service.mesh.model import Mesh, Sidecar
from authz_service.policy.vetting.checks import Compiled
from authz_service.request_form import METHODS

ID, OTHER = "{id}", "{other}"
_MOST_OF_DATA = 64  # strings of data documents that may be names of resources
_EQUAL = {"equal", "eq", "assign"}
_TIMES = {
    f"time.{name}"
    for name in ("clock", "weekday", "date", "add_date", "diff", "parse_ns", "parse_rfc3339_ns", "parse_duration_ns")
}


class Asked(NamedTuple):
    method: str
    path: str  # with {id} and {other}


class Reads(NamedTuple):
    """What an answer may hang on, beside caller, method and path."""

    headers: tuple[str, ...]  # extracted ones that the policy reads
    own_names: tuple[str, ...]  # claims that name the user and are read beside the path
    time: bool


def resources(mesh: Mesh, sidecar: Sidecar, policy: Compiled | None) -> list[Asked]:
    """In the order of the paths."""
    paths = {*_of_routes(sidecar), *_of_serves(mesh, sidecar), *paths_of_policy(sidecar, policy)}
    paths = {path for path in paths if is_served(sidecar, path)}
    paths.add(f"/{OTHER}")
    found: list[Asked] = []
    for path in sorted(paths):
        found += [Asked(method, path) for method in _methods(sidecar, policy, path)]
    return found


def paths_of_policy(sidecar: Sidecar, policy: Compiled | None) -> set[str]:
    """What it compares the path with, and its data documents as far as they may name paths."""
    return {*_of_policy(policy), *_of_data(policy, _data(sidecar))}


def _data(sidecar: Sidecar) -> Value:
    try:
        source = policy_source(sidecar)
    except Unjudged:
        return {}
    return {} if source is None else from_json(source.data)


def reads(sidecar: Sidecar, policy: Compiled | None) -> Reads:
    if policy is None:
        return Reads((), (), time=False)
    read = policy.policy.reads
    extracted = sidecar.config.proxy.headers.extract
    named = read.get("headers", {}) if isinstance(read, dict) else None
    headers = extracted if named is None else tuple(name for name in extracted if name in named)
    token = read.get("token", {}) if isinstance(read, dict) else None
    own = [name for name in ("sub", "preferred_username", "email") if token is None or name in token]
    times = any(ref_text(call.operator) in _TIMES for call in _calls(policy))
    return Reads(tuple(name for name in headers if name.lower() != "x-correlation-id"), tuple(own), times)


def _methods(sidecar: Sidecar, policy: Compiled | None, path: str) -> list[str]:
    """Of the routes of this path, as far as they say; else those that the policy names, and one that it does not."""
    routes = [route for route in sidecar.config.proxy.routes if _fits(route.path, path)]
    longest = max((len(route.path) for route in routes), default=0)
    allowed = [method for route in routes if len(route.path) == longest for method in route.methods]
    allowed = allowed or list(METHODS)
    named = {text for text in _texts(policy) if text in METHODS}
    if len(allowed) < len(METHODS):
        return [method for method in METHODS if method in allowed]
    rest = next((method for method in ("PATCH", "PUT", "HEAD", "DELETE") if method not in named), None)
    wanted = {"GET", "POST", *named, *([rest] if rest else [])}
    return [method for method in METHODS if method in wanted]


def _of_routes(sidecar: Sidecar) -> Iterator[str]:
    for route in sidecar.config.proxy.routes:
        yield from _with_below(route.path)


def _of_serves(mesh: Mesh, sidecar: Sidecar) -> Iterator[str]:
    for path in mesh.serves.get(sidecar.name, ()):
        yield from _with_below(path)


def _with_below(path: str) -> Iterator[str]:
    base = path.removesuffix("/**").rstrip("/")
    if base:
        yield base
    if path.endswith("/**"):
        yield f"{base}/{ID}"


def is_served(sidecar: Sidecar, path: str) -> bool:
    routes = sidecar.config.proxy.routes
    return not routes or any(_fits(route.path, path) for route in routes)


def _fits(route: str, path: str) -> bool:
    base = route.removesuffix("/**").rstrip("/")
    return path == base or (route.endswith("/**") and path.startswith(f"{base}/"))


def _of_policy(policy: Compiled | None) -> Iterator[str]:
    """What is compared with input.request.segments or .path; and whatever constant begins with a slash."""
    for call in _calls(policy):
        for part, constant in (call.args, call.args[::-1]) if len(call.args) == 2 else ():
            yield from _compared(part, constant, ref_text(call.operator))
    for text in _texts(policy):
        if text.startswith("/") and len(text) > 1 and " " not in text:
            path = text.replace("/**", f"/{ID}").replace("/*", f"/{ID}").rstrip("/")
            yield path
            if not path.endswith(ID):
                yield f"{path}/{ID}"


def _compared(part: Term, constant: Term, operator: str) -> Iterator[str]:
    if operator == "internal.member_2" and _segment(part) == 0:
        items = constant.items if isinstance(constant, ArrayTerm | SetTerm) else ()
        for item in items:
            yield from _first(item)
    elif operator in _EQUAL and _segment(part) == 0:
        yield from _first(constant)
    elif operator in _EQUAL and _reads_segments(part) and isinstance(constant, ArrayTerm):
        texts = [item.value if isinstance(item, Scalar) else None for item in constant.items]
        if texts:
            path = "/" + "/".join(str(text) if isinstance(text, str) else ID for text in texts)
            yield path
            yield f"{path}/{ID}"


def _first(term: Term) -> Iterator[str]:
    if isinstance(term, Scalar) and isinstance(term.value, str):
        yield f"/{term.value}"
        yield f"/{term.value}/{ID}"


def _segment(term: Term) -> int:
    """The number of the segment that it reads; -1 for anything else."""
    match term:
        case Ref(head=Var("input"), path=(Scalar(value="request"), Scalar(value="segments"), Scalar(value=int(at)))):
            return at
    return -1


def _reads_segments(term: Term) -> bool:
    """All of them, or a slice."""
    for node in walk(term):
        match node:
            case Ref(head=Var("input"), path=(Scalar(value="request"), Scalar(value="segments"))):
                return True
    return False


def _of_data(policy: Compiled | None, data: Value) -> Iterator[str]:
    """Where the segments are compared with what stands in data documents."""
    if policy is None or not any(_reads_data(node) for node in _nodes(policy)):
        return
    found = dict.fromkeys(text for text in _strings(data) if text.isidentifier() or "-" in text)
    for text in list(found)[:_MOST_OF_DATA]:
        if "/" not in text and text not in METHODS:
            yield f"/{text}"
            yield f"/{text}/{ID}"


def _reads_data(node: object) -> bool:
    return isinstance(node, Ref) and isinstance(node.head, Var) and node.head.name == "data"


def _strings(value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)


def _nodes(policy: Compiled | None) -> Iterator[object]:
    modules: list[Module] = [] if policy is None else policy.modules
    return (node for module in modules for rule in module.rules for node in walk(rule))


def _calls(policy: Compiled | None) -> Iterator[Call]:
    return (node for node in _nodes(policy) if isinstance(node, Call))


def _texts(policy: Compiled | None) -> list[str]:
    return [node.value for node in _nodes(policy) if isinstance(node, Scalar) and isinstance(node.value, str)]
