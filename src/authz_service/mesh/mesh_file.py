"""`mesh.yaml`: what the configurations of a mesh do not say themselves. All of it is optional."""

from __future__ import annotations

from pathlib import Path

import yaml
from msgspec import Struct, ValidationError, convert

from authz_service.errors import ConfigProblems, Problem

NAME = "mesh.yaml"


class DeclaredPrincipal(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose tokens there are, where no realm file says it."""

    issuer: str
    claims: dict[str, object]
    client: str = ""  # whom it is issued to by client credentials; "" = a user's


class MeshFile(Struct, frozen=True, forbid_unknown_fields=True):
    services: dict[str, str] = {}  # name → its configuration's file, below the folder
    realms: tuple[str, ...] | None = None  # Keycloak realm files; None: every *-realm.json below the folder
    files: dict[str, str] = {}  # what a configuration calls it → where it is here; {service} is the service's name
    environment: dict[str, str] = {}  # variables of the configurations; nothing here needs a secret
    principals: dict[str, DeclaredPrincipal] = {}
    names: dict[str, tuple[str, ...]] = {}  # service → the host names that lead to it, beside those of its certificate
    serves: dict[str, tuple[str, ...]] = {}  # service → the paths that it has, as in proxy.routes
    compose: str | None = None  # by default compose.yaml, docker-compose.yml and their like


def read_mesh_file(folder: Path) -> MeshFile:
    """Raises ConfigProblems."""
    file = folder / NAME
    if not file.exists():
        return MeshFile()
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return convert(document, MeshFile, strict=False)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise _unusable(file, f"not valid YAML: {error.problem}", line) from error
    except (OSError, ValueError, ValidationError, yaml.YAMLError) as error:
        raise _unusable(file, str(error)) from error


def _unusable(file: Path, found: str, line: int = 0) -> ConfigProblems:
    keys = ", ".join(MeshFile.__struct_fields__)
    fix = f"its keys are {keys}"
    return ConfigProblems([Problem("mesh.yaml", found, fix, str(file), line)])
