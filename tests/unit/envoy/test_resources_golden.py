"""Every resource that we render, as it was reviewed. `UPDATE_GOLDEN=1 pytest tests/unit/envoy` writes them anew."""

import os
from base64 import b64encode
from importlib import resources

import pytest
import yaml
from tests.support.rendering import CASES, GOLDEN, anything, case, rendered

_SHARED = "local_reply_config"
PROGRAM = b64encode(resources.files("authz_service.envoy").joinpath("stream_watch.wasm").read_bytes()).decode()
REVIEWED = [name for name in CASES if name != "payment-service"]  # it differs from order-service in names only


@pytest.mark.parametrize("name", REVIEWED)
def test_the_rendering_is_as_reviewed(name: str) -> None:
    """A difference is a change of what Envoy does: review it like code."""
    ours = rendered(name)
    shared = next(anything(ours.listeners, _SHARED))
    _compare("local_replies", _plain(shared))
    found = {
        "secrets": list(ours.secrets),
        "routes": dict(ours.routes),
        "listeners": list(ours.listeners),
        "clusters": list(ours.clusters),
        "bootstrap": ours.bootstrap,
    }
    _compare(name, _plain(found))


def _compare(name: str, found: object) -> None:
    text = yaml.dump(found, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True, Dumper=_NoAliases)
    if name in CASES:
        text = text.replace(case(name).tag, "<tag>")  # it changes with every new key of the configuration
        text = text.replace(PROGRAM, "<stream_watch.wasm>")  # its source is what is reviewed
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)

    assert text == golden.read_text()


def test_every_golden_file_has_its_case() -> None:
    """A file that nobody compares proves nothing."""
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == {*REVIEWED, "local_replies", "decision_cache"}


def _plain(value: object) -> object:
    """Lists and dicts only; what every listener has alike stands in a file of its own."""
    if isinstance(value, dict):
        return {key: "see local_replies.yaml" if key == _SHARED else _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True
