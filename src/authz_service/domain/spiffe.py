"""What a SPIFFE ID of a workload looks like. Not whose it is."""

import re

# The SPIFFE ID specification, §2: a trust domain in small letters, then a path without empty or dot segments.
_FORM = re.compile(r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+")
_LONGEST = 2048


def is_spiffe_id(text: str) -> bool:
    """With a path: a trust domain alone is nobody's ID."""
    return len(text) <= _LONGEST and _FORM.fullmatch(text) is not None
