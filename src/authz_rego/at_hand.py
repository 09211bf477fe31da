"""Brings at once what a policy would otherwise have imported or read. For processes that can open nothing later."""

from __future__ import annotations

import codecs

from authz_rego.builtins.declarations import declarations
from authz_rego.builtins.table import functions
from authz_rego.builtins.time_zones import database
from authz_rego.values.characters import document


def bring_everything() -> None:
    """From here on neither a file nor a module is missing, whatever the policy."""
    functions()
    declarations()
    document()
    database()
    codecs.lookup("utf-16-le")  # Python imports this one when it is first used
