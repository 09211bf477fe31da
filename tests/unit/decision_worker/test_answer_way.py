"""The way of a request through the folders, from Envoy's bytes to ours: it leads down the page, as the imports do."""

import sys
import tomllib
from pathlib import Path
from types import FrameType

import pytest
from tests.support.remembering_worker import Live

SOURCES = Path(__file__).parents[3] / "src"


def _floors() -> dict[str, int]:
    """The layers of pyproject.toml, the highest number at the top."""
    settings = tomllib.loads((SOURCES.parent / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return {
        name.strip().replace(".", "/"): floor
        for floor, layer in enumerate(reversed(layers))
        for name in layer.split("|")
    }


class _Way:
    """Every call from one folder to another one, while it is entered."""

    def __init__(self) -> None:
        self._floors = _floors()
        self.steps: list[tuple[str, str]] = []

    def __enter__(self) -> None:
        sys.setprofile(self._note)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        to = self._place(frame) if event == "call" else ""
        caller = frame.f_back
        while to and caller is not None and not self._place(caller):
            caller = caller.f_back  # of a library, or a policy's own
        if to and caller is not None and self._place(caller) != to:
            self.steps.append((self._place(caller), to))

    def _place(self, frame: FrameType) -> str:
        file = Path(frame.f_code.co_filename)
        if not file.is_relative_to(SOURCES):
            return ""
        found = file.relative_to(SOURCES).with_suffix("").parts
        return found[0] if found[0] == "authz_rego" else "/".join(found[:2])

    @property
    def climbs(self) -> list[tuple[str, str]]:
        return [step for step in self.steps if self._floors[step[1]] >= self._floors[step[0]]]


@pytest.mark.parametrize(("path", "answer"), [(b"/orders", b"200"), (b"/admin", b"403")])
def test_a_request_climbs_twice(tmp_path: Path, path: bytes, answer: bytes) -> None:
    """From who reads Envoy's bytes to who remembers, and to who answers; from there on each folder asks those below."""
    live = Live(tmp_path)
    live.asked = live.asked._replace(path=path)
    question, way = live.question(), _Way()

    with way:
        answered = live.ask_raw(question)

    assert answered.startswith(b"HTTP/1.1 " + answer)
    assert way.climbs == [("authz_service/ext_authz", "authz_service/decision_worker")] * 2
    met = {to for _, to in way.steps}
    assert {f"authz_service/{name}" for name in ("ingress", "identity", "policy", "audit", "ext_authz")} <= met
