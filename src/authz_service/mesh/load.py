"""A folder → a Mesh: every configuration below it, realm files, policies and certificates if they are here.

Reads files; needs no secret, no process and no network. What cannot be read becomes a problem of the mesh.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID
from msgspec import Struct, json

from authz_realm.realm import parse_realm, realm_problems
from authz_service import pem_files
from authz_service.config.loader import Reading, read_config
from authz_service.config.model import Config, HttpTlsOfFiles
from authz_service.errors import CertificateProblems, ConfigProblems, Problem
from authz_service.mesh.files import Files
from authz_service.mesh.mesh_file import NAME, MeshFile, read_mesh_file
from authz_service.mesh.model import Mesh, Sidecar
from authz_service.mesh.principals import declared
from authz_service.mesh.realm_file import LooseRoles, RealmFile
from authz_service.mesh.spot import Spot, shown_path

CONFIG = "config.yaml"
MAX_REALM_BYTES = 64 << 20
MAX_LOOSE_BYTES = 64 << 10
_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_SKIPPED = {"node_modules", "__pycache__"}


def load_mesh(folder: Path) -> Mesh:
    """Raises ConfigProblems where there is no mesh to speak of."""
    if folder.is_file():
        return _load(folder.parent, MeshFile(services={folder.parent.name or "sidecar": folder.name}))
    if not folder.is_dir():
        raise ConfigProblems([Problem("the mesh", f"{folder} is no folder", "name the folder of its configurations")])
    return _load(folder, read_mesh_file(folder))


def _load(folder: Path, said: MeshFile) -> Mesh:
    problems: list[Problem] = []
    sidecars: dict[str, Sidecar] = {}
    broken: dict[str, str] = {}
    for name, file in _configurations(folder, said):
        reading = read_config(file, said.environment)
        problems += reading.problems
        if reading.config is None:
            broken[name] = shown_path(folder, file)
        else:
            sidecar = _sidecar(folder, said, name, file, reading, reading.config)
            sidecars[sidecar.name if sidecar.name not in sidecars else name] = sidecar
    if not sidecars and not problems:
        fix = f"name the folder that has them below it, or list them in {NAME}: services"
        raise ConfigProblems([Problem("the mesh", f"there is no {CONFIG} below {folder}", fix)])
    realms = _realms(folder, said, problems)
    principals = tuple(declared(said.principals, Spot(NAME)))
    compose = _compose(folder, said)
    loose = tuple(_loose_roles(folder))
    return Mesh(folder, sidecars, realms, principals, said.serves, compose, tuple(problems), loose, broken)


def _configurations(folder: Path, said: MeshFile) -> Iterator[tuple[str, Path]]:
    if said.services:
        yield from ((name, folder / file) for name, file in said.services.items())
        return
    found = sorted(file for file in _below(folder) if file.name == CONFIG)
    names = [file.parent.name if file.parent != folder else folder.resolve().name for file in found]
    for name, file in zip(names, found, strict=True):
        unique = names.count(name) == 1
        yield name if unique else file.parent.relative_to(folder).as_posix(), file


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _SKIPPED:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        elif path.is_file():
            yield path


def _sidecar(folder: Path, said: MeshFile, name: str, file: Path, reading: Reading, config: Config) -> Sidecar:
    files = Files(folder, file.parent, name, said.files)
    names = {name, config.service.name, file.parent.name, *said.names.get(name, ())}
    if reading.is_written(("service", "name")) and not said.services:
        name = config.service.name
    tls = config.http.tls
    names |= _certified_names(files, tls.cert_file if isinstance(tls, HttpTlsOfFiles) else None)
    known = frozenset(one.lower() for one in names if one)
    return Sidecar(name, file, shown_path(folder, file), config, reading, files, known)


def _certified_names(files: Files, certificate: Path | None) -> set[str]:
    found = None if certificate is None else files.find(certificate)
    if found is None:
        return set()
    try:
        leaf = pem_files.read_certificates(pem_files.read_file(found, "certificate"), "certificate", str(found))[0]
    except CertificateProblems:
        return set()
    names = pem_files.extension(leaf, x509.SubjectAlternativeName)
    common = {str(one.value) for one in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    return common if names is None else {*names.get_values_for_type(x509.DNSName), *common}


def _realms(folder: Path, said: MeshFile, problems: list[Problem]) -> Mapping[str, RealmFile]:
    if said.realms is not None:
        files = [folder / name for name in said.realms]
    else:
        files = [file for file in _below(folder) if file.name.endswith("realm.json")]
    found: dict[str, RealmFile] = {}
    for file in files:
        shown = shown_path(folder, file)
        try:
            with file.open("rb") as stream:
                text = stream.read(MAX_REALM_BYTES)
            realm = parse_realm(text)
        except (OSError, ValueError) as error:
            fix = "give a realm in Keycloak's import format"
            problems.append(Problem("realm", str(error), fix, shown))
            continue
        lacking = tuple(realm_problems(realm))
        found[realm.realm] = RealmFile(realm, Spot(shown), text.decode("utf-8", "replace"), lacking)
    return found


class _Roles(Struct, rename="camel"):
    realm: tuple[str, ...] = ()
    client: dict[str, tuple[str, ...]] = {}


class _LooseRoles(Struct, rename="camel", forbid_unknown_fields=True):
    client_id: str
    service_account_roles: _Roles


def _loose_roles(folder: Path) -> Iterator[LooseRoles]:
    for file in _below(folder):
        if file.suffix == ".json" and file.stat().st_size <= MAX_LOOSE_BYTES:
            try:
                found = json.decode(file.read_bytes(), type=_LooseRoles)
            except (OSError, ValueError):
                continue
            roles = found.service_account_roles
            yield LooseRoles(found.client_id, roles.realm, roles.client, Spot(shown_path(folder, file), 1))


def _compose(folder: Path, said: MeshFile) -> Path | None:
    names = _COMPOSE if said.compose is None else (said.compose,)
    return next((folder / name for name in names if (folder / name).is_file()), None)
