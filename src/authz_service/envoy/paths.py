"""Where everything lies in a sidecar's private state directory. Not its making, not its permissions."""

from dataclasses import dataclass
from pathlib import Path

_LONGEST_SOCKET_PATH = 107  # sun_path, unix(7)


@dataclass(frozen=True, slots=True)
class StatePaths:
    """All below one directory (0700). Raises ValueError when a Unix socket could not be bound there."""

    root: Path

    def __post_init__(self) -> None:
        longest = max(len(str(path)) for path in (self.worker_socket(99), self.control_socket, self.admin_socket))
        if longest > _LONGEST_SOCKET_PATH:
            excess = longest - _LONGEST_SOCKET_PATH
            raise ValueError(f"{self.root} is {excess} characters too long for the sockets in it")

    @property
    def bootstrap(self) -> Path:
        return self.root / "bootstrap.json"

    @property
    def xds(self) -> Path:
        return self.root / "xds"

    @property
    def listeners(self) -> Path:
        return self.xds / "lds.json"

    @property
    def clusters(self) -> Path:
        return self.xds / "cds.json"

    def routes(self, name: str) -> Path:
        return self.xds / f"rds_{name}.json"

    @property
    def sds(self) -> Path:
        return self.root / "sds"

    def secret(self, name: str) -> Path:
        return self.sds / f"{name}.json"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def worker_socket(self, index: int) -> Path:
        return self.run / f"worker-{index}.sock"

    @property
    def control_socket(self) -> Path:
        return self.run / "control.sock"

    @property
    def handover_socket(self) -> Path:
        return self.run / "handover.sock"

    @property
    def admin_socket(self) -> Path:
        return self.root / "admin.sock"

    @property
    def keys(self) -> Path:
        """The issuers' last known key sets, for a restart while the identity provider is away."""
        return self.root / "keys"

    @property
    def audit_chain(self) -> Path:
        """The end of each worker's chain of audit records."""
        return self.root / "audit" / "chain"

    @property
    def envoy_chain(self) -> Path:
        """The same of Envoy's, which records what it repeats."""
        return self.root / "audit" / "envoy-chain"

    @property
    def chains(self) -> tuple[Path, Path]:
        """All of them: where every writer's records end."""
        return self.audit_chain, self.envoy_chain

    @property
    def decision_cache(self) -> Path:
        """By what Envoy sees that nothing may be repeated any more, and where it counts what it repeated."""
        return self.run / "decision-cache"
