"""What the filter finds: board, chain memory, destination, configuration, permits. As the control plane makes them."""

from __future__ import annotations

import base64
import mmap
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from authz_service.audit import chain

EPOCH = 1_700_000_000_000_001
KEY = b"a configured key"
WORDS = {"repeated": 0, "durations": 1, "not_written": 13, "broken": 14, "entries": 15, "pid": 16}
PIECES = (
    b'","level":"info","service":"order","event":"access","decision":"allow","decision_id":"',
    b'","correlation_id":"',
    b'","method":"GET","path":"/orders","duration_us":',
    b',"policy_audit":null,"shadow":false,"truncated":false,"repeats":"5f"',
)
_SIZE, _HEADER, _SLOT, _EPOCH_AT = 4096 + 64 * 256, 4096, 256, 64
_MAGIC = b"authz decision cache 1\n"


class Board:
    """The control plane's side of it."""

    def __init__(self, path: Path, epoch: int = EPOCH) -> None:
        content = bytearray(_SIZE)
        content[: len(_MAGIC)] = _MAGIC
        path.write_bytes(content)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self.path = path
        self.epoch = epoch

    @property
    def epoch(self) -> int:
        return self._word(_EPOCH_AT)

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._memory[_EPOCH_AT : _EPOCH_AT + 8] = value.to_bytes(8, sys.byteorder)

    def told(self, name: str, slot: int = 0) -> int:
        return self._word(_HEADER + slot * _SLOT + WORDS[name] * 8)

    def buckets(self, slot: int = 0) -> list[int]:
        return [self._word(_HEADER + slot * _SLOT + (2 + bucket) * 8) for bucket in range(11)]

    def mended(self, slot: int = 0) -> None:
        start = _HEADER + slot * _SLOT + WORDS["broken"] * 8
        self._memory[start : start + 8] = bytes(8)

    def _word(self, at: int) -> int:
        return int.from_bytes(self._memory[at : at + 8], sys.byteorder)


@dataclass
class Ground:
    folder: Path
    key: bytes = KEY
    asked: Sequence[str] = ("authorization", "x-extra")
    owned: Sequence[str] = ("x-user-id", "x-user-roles")
    board: Board = field(init=False)

    def __post_init__(self) -> None:
        self.board = Board(self.folder / "decision-cache")
        chain.prepare(self.chain, self.key)
        self.audit.touch()

    @property
    def chain(self) -> Path:
        return self.folder / "envoy-chain"

    @property
    def audit(self) -> Path:
        return self.folder / "audit.jsonl"

    def configuration(self, audit: str = "") -> str:
        lines = ["version 1", f"board {self.board.path}", f"chain {self.chain}", f"audit {audit or self.audit}"]
        lines += [f"asked {name}" for name in self.asked] + [f"owned {name}" for name in self.owned]
        return "".join(f"{line}\n" for line in lines)


def in_50_s() -> int:
    return time.time_ns() // 1000 + 50_000_000


def permit(
    epoch: int = EPOCH,
    until: int | None = None,
    pieces: Sequence[bytes] = PIECES,
    headers: bytes = b"x-user-id: u-1\r\nx-envoy-auth-headers-to-remove: authorization,x-user-roles\r\n",
    version: int = 1,
) -> bytes:
    head = struct.pack("<BQQ", version, epoch, in_50_s() if until is None else until)
    return head + b"".join(struct.pack("<H", len(piece)) + piece for piece in (*pieces, headers))


def as_header(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
