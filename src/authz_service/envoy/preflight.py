"""Asks Envoy itself whether it would take what we rendered, before anything running is touched. Not the rendering."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

from authz_service.envoy.decision_cache import NONE, OVERRIDE
from authz_service.envoy.resources import Resources, static_form
from authz_service.errors import RenderError

_TIMEOUT = 20.0
_LONGEST = 2000
_OF_A_MODULE = "dynamic module"
# The log's own words, a mark of the protobuf library, and the dump of the whole message before what is wrong with it.
_NOISE = re.compile(
    r"^(\[[^]]*\]\s*)*|.*error initializing configuration:\s*"
    r"|goo\.gle/debug\w*\s*|.*(?=Proto constraint validation failed)"
)


def validate(resources: Resources, envoy_binary: Path, scratch: Path | None = None) -> None:
    """Raises RenderError with what Envoy says. Reads no secret; leaves nothing in `scratch` (default: the system's)."""
    with tempfile.TemporaryDirectory(prefix="authz-preflight-", dir=scratch) as folder:
        secret_file = Path(folder, "secret.json")
        secret_file.write_text('{"resources": []}\n')
        form = Path(folder, "static.json")
        form.write_text(json.dumps(static_form(resources, str(secret_file))))
        command = [str(envoy_binary), "--mode", "validate", "--disable-hot-restart", "-l", "error", "-c", str(form)]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RenderError(f"{envoy_binary} could not check the rendered resources: {error}") from error
    if run.returncode != 0:
        said = _cleaned(run.stderr or run.stdout, str(form))
        way_out = f"; {OVERRIDE}={NONE} runs without the decision cache" if _OF_A_MODULE in said else ""
        raise RenderError(f"Envoy refuses what we rendered: {said}{way_out}")


def _cleaned(output: str, file: str) -> str:
    """One line: without time stamps, source lines and the name of the temporary file."""
    text = " ".join(output.replace(f" '{file}'", "").split())
    return _NOISE.sub("", text)[:_LONGEST].strip() or "no reason given"
