"""The tokens of a YAML text. Not how they are found (`scanner`)."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import NamedTuple


class Kind(IntEnum):
    """The name says what stood there; block collections are begun and ended by indentation."""

    VERSION = auto()
    TAG_DIRECTIVE = auto()
    DOCUMENT_START = auto()
    DOCUMENT_END = auto()
    STREAM_END = auto()
    BLOCK_SEQUENCE_START = auto()
    BLOCK_MAPPING_START = auto()
    BLOCK_END = auto()
    BLOCK_ENTRY = auto()
    FLOW_SEQUENCE_START = auto()
    FLOW_SEQUENCE_END = auto()
    FLOW_MAPPING_START = auto()
    FLOW_MAPPING_END = auto()
    FLOW_ENTRY = auto()
    KEY = auto()
    VALUE = auto()
    ALIAS = auto()
    ANCHOR = auto()
    TAG = auto()
    SCALAR = auto()


class Token(NamedTuple):
    """`value` is a scalar's text, a name, a version, or a tag's handle; `suffix` what follows the handle."""

    kind: Kind
    line: int
    value: str = ""
    suffix: str = ""
    is_plain: bool = False
