"""What pyproject.toml cannot say: the module that Envoy loads is compiled where that can be done. Never in the way."""

import sys
from pathlib import Path
from runpy import run_path
from sysconfig import get_platform

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

_ROOT = Path(__file__).resolve().parent
_BUILD = _ROOT / "src" / "envoy_module" / "build.py"
_MODULE = Path("authz_service", "envoy", "libdecision_cache.so")


class BuildWithModule(build_py):
    """Puts it beside the Python that renders it: into the sources where the installation is editable."""

    def run(self) -> None:
        super().run()
        packages = _ROOT / "src" if self.editable_mode else Path(self.build_lib).resolve()
        if not _BUILD.exists():
            sys.stderr.write("the decision cache is left out: its sources are not here\n")
            return
        build = run_path(str(_BUILD))
        if problem := build["build"](packages / _MODULE):
            sys.stderr.write(build["LEFT_OUT"].format(problem) + "\n")


class WheelWithModule(bdist_wheel):
    """With the module a wheel is for one platform; of Python it needs no certain version."""

    def get_tag(self) -> tuple[str, str, str]:
        packages = Path(self.get_finalized_command("build_py").build_lib)
        platform = get_platform().replace("-", "_").replace(".", "_")
        return ("py3", "none", platform) if (packages / _MODULE).exists() else super().get_tag()


setup(cmdclass={"build_py": BuildWithModule, "bdist_wheel": WheelWithModule})
