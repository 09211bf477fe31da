"""`authz render`: the Envoy resources of a configuration, as YAML for people. Writes no file, starts nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from authz_service.config.loader import load_config
from authz_service.envoy.decision_cache import decision_cache
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import render


def rendered_yaml(config_path: Path, environment: Mapping[str, str]) -> str:
    """One document with every file that Envoy would be given, by its name. Holds no secret: they are in SDS files."""
    config = load_config(config_path, environment)
    cache = decision_cache(config, environment)
    files = render(config, StatePaths(config.runtime.state_dir), cache.library).files()
    return yaml.safe_dump({name: json.loads(text) for name, text in files.items()}, sort_keys=False, width=120)
