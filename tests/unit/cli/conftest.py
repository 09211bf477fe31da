"""Commands that look at whole meshes."""

from tests.support.compiled_once import compiled_once

__all__ = ["compiled_once"]
