"""A policy's wish for a better sign-in (RFC 9470), read strictly, for it becomes a header. Not the header itself."""

from __future__ import annotations

import re

from authz_rego.values.value import Value
from authz_service.domain.decision import StepUp
from authz_service.policy.decide.bad_answer import BadAnswer

MAX_VALUES = 16
# What a quoted-string carries without escapes, but for the space between values (RFC 9110 §5.6.4, OpenID Connect §2).
_ACR = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}")
_LONGEST_AGE = 10 * 365 * 86400
_MEMBERS = frozenset({"acr_values", "max_age"})


def read_step_up(answer: Value) -> StepUp:
    """`step_up` in a policy's answer. Raises BadAnswer for a wish that asks for nothing, or that no header carries."""
    if type(answer) is not dict or not answer.keys() <= _MEMBERS:
        raise BadAnswer("step_up is no object with acr_values, max_age or both")
    if not answer:
        raise BadAnswer("step_up asks for nothing: give acr_values, max_age or both")
    values = _acr_values(answer["acr_values"]) if "acr_values" in answer else []
    return StepUp(" ".join(values), _max_age(answer["max_age"]) if "max_age" in answer else None)


def _acr_values(given: Value) -> list[str]:
    if type(given) is str:
        values = given.split(" ")
    else:
        values = sorted(given, key=str) if type(given) is frozenset else given if type(given) is list else []
    if not 0 < len(values) <= MAX_VALUES or not all(type(each) is str and _ACR.fullmatch(each) for each in values):
        raise BadAnswer(
            f"step_up.acr_values is not 1 to {MAX_VALUES} names of visible ASCII without quotes and backslashes"
        )
    return values


def _max_age(given: Value) -> int:
    if type(given) is not int or not 0 <= given <= _LONGEST_AGE:
        raise BadAnswer("step_up.max_age is not a whole number of seconds from 0 to ten years")
    return given
