"""What every section of the configuration has in common. Not a section itself."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Discriminator, model_validator

from authz_service.domain.secret import UNREAD


class Section(BaseModel):
    """A frozen mapping with known keys only; what goes wrong in it never shows the value (it may be a secret).

    A secret `name` may stand in a file, `name_file`; until the loader has read it there is `UNREAD`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    told_by: ClassVar[str] = ""  # the key, and its value, that tells this kind of a section from the others
    ignores: ClassVar[tuple[type["Section"], ...]] = ()  # of what is off: kinds whose keys may stand here all the same

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        known = cls.model_fields
        ignored = {key for kind in cls.ignores for key in kind.model_fields} - known.keys()
        unread = {key: UNREAD for key in known if f"{key}_file" in known and f"{key}_file" in value}
        return unread | {key: entry for key, entry in value.items() if key not in ignored}


def told_apart(kind_of: Callable[[Mapping[str, object]], type[Section]]) -> Discriminator:
    """For a section of several kinds: which of them the keys mean. Each kind's `Tag` is its `told_by`."""

    def tag(value: object) -> str:
        kind = type(value) if isinstance(value, Section) else kind_of(value if isinstance(value, Mapping) else {})
        return kind.told_by

    return Discriminator(tag)
