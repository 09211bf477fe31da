from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.envoy_pair import EnvoyPair


@pytest.fixture(scope="session")
def running_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EnvoyPair]:
    folder: Path = tmp_path_factory.mktemp("e")  # short: Unix sockets lie below it
    with EnvoyPair(folder) as pair:
        yield pair


@pytest.fixture
def pair(running_pair: EnvoyPair) -> EnvoyPair:
    running_pair.reset()
    return running_pair
