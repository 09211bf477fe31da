"""A policy of the same text is the same: tests of whole meshes compile each once, for most change something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import pytest

from authz_rego import Policy
from authz_rego.values.json_text import from_json, to_json
from authz_rego.values.value import Value
from authz_service.mesh import door, ground
from authz_service.policy.vetting import checks

_KEPT = 64
_vetted = lru_cache(maxsize=_KEPT)(checks.compiled)
_compile = Policy.compile


@lru_cache(maxsize=_KEPT)
def _of(modules: tuple[tuple[str, str], ...], data: str) -> Policy:
    return _compile(modules, from_json(data))


def _compiled(modules: tuple[tuple[str, str], ...], data: Mapping[str, Value]) -> Policy:
    return _of(modules, to_json(data))


@pytest.fixture(autouse=True, scope="module")
def compiled_once() -> Iterator[None]:
    """For all tests of the folder whose `conftest.py` has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ground, "compiled", _vetted)
        patch.setattr(door, "compiled", _vetted)
        patch.setattr(Policy, "compile", _compiled)
        yield
