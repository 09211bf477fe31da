"""Of an input, only what a policy reads: so that two questions can be told apart as the policy does. Not what it does.

`authz_rego` says what that is (`Policy.reads`), for policies that it compiled.
"""

from __future__ import annotations

from typing import TypeAlias, Union

from authz_rego.values.value import Value

# What is read below a member: None is everything, a mapping is only these members.
Reads: TypeAlias = Union[dict[str, "Reads"], None]  # noqa: UP007 - `|` does not take a name in quotes


def seen(value: Value, reads: Reads) -> Value:
    """The value without the members that are not read."""
    if reads is None or type(value) is not dict:
        return value
    return {name: seen(member, reads[name]) for name, member in value.items() if name in reads}
