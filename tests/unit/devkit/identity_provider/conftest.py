from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import pytest

from authz_devkit.identity_provider.keys import RealmKeys
from authz_devkit.identity_provider.oauth import Call, Context
from authz_devkit.identity_provider.revocation import Revoked
from authz_realm.realm import Realm, load_realms

EXAMPLE = Path(__file__).parents[4] / "examples/three_zones/realms"
ISSUER = "https://keycloak.example.com/realms/"


@pytest.fixture(scope="session")
def realms() -> dict[str, Realm]:
    return load_realms(EXAMPLE)


@pytest.fixture(scope="session")
def session_keys() -> RealmKeys:
    return RealmKeys.create("ES256")


@pytest.fixture
def clock() -> list[float]:
    """One number, which a test may move."""
    return [1_800_000_000.0]


@pytest.fixture
def context(realms: dict[str, Realm], session_keys: RealmKeys, clock: list[float]) -> Callable[[str], Context]:
    numbers = count(1)
    revoked, used = (Revoked(lambda: clock[0]) for _ in range(2))

    def of(name: str) -> Context:
        return Context(
            realms[name], session_keys, ISSUER + name, lambda: clock[0], lambda: f"id-{next(numbers)}", revoked, used
        )

    return of


def call(form: Mapping[str, str], authorization: str | None = None, *, duplicated: bool = False) -> Call:
    return Call(form, duplicated, authorization, "127.0.0.1")
