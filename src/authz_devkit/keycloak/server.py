"""How one Keycloak runs: its folder, and the command that serves realm files over TLS. It installs nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin"
ADMIN_PASSWORD = "admin"  # noqa: S105 - of a development server

# As in the distribution's own kc.sh, which forks: we want the process that we started to be Keycloak.
_JAVA_OPTIONS = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # starts faster than G1 on few cores
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
    "-Dpicocli.disable.closures=true",
    "-Dquarkus-log-max-startup-records=10000",
    "-Dfile.encoding=UTF-8",
    "-Duser.language=en",
)


@dataclass(frozen=True, slots=True)
class Server:
    """One Keycloak: what it serves, where, and as whom. `client_cas` sign the certificates of clients (RFC 8705)."""

    folder: Path  # its database, kept over a restart
    realms: Path
    address: str
    port: int
    cert: Path
    key: Path
    hostname: str  # the start of every issuer
    client_cas: Sequence[Path] = ()


def prepare(server: Server, distribution: Path) -> None:
    """A home of its own around the shared distribution. Keycloak imports a realm only where it has none yet."""
    imports = server.folder / "data" / "import"
    imports.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in ("lib", "conf", "providers", "themes"):
        link = server.folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(distribution / name)
    for file in server.realms.glob("*.json"):
        shutil.copy(file, imports)


def command(server: Server, java: str) -> list[str]:
    program = [
        java, *_JAVA_OPTIONS, f"-Dkc.home.dir={server.folder}", f"-Djboss.server.config.dir={server.folder / 'conf'}",
        "-cp", str(server.folder / "lib" / "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
    ]  # fmt: skip
    options = [
        "start", "--optimized", "--import-realm", "--cache=local",
        f"--hostname={server.hostname}", f"--http-host={server.address}", f"--https-port={server.port}",
        "--http-enabled=false",
        f"--https-certificate-file={server.cert}", f"--https-certificate-key-file={server.key}",
    ]  # fmt: skip
    if server.client_cas:
        options.append(f"--truststore-paths={','.join(str(file) for file in server.client_cas)}")
    return [*program, *options]


def environment() -> Mapping[str, str]:
    """The administrator that Keycloak makes at its first start."""
    return {"KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD}
