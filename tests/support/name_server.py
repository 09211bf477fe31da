"""A DNS server that answers, fails, or hears every question and says nothing. One address for all names."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

Mood = Literal["silent", "failing", "unknown", "slow", "good"]
_RCODES = {"failing": 2, "unknown": 3, "slow": 0, "good": 0}  # RFC 1035 §4.1.1
_SLOW = 2.0  # seconds
_A = 1


class NameServer:
    """Serves from a thread; `mood` may be changed at any time."""

    def __init__(self, host: str, address: str, mood: Mood = "silent", port: int = 0) -> None:
        self.mood: Mood = mood
        self.asked = 0
        self._answer = socket.inet_aton(address)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self.host, self.port = self._socket.getsockname()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def is_asked_by(self, clusters: Path) -> None:
        """Changes a file of rendered clusters: what is looked up is asked here."""
        document = json.loads(clusters.read_text())
        for cluster in document["resources"]:
            if cluster["type"] == "STRICT_DNS":
                cluster["dns_refresh_rate"] = "0.5s"
                cluster["dns_failure_refresh_rate"] = {"base_interval": "0.2s", "max_interval": "0.5s"}
                cluster["typed_dns_resolver_config"] = self._resolver()
        clusters.write_text(json.dumps(document))

    def _resolver(self) -> object:
        place = {"socket_address": {"address": self.host, "port_value": self.port}}
        return {
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [place],
                "query_timeout_seconds": 5,
                "query_tries": 4,
                "dns_resolver_options": {"use_tcp_for_dns_lookups": False, "no_default_search_domain": True},
            },
        }

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                question, asker = self._socket.recvfrom(2048)
                self.asked += 1
                if self.mood != "silent":
                    delay = _SLOW if self.mood == "slow" else 0.0
                    threading.Timer(delay, self._say, (self._said(question), asker)).start()

    def _say(self, answer: bytes, asker: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # closed meanwhile
            self._socket.sendto(answer, asker)

    def _said(self, question: bytes) -> bytes:
        end = question.index(b"\0", 12) + 5  # the name, its type and class
        kind = int.from_bytes(question[end - 4 : end - 2], "big")
        found = self.mood in {"slow", "good"} and kind == _A
        header = question[:2] + bytes([0x81, 0x80 | _RCODES[self.mood]]) + b"\0\1" + bytes([0, found]) + b"\0\0\0\0"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + self._answer if found else b""
        return header + question[12:end] + record
