"""Examples in the place of values that only another host has. Not the judgement of anything."""

import copy

from authz_service.config.finding import Place
from authz_service.config.read.document import Tree
from authz_service.config.read.yaml_path import annotation_at, field_of


def with_examples(tree: Tree, places: set[Place]) -> Tree:
    """The documented example where a key must be there; the others have their defaults."""
    copied = copy.deepcopy(tree) if places else tree
    for place in sorted(places, key=len):
        parent, field = _at(copied, place[:-1]), field_of(annotation_at(place[:-1]), place[-1])
        if isinstance(parent, dict) and field is not None and field.is_required() and field.examples:
            parent[str(place[-1])] = field.examples[0]
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
