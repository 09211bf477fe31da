"""What every section of the configuration has in common. Not a section itself."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen mapping with known keys only; what goes wrong in it never shows the value (it may be a secret)."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
