"""Names that nobody answers hold up nothing else of the control plane."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from authz_service.control_plane.event_loop import ControlLoop

_FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


class Names:
    """Looks a name up when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go_on = threading.Event()

    def __call__(self, host: str, *_: object) -> Any:
        self.asked.append(host)
        self.go_on.wait()
        if host.startswith("nowhere"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return _FOUND


def run(names: Names, test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        with asyncio.Runner(loop_factory=lambda: ControlLoop(names)) as runner:
            runner.run(test())
    finally:
        names.go_on.set()


def test_names_without_an_answer_leave_the_threads_for_files_alone() -> None:
    """A hundred names; and the end does not wait for them either, as this test ends."""
    names = Names()

    async def test() -> None:
        loop = asyncio.get_running_loop()
        asking = [asyncio.ensure_future(loop.getaddrinfo(f"n{number}", 80)) for number in range(100)]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(lambda: "read") == "read"
        assert not any(one.done() for one in asking)

    run(names, test)


def test_a_name_is_looked_up_once_however_many_ask() -> None:
    """Who gives up takes nobody's answer away; who comes later asks anew."""
    names = Names()

    async def test() -> None:
        loop = asyncio.get_running_loop()
        asking = [asyncio.ensure_future(loop.getaddrinfo("a", 80)) for _ in range(50)]
        await asyncio.sleep(0)
        asking[0].cancel()
        names.go_on.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [_FOUND] * 49
        assert names.asked == ["a"]
        await loop.getaddrinfo("a", 80)
        assert names.asked == ["a", "a"]

    run(names, test)


def test_a_name_that_is_not_there_is_an_error_for_all_who_asked() -> None:
    names = Names()
    names.go_on.set()

    async def test() -> None:
        for _ in range(2):
            with pytest.raises(socket.gaierror, match="not known"):
                await asyncio.get_running_loop().getaddrinfo("nowhere", 80)

    run(names, test)


def test_the_real_one_finds_this_host() -> None:
    with asyncio.Runner(loop_factory=ControlLoop) as runner:
        found = runner.run(asyncio.wait_for(_find(), 30))
    assert "127.0.0.1" in {address[0] for *_, address in found}


async def _find() -> Any:
    return await asyncio.get_running_loop().getaddrinfo("localhost", 80, family=socket.AF_INET)
