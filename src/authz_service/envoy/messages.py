"""How Envoy's configuration messages are written down: as JSON values with type addresses. Not which ones we use."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias, Union

Json: TypeAlias = Union[str, int, float, bool, Sequence["Json"], Mapping[str, "Json"], None]  # noqa: UP007 - it names itself
Message: TypeAlias = dict[str, Json]

_TYPES = "type.googleapis.com/envoy."


def message(kind: str, **fields: Json) -> Message:
    """A message that stands where any type may stand."""
    return {"@type": _TYPES + kind, **fields}


def extension(name: str, kind: str, **fields: Json) -> Message:
    """A named extension with its own configuration."""
    return {"name": name, "typed_config": message(kind, **fields)}


def seconds(value: float) -> str:
    """A google.protobuf.Duration."""
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def set_header(name: str, value: str) -> Message:
    """A HeaderValueOption that replaces every value of the header."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def file_source(path: str) -> Message:
    """A ConfigSource. Only a rename over the file is noticed, an in-place write is not."""
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}
