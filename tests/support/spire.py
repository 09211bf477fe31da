"""A real SPIRE server and agent for tests, as `make spire` built them: identities by configuration, not by files.

with Spire(folder) as spire:
    spire.register("spiffe://mesh/zone2/order-service")
    ... tls: {sds: spire.socket, sds_certificate: spiffe://mesh/zone2/order-service}
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from cryptography import x509
from tests.support.patience import PATIENCE

from authz_service.parent_death import bound_to_us

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "tests" / "real" / "spiffe" / "VERSION").read_text().strip()
TRUST_DOMAIN = "mesh"
_AGENT = f"spiffe://{TRUST_DOMAIN}/agent"

_SERVER = """
server {{
  bind_address = "127.0.0.1"  bind_port = "{port}"  trust_domain = "mesh"
  socket_path = "{folder}/server.sock"  data_dir = "{folder}"  log_level = "WARN"
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3"  connection_string = "{folder}/entries.sqlite3" }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
}}
"""
_AGENT_CONFIG = """
agent {{
  server_address = "127.0.0.1"  server_port = "{port}"  trust_domain = "mesh"  insecure_bootstrap = true
  socket_path = "{folder}/agent.sock"  data_dir = "{folder}"  log_level = "WARN"
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "disk" {{ plugin_data {{ directory = "{folder}" }} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"""


class Svid(NamedTuple):
    """An identity's certificate, its key, and the authorities of the trust domain, as PEM files."""

    cert: Path
    key: Path
    bundle: Path


class Spire:
    """Everything that runs as our user is each of the registered workloads: it chooses by name."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def socket(self) -> str:
        return f"unix://{self._folder}/agent.sock"

    def __enter__(self) -> Self:
        self._start("server", _SERVER)
        _until(lambda: self._ask("server", "healthcheck").returncode == 0, self.log)
        told = self._ask("server", "token", "generate", "-spiffeID", _AGENT)
        self.start_agent("-joinToken", told.stdout.split("Token:")[1].split()[0])
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children.values():
            child.kill()
            child.wait()

    def start_agent(self, *arguments: str) -> None:
        self._start("agent", _AGENT_CONFIG, *arguments)
        _until(lambda: self._ask("agent", "healthcheck").returncode == 0, self.log)

    def kill_agent(self) -> None:
        child = self._children.pop("agent")
        child.kill()
        child.wait()

    def register(self, spiffe_id: str, *, ttl: int = 3600) -> Svid:
        """Returns when the agent hands it out; `ttl` in seconds."""
        done = self._ask(
            "server", "entry", "create", "-parentID", _AGENT, "-spiffeID", spiffe_id,
            "-selector", f"unix:uid:{os.getuid()}", "-x509SVIDTTL", str(ttl),
        )  # fmt: skip
        assert done.returncode == 0, done
        _until(lambda: self.fetch(spiffe_id) is not None, self.log)
        svid = self.fetch(spiffe_id)
        assert svid is not None
        return svid

    def fetch(self, spiffe_id: str) -> Svid | None:
        """As a workload gets it, into files of its own."""
        folder = self._folder / spiffe_id.replace("/", "_")
        folder.mkdir(exist_ok=True)
        self._ask("agent", "api", "fetch", "x509", "-silent", "-write", str(folder))
        for cert in folder.glob("svid.*.pem"):
            if spiffe_ids(x509.load_pem_x509_certificates(cert.read_bytes())[0]) == [spiffe_id]:
                number = cert.name.split(".")[1]
                return Svid(cert, folder / f"svid.{number}.key", folder / f"bundle.{number}.pem")
        return None

    def log(self) -> str:
        return "".join(path.read_text()[-2000:] for path in self._folder.glob("*.log"))

    def _start(self, part: str, config: str, *arguments: str) -> None:
        file = self._folder / f"{part}.conf"
        file.write_text(config.format(folder=self._folder, port=self._port))
        command = bound_to_us([str(binary(f"spire-{part}")), "run", "-config", str(file), *arguments])
        with (self._folder / f"{part}.log").open("ab") as log:
            self._children[part] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _ask(self, part: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(binary(f"spire-{part}")), *words, "-socketPath", f"{self._folder}/{part}.sock"]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def binary(name: str) -> Path:
    """The one that `make spire` built. A missing one is an error, never a skipped test."""
    found = ROOT / ".real" / "spire" / VERSION / name
    if not found.is_file():
        raise FileNotFoundError(f"{found}: run `make spire`")
    return found


def spiffe_ids(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _until(holds: Callable[[], bool], log: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, log()
        time.sleep(0.1)
