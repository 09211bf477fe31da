"""The denylist's file: what is broken never replaces what is good, and is told."""

import json
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.support.decisions import PEERS, rules

from authz_service.config.model import Config, Revocation
from authz_service.control_plane.sources.denylist import MAX_JSON_BYTES, MAX_YAML_BYTES, ServedDenylist, load_denylist
from authz_service.domain.rules import TokenDenials
from authz_service.errors import DenylistProblems

FINGERPRINT = "5e" * 32
GOOD = f"""
certificates: [{{fingerprint_sha256: "{FINGERPRINT}"}}, {{issuer: "CN=a", serial: "1f"}}]
tokens: [{{jti: a}}]
not_before: {{"https://idp": 5}}
"""
BROKEN = {
    "empty": "",
    "blank": "\n \n",
    "not yaml": "tokens: [",
    "not json": "{",
    "list": "[]",
    "twice": "tokens: [{jti: b}]\ntokens: []\n",
    "twice in json": '{"tokens": [{"jti": "b"}], "tokens": []}',
    "unknown": "token: []",
    "not utf-8": "tokens: [{jti: \udcff}]",
    "long yaml": "tokens:\n" + "- {jti: b}\n" * (MAX_YAML_BYTES // 10),
    "too long": "{" + " " * MAX_JSON_BYTES + "}",
}


class Served:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "denylist.yaml"
        self.reloads: Counter[tuple[str, str]] = Counter()
        self.list = ServedDenylist(self.reloads)

    def write(self, text: str) -> None:
        self.file.write_bytes(text.encode("utf-8", "surrogateescape"))

    def refresh(self, file: Path | None = None) -> None:
        self.list.refresh(Config(revocation=Revocation(path=file or self.file)))

    def denials(self) -> TokenDenials:
        return self.list.with_denied(rules()).denials


@pytest.fixture
def served(tmp_path: Path) -> Served:
    served = Served(tmp_path)
    served.write(GOOD)
    served.refresh()
    served.list.require_usable()
    return served


def test_the_rules_carry_what_the_list_says_beside_the_revocation_lists(served: Served) -> None:
    """Where no certificate is looked at, its part is left out."""
    given = rules(peers=replace(PEERS, revoked=(("CN=b", "2"),)))
    with_it = served.list.with_denied(given)

    assert with_it.peers is not None
    assert with_it.peers.revoked == (("CN=a", "1f"), ("CN=b", "2"))
    assert with_it.peers.revoked_fingerprints == (FINGERPRINT,)
    assert with_it.denials == TokenDenials((("", "jti", "a"),), (("https://idp", 5.0),))
    assert served.list.with_denied(rules(peers=None)).peers is None
    assert served.list._list.entries == 4


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_list_never_replaces_a_good_one(served: Served, name: str) -> None:
    """It is counted once, however often it is looked at; a good one heals it."""
    before = served.denials()
    served.write(BROKEN[name])
    for _ in range(3):
        served.refresh()

    assert served.denials() == before
    assert str(served.file) in served.list.problem
    served.write('{"tokens": [{"jti": "c"}]}')
    served.refresh()
    assert served.list.problem == ""
    assert served.denials().claims == (("", "jti", "c"),)
    assert served.reloads == {("denylist", "refused"): 1, ("denylist", "ok"): 1}


def test_a_list_that_is_away_stays_in_force(served: Served) -> None:
    """And is fine again when it is back."""
    before = served.denials()
    served.file.unlink()
    served.refresh()
    assert "cannot be read" in served.list.problem
    assert served.denials() == before

    served.write(GOOD)
    served.refresh()
    assert served.list.problem == ""


def test_nothing_stands_in_for_a_list_that_was_never_good(tmp_path: Path, served: Served) -> None:
    """Neither at the start, nor for a file that is named anew; without the section there is no list."""
    fresh = Served(tmp_path / "absent")
    fresh.refresh()
    served.refresh(tmp_path / "other.yaml")

    for one in (fresh, served):
        with pytest.raises(DenylistProblems):
            one.list.require_usable()
    with pytest.raises(DenylistProblems):
        load_denylist(tmp_path / "other.yaml")
    served.list.refresh(Config())
    served.list.require_usable()
    assert served.denials() == TokenDenials()


def test_a_long_list_is_read_from_json(served: Served) -> None:
    served.write(json.dumps({"tokens": [{"jti": str(number)} for number in range(50_000)]}))
    served.refresh()

    assert served.list.problem == ""
    assert served.list._list.entries == 50_000
