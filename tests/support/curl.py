"""curl, which the pages' lines call: asked of who tries them, not of who runs the tests. CI has it (`.ci/run`)."""

import shutil

import pytest

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
