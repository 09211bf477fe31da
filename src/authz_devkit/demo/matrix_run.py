"""Tries every cell of the security matrix against a running mesh: expectations are the file's, outcomes the mesh's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from authz_devkit.demo.caller import POD, Answer, Caller, Tokens
from authz_devkit.demo.matrix import Cell
from authz_devkit.demo.play import Expectation

_AT_ONCE = 8  # requests under way
_SCOPES = {
    "order-service": "data-service:read data-service:write",
    "payment-service": "data-service:read data-service:write-payments",
    "api-gateway": "",
}
_USERS = ("john", "victor")


class Tried(NamedTuple):
    """One cell and what really came of it."""

    cell: Cell
    answer: Answer

    @property
    def held(self) -> bool:
        """Both the status and the reason are as expected."""
        return self.answer.status == self.cell.expected_status and self.answer.reason == self.cell.expected_reason

    @property
    def outcome(self) -> str:
        return _words(self.answer.status, self.answer.reason)

    @property
    def expected(self) -> str:
        return _words(self.cell.expected_status, self.cell.expected_reason)

    def expectation(self) -> Expectation:
        detail = f"{self.outcome}: {self.cell.because}"
        return Expectation(
            self.cell.name, self.held, detail if self.held else f"expected {self.expected}, got {self.outcome}"
        )


async def try_all(
    cells: Sequence[Cell], caller: Caller, tokens: Tokens, on_tried: Callable[[], None] = lambda: None
) -> list[Tried]:
    """In the order of `cells`, a few at once."""
    bearer = await Bearers.fetch(tokens)
    room = asyncio.Semaphore(_AT_ONCE)

    async def attempt(cell: Cell) -> Tried:
        async with room:
            answer = await caller.call(
                POD[cell.destination],
                cell.method,
                cell.path,
                certificate=cell.certificate,
                token=bearer.of(cell),
                body=cell.body,
                headers=dict(cell.headers),
            )
            on_tried()
            return Tried(cell, answer)

    return await asyncio.gather(*(attempt(cell) for cell in cells))


class Bearers:
    """The tokens that the matrix names; the spoilt ones are made from the kind that would be right."""

    def __init__(self, good: dict[str, str], expired: dict[str, str], tampered: dict[str, str]) -> None:
        self._good = good
        self._spoilt = {"expired": expired, "tampered": tampered}

    @classmethod
    async def fetch(cls, tokens: Tokens) -> Bearers:
        users = {name: await tokens.user(name) for name in _USERS}
        services = {name: await tokens.service(name, scope) for name, scope in _SCOPES.items()}
        good = users | services
        expired = _each(users, lambda token: tokens.expired(token, "users"))
        expired |= _each(services, lambda token: tokens.expired(token, "services"))
        return cls(good, expired, _each(good, tokens.tampered))

    def of(self, cell: Cell) -> str | None:
        if cell.token == "none":  # noqa: S105 - the matrix's word for no token
            return None
        return self._good.get(cell.token) or self._spoilt[cell.token][self._right_kind(cell)]

    @staticmethod
    def _right_kind(cell: Cell) -> str:
        if cell.destination != "data":
            return "john"
        return cell.source if cell.source in _SCOPES else "order-service"


def _each(tokens: dict[str, str], change: Callable[[str], str]) -> dict[str, str]:
    return {name: change(token) for name, token in tokens.items()}


def _words(status: int, reason: str) -> str:
    if reason == "tls_refused":
        return "TLS handshake refused"
    return f"{status} {reason}" if reason else f"reached, {status}"
