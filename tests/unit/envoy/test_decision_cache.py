"""The decision cache in Envoy: when it is rendered, why not, and that nothing else changes with it."""

import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.rendering import CASES, GOLDEN, PATHS, a_config, anything, case, rendered

from authz_service import headers
from authz_service.config.model import Config
from authz_service.control_plane.gate_rules import gate_rules
from authz_service.envoy.binary import OVERRIDE as BINARY
from authz_service.envoy.decision_cache import FILTER, LIBRARY, NONE, OVERRIDE, STATES, DecisionCache, decision_cache
from authz_service.envoy.filters import EXT_AUTHZ, KNOWN
from authz_service.envoy.messages import Message
from authz_service.envoy.resources import Resources, render
from authz_service.errors import RenderError

AT = Path("/opt/authz/libdecision_cache.so")
WITH_AN_INGRESS = [name for name in CASES if "ingress" in rendered(name).routes]
POLICY: dict[str, Any] = {"policy_query": "data.a.allow"}


def _config(**authz: object) -> Config:
    return a_config(proxy={"authz": POLICY | authz})


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A file; only Envoy can say whether it is a library."""
    (tmp_path / LIBRARY.name).touch()
    return tmp_path / LIBRARY.name


def _envoy(folder: Path, version: str) -> dict[str, str]:
    program = folder / "envoy"
    program.write_text(f"#!/bin/sh\necho 'envoy  version: abc/{version}/Clean/RELEASE/BoringSSL'\n")
    program.chmod(0o755)
    return {BINARY: str(program)}


def test_it_is_used_where_all_of_it_fits(library: Path, tmp_path: Path) -> None:
    """Its "no"s are below."""
    environment = {OVERRIDE: str(library)}

    assert decision_cache(_config(), environment).library == library
    assert decision_cache(_config(), environment | _envoy(tmp_path, "1.40.7")).state == "used"


DENIED_COPY = {"opa_decision_log": {"path": "/var/log/opa.jsonl"}}


@pytest.mark.parametrize(
    ("config", "state"),
    [
        (_config(remember="0s"), "nothing_repeated"),
        (a_config(), "nothing_repeated"),  # no policy is asked: a worker is, for token and peer
        (a_config(proxy={"authz": POLICY}, audit=DENIED_COPY), "copied"),
        (_config(candidate={"path": "/etc/authz/next"}), "copied"),
        (a_config(proxy={"enabled": False}), "no_ingress"),
    ],
)
def test_what_is_configured_may_leave_it_out(library: Path, config: Config, state: str) -> None:
    found = decision_cache(config, {OVERRIDE: str(library)})

    assert (found.state, found.library) == (state, None)
    assert not found.is_missed


@pytest.mark.parametrize("version", ["1.39.9", "1.41.0", "1.4.0", "2.40.1", "1.400.0"])
def test_it_is_for_one_minor_version_of_envoy(library: Path, tmp_path: Path, version: str) -> None:
    """Envoy only warns of a module that was made for another one."""
    found = decision_cache(_config(), {OVERRIDE: str(library)} | _envoy(tmp_path, version))

    assert (found.state, found.library, found.is_missed) == ("other_envoy", None, True)
    assert version in found.words


def test_it_can_be_switched_off_and_is_off_where_it_was_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is a wish, the second is told as something that is missing."""
    assert decision_cache(_config(), {OVERRIDE: NONE}) == DecisionCache("switched_off", f"{OVERRIDE} is {NONE}")

    monkeypatch.setattr("authz_service.envoy.decision_cache.LIBRARY", tmp_path / "nothing.so")
    for environment in ({}, {OVERRIDE: ""}):
        found = decision_cache(_config(), environment)
        assert (found.state, found.library, found.is_missed) == ("not_built", None, True)


def test_what_is_named_has_to_be_there(tmp_path: Path) -> None:
    """A wish that cannot be fulfilled is no silent "without"."""
    with pytest.raises(RenderError, match=r"AUTHZ_ENVOY_MODULE: .*gone\.so is no file"):
        decision_cache(_config(), {OVERRIDE: str(tmp_path / "gone.so")})


def test_an_envoy_that_does_not_run_is_none_that_it_is_made_for(library: Path, tmp_path: Path) -> None:
    found = decision_cache(_config(), {OVERRIDE: str(library), BINARY: str(tmp_path / "gone")})

    assert (found.state, found.library) == ("other_envoy", None)


def test_every_state_is_described() -> None:
    """They are labels of a metric."""
    told = (Path(__file__).parents[3] / "docs" / "performance.md").read_text()

    assert all(f"| `{state}` |" in told for state in STATES)


@pytest.mark.parametrize("cached", [True, False])
def test_workers_are_told_whether_envoy_repeats(cached: bool) -> None:
    assert gate_rules(_config(), None, "r", cached_in_envoy=cached).cached_in_envoy is cached


