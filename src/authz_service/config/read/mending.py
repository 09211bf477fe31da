"""Takes out of a document what is broken, so that what the rest means can still be judged. Not the judgement."""

import copy

from authz_service.config.finding import Finding, Place
from authz_service.config.read.document import Tree
from authz_service.config.read.explain import nearest_key
from authz_service.config.read.yaml_path import annotation_at, field_of, is_mapping


def to_mend(findings: list[Finding]) -> set[Place]:
    """The keys to remove or replace so that the rest of the document makes sense; and the key that was meant."""
    places = {_removable(finding.place) for finding in findings}
    unknown = [place for place in places if place and annotation_at(place) is None]
    meant = {(*place[:-1], near) for place in unknown if (near := nearest_key(place))}
    return places | meant


def _removable(place: Place) -> Place:
    for length in range(1, len(place) + 1):
        if annotation_at(place[:length]) is None:
            return place[:length]
    for length in range(len(place), 0, -1):
        above = annotation_at(place[: length - 1])
        field = field_of(above, place[length - 1])
        if is_mapping(above) or (field is not None and (not field.is_required() or field.examples)):
            return place[:length]
    return ()


def rests_on(broken: set[Place], place: Place) -> bool:
    """Whether what stands at a place, or the set of its entries, is not what the writer meant."""
    entries = {there[:-1] for there in broken if there and is_mapping(annotation_at(there[:-1]))}
    return place in entries or any(place[:length] in broken for length in range(len(place) + 1))


def mended(tree: Tree, broken: set[Place]) -> Tree:
    """Without what is broken; a key that must be there has its documented example."""
    copied = copy.deepcopy(tree) if () not in broken else {}
    for place in sorted(broken - {()}, key=len):
        parent = _at(copied, place[:-1])
        field, key = field_of(annotation_at(place[:-1]), place[-1]), place[-1]
        if isinstance(parent, dict) and isinstance(key, str):
            parent.pop(key, None)
            if field is not None and field.is_required() and field.examples:
                parent[key] = field.examples[0]
    return copied


def _at(tree: Tree, place: Place) -> Tree | None:
    current: Tree | None = tree
    for step in place:
        if isinstance(current, dict) and isinstance(step, str):
            current = current.get(step)
        elif isinstance(current, list) and isinstance(step, int) and step < len(current):
            current = current[step]
        else:
            return None
    return current
