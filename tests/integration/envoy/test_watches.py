"""How many inotify instances an Envoy takes: what we look for before it starts (supervisor/watches.py)."""

from pathlib import Path

from tests.support.envoy_pair import EnvoyPair

from authz_service.supervisor.watches import watches


def test_envoy_opens_as_many_as_we_count(pair: EnvoyPair) -> None:
    """One for each file that it follows."""
    for envoy in (pair.edge, pair.orders):
        assert envoy.process is not None
        links = [str(one.readlink()) for one in Path(f"/proc/{envoy.process.pid}/fd").iterdir()]
        assert links.count("anon_inode:inotify") == watches(envoy.resources)
