"""Imported by every Python with this folder on its path: lets a request run an exploit inside a decision worker.

`GET /taken-over/<name>` runs that function of `ways_out` where the question is answered, and logs what it got. With a
file `no_walls` beside it, nobody raises walls: what each way out is worth without them.
"""

# mypy: ignore-errors
# It puts other functions in place of the product's.

import sys
from pathlib import Path

_HERE = Path(__file__).parent
_PRODUCT = ("authz_service.decision_worker.forkserver", "authz_service.cli.main")


def _without_walls() -> None:
    from authz_service.decision_worker import process as worker
    from authz_service.walls import raising

    raising.hide_memory = lambda: None
    raising.around_forkserver = lambda: None
    raising.leave_root = list
    worker.around_worker = list
    worker.Doors.close_all_others = lambda _self: None


def _with_exploit() -> None:
    import json

    from authz_service.decision_worker.answer import Answering

    sys.path.insert(0, str(_HERE))
    import ways_out

    answer = Answering.answer

    def taken_over(self, method, target, *more):
        _, _, wanted = target.decode().partition("/taken-over/")
        if wanted:
            name = wanted.partition("?")[0]
            try:
                got = f"got {ways_out.WAYS_OUT[name]()}"
            except BaseException as error:  # noqa: BLE001 - whatever stops it
                got = f"{type(error).__name__}: {error}"
            sys.stderr.write(json.dumps({"event": "taken_over", "way": name, "outcome": got}) + "\n")
            sys.stderr.flush()
        return answer(self, method, target, *more)

    Answering.answer = taken_over
    Answering.recall = lambda _self, _question: None  # else a known caller's question is not parsed


if any(name in sys.orig_argv for name in _PRODUCT):
    if (_HERE / "no_walls").exists():
        _without_walls()
    if _PRODUCT[0] in sys.orig_argv:
        _with_exploit()
