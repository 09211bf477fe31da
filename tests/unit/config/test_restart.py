"""What can be changed while requests go on, and what cannot."""

from pathlib import Path

import pytest
from tests.support.config_files import GOOD, changed, load_tree

from authz_service.config.restart import restart_needed


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("service.name", "other"),
        ("admin.addr", "127.0.0.1:9902"),
        ("audit.key", "x" * 32),
        ("runtime.state_dir", "/run/other"),
        ("runtime.envoy_threads", "2"),
        ("runtime.decision_workers", "3"),
        ("runtime.drain", "31s"),
    ],
)
def test_a_change_of_the_process_itself_needs_a_restart(tmp_path: Path, key: str, value: str) -> None:
    old = load_tree(tmp_path, GOOD)

    assert restart_needed(old, old) == ()
    assert restart_needed(old, load_tree(tmp_path, changed({key: value}))) == (key,)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("http.addr", ":8444"),
        ("proxy.authz.policy_query", "data.order.other"),
        ("egress.targets.data-service.auth.client_secret", "new"),
        ("service.zone", "zone9"),
    ],
)
def test_everything_else_is_taken_over(tmp_path: Path, key: str, value: str) -> None:
    old, new = load_tree(tmp_path, GOOD), load_tree(tmp_path, changed({key: value}))

    assert old != new
    assert restart_needed(old, new) == ()


def test_all_that_needs_a_restart_is_named(tmp_path: Path) -> None:
    changes = {"runtime.drain": "31s", "service.name": "other"}

    assert restart_needed(load_tree(tmp_path, GOOD), load_tree(tmp_path, changed(changes))) == (
        "service.name",
        "runtime.drain",
    )


def test_another_agent_needs_a_restart_and_another_name_of_a_secret_does_not(tmp_path: Path) -> None:
    """Envoy learns where the agent is at its start only."""
    agent = {"http.tls": {"sds": "unix:///run/spire/agent.sock", "client_auth": "require"}}
    old = load_tree(tmp_path, changed(agent))
    same = load_tree(tmp_path, changed(agent | {"http.tls.sds_ca": "spiffe://mesh"}))
    other = load_tree(tmp_path, changed(agent | {"http.tls.sds": "unix:///run/other.sock"}))

    assert restart_needed(old, same) == ()
    assert restart_needed(old, other) == ("tls.sds",)
    assert restart_needed(load_tree(tmp_path, GOOD), old) == ("tls.sds",)
