"""The quantities of the configuration: durations (`500ms 60s 5m 1h`) and sizes (`64KiB 10MiB`). Not their meaning."""

import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_BYTES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError for anything but a number with a unit, such as `500ms`, `60s`, `5m` or `1h`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a duration is a number with a unit: 500ms, 60s, 5m, 1h")
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(text: str) -> int:
    """Bytes. Raises ValueError for anything but a whole number with B, KiB, MiB or GiB."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a size is a whole number with a unit: 512B, 64KiB, 10MiB, 1GiB")
    return int(match[1]) * _BYTES[match[2]]


def format_duration(seconds: float) -> str:
    """As one writes it: `60s`, `5m`, `1h`, `500ms`."""
    for unit, length in (("h", 3600), ("m", 60), ("s", 1)):
        if seconds % length == 0 and (seconds > length or unit != "m") and (seconds or unit == "s"):
            return f"{int(seconds // length)}{unit}"
    return f"{round(seconds * 1000)}ms"


def format_size(size: int) -> str:
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size and size % length == 0:
            return f"{size // length}{unit}"
    return f"{size}B"
