"""A host for the WebAssembly filter, in place of Envoy: it calls what Envoy calls, and notes what it is asked for."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import resources

import wasmtime

from authz_service.envoy.filters import DECISION_CLUSTER
from authz_service.headers import IN_PROGRESS_PATH

ROOT = 1
QUESTION = b"GET\n/path\ntag|/**\n127.0.0.1\ncorrelation\nauthorization:Bearer token"
PEER = b"certificate"
_OK, _NOT_FOUND = 0, 1
_HEADERS = f":method\0POST\0:path\0{IN_PROGRESS_PATH}\0:authority\0{DECISION_CLUSTER}\0".encode()
_STATE = {b"filter_state\0authz.question": QUESTION, b"filter_state\0authz.peer": PEER}


class WasmHost:
    """`questions` are the bodies of calls without an answer, `ended` what was ended: number, status, details."""

    def __init__(self) -> None:
        engine, module = _compiled()
        self._store = wasmtime.Store(engine)
        self.questions: list[bytes] = []
        self.ended: list[tuple[int, int, str]] = []
        self._live: set[int] = set()
        self._speaks_for = 0
        self._answer = b""
        imports = [
            wasmtime.Func(self._store, one.type, getattr(self, f"_{one.name}"))  # type: ignore[arg-type] # all are functions
            for one in module.imports
        ]
        self._exports = wasmtime.Instance(self._store, module, imports).exports(self._store)
        assert self._call("proxy_on_configure", ROOT, 0) == 1

    def create(self, number: int) -> None:
        self._live.add(number)
        self._call("proxy_on_context_create", number, ROOT)

    def delete(self, number: int) -> None:
        self._live.discard(number)
        self._call("proxy_on_delete", number)

    def tick(self) -> None:
        self._call("proxy_on_tick", ROOT)

    def answer(self, body: bytes) -> None:
        """To the one question that is open."""
        self._answer = body
        self._call("proxy_on_http_call_response", ROOT, 1, 1 if body else 0, len(body), 0)

    def _call(self, name: str, *numbers: int) -> int | None:
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)
        found: int | None = function(self._store, *map(_signed, numbers))
        return found

    @property
    def _memory(self) -> wasmtime.Memory:
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)
        return memory

    def _read(self, at: int, length: int) -> bytes:
        return bytes(self._memory.read(self._store, at, at + length))

    def _give(self, value: bytes, to: int, to_length: int) -> int:
        at = self._call("proxy_on_memory_allocate", len(value))
        assert at
        self._memory.write(self._store, value, at)
        self._memory.write(self._store, at.to_bytes(4, "little"), to)
        self._memory.write(self._store, len(value).to_bytes(4, "little"), to_length)
        return _OK

    # what the filter imports

    def _proxy_set_tick_period_milliseconds(self, period: int) -> int:
        assert period == 500
        return _OK

    def _proxy_set_effective_context(self, number: int) -> int:
        self._speaks_for = number & 0xFFFFFFFF
        return _OK if self._speaks_for in self._live else _NOT_FOUND

    def _proxy_get_property(self, path: int, length: int, to: int, to_length: int) -> int:
        return self._give(_STATE[self._read(path, length)], to, to_length)

    def _proxy_http_call(self, *numbers: int) -> int:
        assert self._read(*numbers[:2]) == DECISION_CLUSTER.encode()
        assert self._read(*numbers[2:4]).endswith(_HEADERS)
        self.questions.append(self._read(*numbers[4:6]))
        return _OK

    def _proxy_get_buffer_bytes(self, kind: int, start: int, most: int, to: int, to_length: int) -> int:
        assert (kind, start, most) == (4, 0, len(self._answer))
        return self._give(self._answer, to, to_length)

    def _proxy_send_local_response(self, status: int, details: int, length: int, *_: int) -> int:
        self.ended.append((self._speaks_for, status, self._read(details, length).decode()))
        return _OK


@cache
def _compiled() -> tuple[wasmtime.Engine, wasmtime.Module]:
    engine = wasmtime.Engine()
    program = resources.files("authz_service.envoy").joinpath("stream_watch.wasm").read_bytes()
    return engine, wasmtime.Module(engine, program)


def _signed(number: int) -> int:
    return ctypes.c_int32(number).value
