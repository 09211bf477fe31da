"""A policy's wish for a better sign-in (RFC 9470), read strictly, for it becomes a header. Not the header itself."""

import re

import msgspec
from msgspec import UNSET, Struct, UnsetType

from authz_service.domain.decision import StepUp

MAX_VALUES = 16
# What a quoted-string carries without escapes, but for the space between values (RFC 9110 §5.6.4, OpenID Connect §2).
_ACR = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_LONGEST_AGE = 10 * 365 * 86400


class StepUpAnswer(Struct, forbid_unknown_fields=True):
    """`step_up` in a policy's answer."""

    acr_values: str | list[str] | UnsetType = UNSET
    max_age: int | UnsetType = UNSET


def read_step_up(answer: StepUpAnswer) -> StepUp:
    """Raises msgspec.ValidationError for a wish that asks for nothing, or that a header cannot carry."""
    if answer.acr_values is UNSET and answer.max_age is UNSET:
        raise msgspec.ValidationError("step_up asks for nothing: give acr_values, max_age or both")
    values: list[str] = []
    if answer.acr_values is not UNSET:
        values = answer.acr_values.split(" ") if isinstance(answer.acr_values, str) else answer.acr_values
        if not 0 < len(values) <= MAX_VALUES or not all(map(_ACR.fullmatch, values)):
            raise msgspec.ValidationError(
                f"step_up.acr_values is not 1 to {MAX_VALUES} names of visible ASCII without quotes and backslashes"
            )
    max_age = None if answer.max_age is UNSET else answer.max_age
    if max_age is not None and not 0 <= max_age <= _LONGEST_AGE:
        raise msgspec.ValidationError("step_up.max_age is not a number of seconds from 0 to ten years")
    return StepUp(" ".join(values), max_age)
