"""Bytes that become a string of Rego. Not the encodings that they come from (`encodings`)."""

from __future__ import annotations

from authz_rego.builtins.bounds import beyond_bounds


def text_of_bytes(name: str, content: bytes) -> str:
    """The text; raises EvaluationError where it is no UTF-8.

    OPA goes on with a string of such bytes. Ours are code points: neither undefined nor another text would do, as each
    of them can turn a `not` around.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise beyond_bounds(name, "the result is no UTF-8 text") from error
