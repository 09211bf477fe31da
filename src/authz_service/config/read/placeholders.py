"""Secrets in which somebody's template was not filled in. A warning, never a problem: a secret may look so."""

import re
from collections.abc import Iterator

from authz_service.config.finding import Place
from authz_service.config.model import Config
from authz_service.config.read.yaml_path import shown
from authz_service.config.sections.section import Section
from authz_service.domain.secret import UNREAD, Secret

_PLACEHOLDER = re.compile(r"\$\{[^{}]*\}|\{\{.*?\}\}")


def placeholders_left(config: Config) -> list[str]:
    """A sentence for each. What stands in a file is taken as it is: no variable is looked up there."""
    return [
        f"{shown(place)}: the secret has a placeholder in it, such as ${{NAME}}, and is sent as it stands: "
        "fill it in where the file or the variable is made"
        for place, secret in _secrets(config, ())
        if _PLACEHOLDER.search(secret.reveal())
    ]


def _secrets(value: object, place: Place) -> Iterator[tuple[Place, Secret]]:
    """Under the key of their file, if they come from one."""
    if isinstance(value, Section):
        for name in type(value).model_fields:
            found = getattr(value, name)
            from_file = isinstance(found, Secret) and getattr(value, f"{name}_file", None) is not None
            yield from _secrets(found, (*place, f"{name}_file" if from_file else name))
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _secrets(each, (*place, key))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _secrets(each, (*place, index))
    elif isinstance(value, Secret) and value is not UNREAD:
        yield place, value
