"""One line of JSON for each event, and one type for each field. That each call keeps to it is mypy's to say."""

import ast
import json
import logging
from functools import cache
from pathlib import Path
from typing import get_type_hints

from authz_service import logs
from authz_service.logs import Fields, JsonLines, Texts, about

SOURCE = Path(logs.__file__).parent
FIELDS = get_type_hints(Fields)
NUMBERS = {name for name, kind in FIELDS.items() if kind in {int, float}}
LISTS = {name for name, kind in FIELDS.items() if kind == Texts}
SWITCHES = {name for name, kind in FIELDS.items() if kind is bool}


def test_a_field_is_a_text_a_number_a_list_or_a_switch() -> None:
    """Never one or the other, and none is named as what every line has."""
    assert {name for name, kind in FIELDS.items() if kind is str} == FIELDS.keys() - NUMBERS - LISTS - SWITCHES
    assert not FIELDS.keys() & {"time", "level", "service", "event", "traceback"}


@cache
def _calls() -> list[tuple[str, ast.Call]]:
    """Of files in which one may be: to take apart each is slow."""
    sources = ((file.name, file.read_text("utf-8")) for file in SOURCE.rglob("*.py"))
    trees = ((name, ast.parse(source)) for name, source in sources if "about" in source or "extra" in source)
    return [(name, node) for name, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_nobody_goes_around_the_types() -> None:
    """What stands in `extra` was made by `about`, whose arguments mypy compares with the list."""
    for file, call in _calls():
        for keyword in call.keywords:
            if keyword.arg == "extra" and ast.unparse(call.func).startswith(("log.", "_log.")):
                assert ast.unparse(keyword.value).startswith(("about(", "self._about(", "told")), (
                    f"{file}:{call.lineno}"
                )


def test_every_field_is_used() -> None:
    """A name that nothing writes would be kept for nothing."""
    used = {
        keyword.arg for _, call in _calls() for keyword in call.keywords if ast.unparse(call.func).endswith("about")
    }

    assert FIELDS.keys() - used == {"targets", "scopes", "token_url", "client_id"}  # TokenRefresher._about's own


def test_an_event_is_one_line_with_its_fields() -> None:
    """Whatever is in them."""
    record = logging.makeLogRecord(
        {"msg": "keys_refreshed", "levelno": 20, "levelname": "INFO", **about(count=3, error="a\nb")}
    )

    line = JsonLines("order").format(record)

    assert "\n" not in line
    told = json.loads(line)
    assert (told["event"], told["level"], told["service"], told["count"]) == ("keys_refreshed", "info", "order", 3)
    assert told["error"] == "a\nb"
