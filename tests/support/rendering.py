"""Configurations to render, and a way to find one's way in what came out. Not the expected results."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from authz_service.config.loader import load_config
from authz_service.config.model import Config
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import Resources, render

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "envoy"
PATHS = StatePaths(Path("/run/authz"))
CASES: dict[str, Path] = {
    **{path.stem: path for path in sorted((GOLDEN / "cases").glob("*.yaml"))},
    **{path.parent.name: path for path in sorted((ROOT / "examples" / "three_zones").glob("*/config.yaml"))},
}
_ENVIRONMENT = {"ORDER_SERVICE_CLIENT_SECRET": "s", "PAYMENT_SERVICE_CLIENT_SECRET": "s"}


@cache
def case(name: str) -> Config:
    return load_config(CASES[name], _ENVIRONMENT)


def rendered(name: str) -> Resources:
    return render(case(name), PATHS)


def a_config(**sections: Any) -> Config:
    """An ingress without TLS, and what the test adds."""
    plain = {"http": {"tls": {"enabled": False}}, **sections}
    proxy = {"authz": {"enabled": False}, **sections.get("proxy", {})}
    return Config.model_validate({**plain, "proxy": proxy})


def anything(value: object, key: str) -> Iterator[Any]:
    """Every value of this key, however deep."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == key:
                yield item
            yield from anything(item, key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from anything(item, key)
