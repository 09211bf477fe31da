from pathlib import Path

import pytest

from authz_realm.realm import Realm, load_realms

EXAMPLE = Path(__file__).parents[3] / "examples/three_zones/realms"


@pytest.fixture(scope="session")
def realms() -> dict[str, Realm]:
    return load_realms(EXAMPLE)
