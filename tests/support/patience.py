"""How long a test waits for a fact: generously, machines do other things too. Only one that fails waits so long."""

import time
from collections.abc import Callable

PATIENCE = 90.0  # seconds


def until(holds: Callable[[], object], patience: float = PATIENCE, state: Callable[[], str] = lambda: "") -> float:
    """Wait until it holds; how many seconds that took. AssertionError, with `state()`, when patience is at an end."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < patience, state()
        time.sleep(0.02)
    return time.monotonic() - started
