"""Where something stands in the configuration, and what the model expects there. Not what is wrong with it."""

import re
import types
import typing
from typing import Annotated

from pydantic.fields import FieldInfo

from authz_service.config.finding import Place
from authz_service.config.model import Config, Jwt, JwtIssuer
from authz_service.config.sections.section import Section
from authz_service.domain.secret import Secret

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KNOWN_KIND_OF_KEY = re.compile(r"[!-~]{1,256}")


def shown(place: Place) -> str:
    """The dotted path. It ends at a secret or at an unknown key: what is below may be a secret that slipped."""
    text = ""
    for depth, step in enumerate(place):
        expected = annotation_at(place[:depth])
        unknown = expected is None or annotation_at(place[: depth + 1]) is None
        if expected is Secret:
            break
        text += _step(step, _PLAIN_KEY if unknown else _KNOWN_KIND_OF_KEY)
        if unknown:
            break
    return text.removeprefix(".") or "(the whole file)"


def _step(step: str | int, readable: re.Pattern[str]) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _PLAIN_KEY.fullmatch(step):
        return f".{step}"
    return f"['{step}']" if readable.fullmatch(step) else ".(a key)"


def annotation_at(place: Place) -> object:
    """The type that the model expects at a place; None below an unknown key."""
    current: object = Config
    for step in place:
        field = field_of(current, step)
        if field is not None:
            current = bare(field.annotation)
        elif typing.get_origin(current) is tuple and isinstance(step, int):
            current = bare(typing.get_args(current)[0])
        elif is_mapping(current):
            current = bare(typing.get_args(current)[1])
        else:
            return None
    return current


def is_under_secret(place: Place) -> bool:
    return any(annotation_at(place[:length]) is Secret for length in range(1, len(place) + 1))


def known_keys(annotation: object) -> dict[str, FieldInfo]:
    """The keys of a section, of all its kinds; none for anything else."""
    return {key: field for kind in reversed(kinds(annotation)) for key, field in kind.model_fields.items()}


def kinds(annotation: object) -> tuple[type[Section], ...]:
    """The section that a place holds, or the several kinds of it; none for anything else."""
    if annotation is Jwt:  # one issuer's keys may stand there too
        return Jwt, JwtIssuer
    found = tuple(map(bare, _alternatives(annotation)))
    return tuple(kind for kind in found if isinstance(kind, type) and issubclass(kind, Section))


def place_of(loc: Place) -> tuple[Place, str]:
    """Where pydantic's `loc` stands in the file's tree, and which kind of a section the key there was sought in: a kind
    is a step of its own in `loc`.
    """
    place: Place = ()
    passed, kind = None, ""
    for step in loc:
        if place != passed and len(_alternatives(annotation_at(place))) > 1:
            passed, kind = place, str(step)
        else:
            kind = kind if place == passed else ""
            place = (*place, step)
    return place, kind


def choices(place: Place) -> list[str]:
    """What may be written at a place that takes one of a few words."""
    fields = [kind.model_fields.get(str(place[-1])) for kind in kinds(annotation_at(place[:-1]))]
    found = [bare(field.annotation) for field in fields if field is not None] or [annotation_at(place)]
    words = [word for annotation in found for word in typing.get_args(annotation)]
    return list(dict.fromkeys(str(word).lower() if isinstance(word, bool) else str(word) for word in words))


def field_of(section: object, step: str | int) -> FieldInfo | None:
    return known_keys(section).get(step) if isinstance(step, str) else None


def is_mapping(annotation: object) -> bool:
    """Whether the keys are the writer's own choice."""
    return typing.get_origin(annotation) is dict


def bare(annotation: object) -> object:
    """Without `Annotated` and `| None`. Of several kinds of value the first; several kinds of a section stay."""
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation = typing.get_args(annotation)[0]
        elif len(found := _alternatives(annotation)) > 1 and len(kinds(annotation)) == len(found):
            return annotation
        elif found != (annotation,):
            annotation = found[0]
        else:
            return annotation


def _alternatives(annotation: object) -> tuple[object, ...]:
    if typing.get_origin(annotation) not in {typing.Union, types.UnionType}:
        return (annotation,)
    return tuple(kind for kind in typing.get_args(annotation) if kind is not types.NoneType)