def _with(name: str) -> Resources:
    return render(case(name), PATHS, AT)


def _chains(resources: Resources) -> list[list[dict[str, Any]]]:
    """The HTTP filters of each chain of the ingress; there are two behind a balancer."""
    ingress = next(listener for listener in resources.listeners if listener["name"] == "ingress")
    return [list(chain) for chain in anything(ingress, "http_filters")]


@pytest.mark.parametrize("name", WITH_AN_INGRESS)
def test_it_stands_right_before_the_gate_and_changes_nothing_else(name: str) -> None:
    """What it knows is not asked; everything else is, as without it."""
    ours = _with(name)
    for chain in _chains(ours):
        names = [one["name"] for one in chain]
        assert names.count(FILTER) == 1
        assert names.index(EXT_AUTHZ) == names.index(FILTER) + 1

    assert _stripped(ours) == _plain(rendered(name))


@pytest.mark.parametrize("name", sorted(set(CASES) - set(WITH_AN_INGRESS)))
def test_the_egress_has_none(name: str) -> None:
    assert _plain(_with(name)) == _plain(rendered(name))


def _plain(resources: Resources) -> dict[str, Any]:
    found: dict[str, Any] = {name: json.loads(text) for name, text in resources.files().items()}
    for each in found.values():
        each.pop("version_info", None)
    return found


def _stripped(resources: Resources) -> dict[str, Any]:
    """Without the filter, the gate's condition, and the header by which it learns."""
    found = _plain(resources)
    for chain in anything(found["xds/lds.json"], "http_filters"):
        chain[:] = [one for one in chain if one["name"] != FILTER]
    for asking in anything(found["xds/lds.json"], "typed_config"):
        condition = asking.pop("filter_enabled_metadata", None)
        if condition is None:
            continue
        namespace, key = KNOWN
        assert condition == {
            "filter": namespace,
            "path": [{"key": key}],
            "value": {"bool_match": True},
            "invert": True,
        }
        answers = asking["http_service"]["authorization_response"]
        patterns = answers["dynamic_metadata_from_headers"]["patterns"]
        patterns.remove({"exact": headers.REMEMBER})
        if not patterns:
            del answers["dynamic_metadata_from_headers"]
    return found


def _told(filter_: Mapping[str, Any]) -> list[list[str]]:
    return [line.split(" ", 1) for line in filter_["typed_config"]["filter_config"]["value"].splitlines()]


@pytest.mark.parametrize("name", WITH_AN_INGRESS)
def test_it_looks_at_every_header_that_the_gate_is_told(name: str) -> None:
    """One that it did not look at could differ in what is answered alike."""
    for chain in _chains(_with(name)):
        mine, gate = next((a, b) for a, b in itertools.pairwise(chain) if a["name"] == FILTER)
        told = {pattern["exact"] for pattern in gate["typed_config"]["allowed_headers"]["patterns"]}
        asked = [value for key, value in _told(mine) if key == "asked"]

        assert set(asked) == told - {headers.CORRELATION_ID} | {headers.AUTHORIZATION}
        answers = gate["typed_config"]["http_service"]["authorization_response"]
        owned = {pattern["exact"] for pattern in answers.get("allowed_upstream_headers", {}).get("patterns", ())}
        assert {value for key, value in _told(mine) if key == "owned"} == owned


def test_its_settings_are_as_reviewed() -> None:
    """`UPDATE_GOLDEN=1` writes them anew."""
    (chain, *_) = _chains(_with("everything"))
    found: list[Message] = [one for one in chain if one["name"] in {FILTER, EXT_AUTHZ}]
    text = yaml.safe_dump(json.loads(json.dumps(found)), sort_keys=False, width=120)
    text = text.replace(headers.listener_tag(owned(chain)), "<tag>")
    golden = GOLDEN / "decision_cache.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)

    assert text == golden.read_text()


def owned(chain: list[dict[str, Any]]) -> list[str]:
    return [value for one in chain if one["name"] == FILTER for key, value in _told(one) if key == "owned"]


def test_nobody_writes_a_line_of_its_settings() -> None:
    """A path with a line end in it would be another setting."""
    config = a_config(proxy={"authz": POLICY}, audit={"path": "/var/log/a\nasked nothing"})

    with pytest.raises(RenderError, match="line end"):
        render(config, PATHS, AT)


def test_a_callers_own_permit_is_removed_with_every_other_header_of_ours() -> None:
    """By its prefix, at every door; that it has no effect is tried on a live Envoy."""
    assert headers.is_stripped(headers.REMEMBER)
    assert headers.REMEMBER.startswith(headers.STRIPPED_PREFIXES)
