"""Whether a policy has made a text that is no UTF-8, so that what leaves must be looked through. Not the looking."""

from __future__ import annotations

from collections.abc import Callable

from authz_rego.values.byte_texts import is_torn
from authz_rego.values.python_documents import readable_value
from authz_rego.values.value import Value


class Tearing:
    """Of one policy; once it has, it stays so."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        self.seen = False

    def watched(self, builtin: Callable[..., Value]) -> Callable[..., Value]:
        """The builtin, whose results are looked at: only those of `builtins.table.TEARING` need that."""

        def call(*operands: Value) -> Value:
            found = builtin(*operands)
            if is_torn(found) if type(found) is str else readable_value(found) != found:
                self.seen = True
            return found

        return call
