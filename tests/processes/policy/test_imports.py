"""What comes along with an import, in a fresh interpreter: memory of each decision worker, and of the control plane."""

import subprocess
import sys


def test_the_engine_is_lean() -> None:
    """A decision worker imports it: nothing heavy may come with it."""
    heavy = ("pydantic", "httpx", "click", "rich", "subprocess", "asyncio")
    code = f"import sys, authz_service.policy.decide.engine; print([m for m in {heavy} if m in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_who_does_not_evaluate_does_not_load_the_compiler() -> None:
    """The control plane knows what answers mean, and runs no policy: it would be 5 MiB of it for nothing."""
    code = "import sys, authz_service.{}; print('authz_rego.policy' in sys.modules)"

    def is_loaded(module: str) -> str:
        return subprocess.check_output([sys.executable, "-c", code.format(module)], text=True).strip()

    assert is_loaded("control_plane.sidecar") == "False"
    assert is_loaded("decision_worker.process") == "True"
