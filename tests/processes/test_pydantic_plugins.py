"""What else is installed beside the sidecar sees no value of its configuration: pydantic loads no plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("model", "is_loaded"),
    [
        ("from authz_service.config.sections.service import Service", False),
        ("from pydantic import BaseModel\nclass Service(BaseModel): pass", True),
    ],
    ids=["of the configuration", "of somebody else"],
)
def test_a_plugin_sees_no_value(tmp_path: Path, model: str, is_loaded: bool) -> None:
    info = tmp_path / "spy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[pydantic]\nspy = spy:plugin\n", encoding="utf-8")
    (tmp_path / "spy.py").write_text("print('loaded')\nplugin = None\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", model],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ("loaded" in ran.stdout) == is_loaded, ran.stderr
