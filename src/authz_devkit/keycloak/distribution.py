"""One release of Keycloak on this machine: brought by Maven, checked, unpacked and built, once. It starts nothing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "26.7.3"
ARCHIVE_SHA256 = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47"
OLDEST_JAVA = 17

_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
# What cannot be changed at a start: the file database, and that a client may present a certificate (RFC 8705).
_BUILD = ("build", "--db=dev-file", "--https-client-auth=request")


class KeycloakProblem(Exception):  # noqa: N818 - it names what is wrong, as RealmProblems does
    """Keycloak cannot be had, or not be started. The text says what to do."""


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "authz-service"


def install(cache: Path, archive: Path | None = None) -> Path:
    """The folder of the built distribution; made when it is not there. `archive` spares the download."""
    home = cache / f"keycloak-{VERSION}"
    require_java()
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (cache / "keycloak.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may want it at the same moment
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                _build(_unpack(archive or _download(Path(scratch)), Path(scratch))).rename(home)
    return home


def require_java() -> str:
    """The Java to run it with: of JAVA_HOME, or of the path."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    remedy = f"install Java {OLDEST_JAVA} or newer (Debian: openjdk-17-jre-headless), or set JAVA_HOME"
    if java is None:
        raise KeycloakProblem(f"no java here; {remedy}")
    told = _run([java, "-version"], "java -version").stderr
    found = re.search(r'version "(\d+)', told)
    if found is None or int(found[1]) < OLDEST_JAVA:
        raise KeycloakProblem(f"{java}: {told.splitlines()[0] if told else 'says nothing'}; {remedy}")
    return java


def _download(folder: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise KeycloakProblem("no mvn here to bring Keycloak; install Maven, or give the archive with --archive")
    copy = [f"{_MAVEN_PLUGIN}:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={folder}"]
    _run([maven, "--batch-mode", "--quiet", *copy], f"mvn could not bring {_ARTIFACT}")
    return folder / f"keycloak-quarkus-dist-{VERSION}.tar.gz"


def _unpack(archive: Path, folder: Path) -> Path:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != ARCHIVE_SHA256:
        raise KeycloakProblem(f"{archive}: its SHA-256 is {found}, not {ARCHIVE_SHA256}: not Keycloak {VERSION}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / f"keycloak-{VERSION}"


def _build(home: Path) -> Path:
    _run([str(home / "bin" / "kc.sh"), *_BUILD], "kc.sh build failed")
    return home


def _run(command: list[str], failure: str) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as problem:
        raise KeycloakProblem(f"{failure}: {problem}") from problem
    if done.returncode != 0:
        raise KeycloakProblem(f"{failure}:\n{done.stdout}{done.stderr}")
    return done
