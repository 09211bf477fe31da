"""The list of revoked certificates and tokens: every entry is understood, or the list is refused with all faults."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from authz_rego.values.number import Number
from authz_service.errors import DenylistProblems
from authz_service.trust.denylist import Denylist, parse_denylist

FINGERPRINT = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"
REALM = "https://idp.example/realms/users"
GOOD: dict[str, Any] = {
    "certificates": [{"fingerprint_sha256": FINGERPRINT}, {"issuer": "CN=zone2-CA,O=MyOrg", "serial": "04A7F01"}],
    "tokens": [{"jti": "a"}, {"sub": "b", "issuer": REALM}, {"sid": "c"}, {"azp": "d"}],
    "not_before": {REALM: "2026-01-15T10:00:00Z"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


def test_a_good_list_says_all_of_it() -> None:
    """An issuer is taken in either order of its parts, for tools disagree about it."""
    found = parse_denylist(GOOD)

    assert found == Denylist(
        fingerprints=(FINGERPRINT,),
        serials=(("CN=zone2-CA,O=MyOrg", "4a7f01"), ("O=MyOrg,CN=zone2-CA", "4a7f01")),
        claims=(("", "azp", "d"), ("", "jti", "a"), ("", "sid", "c"), (REALM, "sub", "b")),
        not_before=((REALM, 1768471200.0),),
        entries=7,
    )
    assert parse_denylist({}) == Denylist()


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"fingerprint_sha256": FINGERPRINT}, {"fingerprint_sha256": f" {FINGERPRINT.upper()} "}),
        (
            {"fingerprint_sha256": FINGERPRINT},
            {"fingerprint_sha256": ":".join(FINGERPRINT[i : i + 2] for i in range(0, 64, 2))},
        ),
        ({"issuer": "CN=a,O=b", "serial": "4a7f01"}, {"issuer": "O=b,CN=a", "serial": "00:4A:7F:01"}),
    ],
)
def test_what_tools_print_differently_is_the_same(one: dict[str, str], same: dict[str, str]) -> None:
    assert parse_denylist({"certificates": [one]}) == parse_denylist({"certificates": [same]})


@pytest.mark.parametrize(
    "moment", ["2026-01-15T11:00:00+01:00", "2026-01-15 10:00:00+00:00", 1768471200, Number("1768471200.0")]
)
def test_a_moment_has_its_zone_or_counts_seconds(moment: object) -> None:
    assert parse_denylist({"not_before": {REALM: moment}}).not_before == ((REALM, 1768471200.0),)


@pytest.mark.parametrize(
    ("document", "at"),
    [
        ({"certificate": []}, "certificate"),
        ({"certificates": {}}, "certificates"),
        ({"certificates": None}, "certificates"),
        ({"tokens": "jti"}, "tokens"),
        ({"not_before": []}, "not_before"),
        ({"certificates": ["x"]}, "certificates[0]"),
        ({"certificates": [{}]}, "certificates[0]"),
        ({"certificates": [{"fingerprint_sha256": FINGERPRINT[1:]}]}, "certificates[0]"),
        ({"certificates": [{"fingerprint": FINGERPRINT}]}, "certificates[0]"),
        ({"certificates": [{"fingerprint_sha256": FINGERPRINT, "serial": "1"}]}, "certificates[0]"),
        ({"certificates": [{"serial": "1"}]}, "certificates[0]"),
        ({"certificates": [{"issuer": "CN=a"}]}, "certificates[0]"),
        ({"certificates": [{"issuer": "zone2", "serial": "1"}]}, "certificates[0]"),
        ({"certificates": [{"issuer": "CN=a, O=b", "serial": "1"}]}, "certificates[0]"),
        ({"certificates": [{"issuer": "CN=a", "serial": "0x1"}]}, "certificates[0]"),
        ({"certificates": [{"issuer": "CN=a", "serial": 1}]}, "certificates[0].serial"),
        ({"tokens": [{}]}, "tokens[0]"),
        ({"tokens": [{"jti": "a", "sub": "b"}]}, "tokens[0]"),
        ({"tokens": [{"issuer": REALM}]}, "tokens[0]"),
        ({"tokens": [{"jti": "a", "iss": REALM}]}, "tokens[0]"),
        ({"tokens": [{"email": "a"}]}, "tokens[0]"),
        ({"tokens": [{"jti": 5}]}, "tokens[0].jti"),
        ({"tokens": [{"jti": " "}]}, "tokens[0].jti"),
        ({"tokens": [{"jti": "a"}, {"jti": None}]}, "tokens[1].jti"),
        ({"not_before": {REALM: "2026-01-15T10:00:00"}}, f"not_before[{REALM}]"),
        ({"not_before": {REALM: "yesterday"}}, f"not_before[{REALM}]"),
        ({"not_before": {REALM: True}}, f"not_before[{REALM}]"),
        ({"not_before": {REALM: None}}, f"not_before[{REALM}]"),
        ({"not_before": {REALM: -1}}, f"not_before[{REALM}]"),
        ({"not_before": {REALM: 1768471200000}}, f"not_before[{REALM}]"),
    ],
)
def test_an_entry_that_is_not_understood_refuses_the_list(document: dict[str, object], at: str) -> None:
    """Whatever else is in it is told too."""
    with pytest.raises(DenylistProblems) as refusal:
        parse_denylist({**document, "tokens ": []}, "denylist.yaml")

    found = {problem.at for problem in refusal.value.problems}
    assert found == {at, "tokens "}
    assert all(problem.fix and problem.file == "denylist.yaml" for problem in refusal.value.problems)


@given(st.dictionaries(st.sampled_from(["certificates", "tokens", "not_before", "x"]), JSON, max_size=4))
def test_whatever_it_says_it_is_understood_or_refused(document: dict[str, object]) -> None:
    """Never another exception, and never an entry less than there are."""
    try:
        found = parse_denylist(document)
    except DenylistProblems:
        return
    assert found.entries == sum(len(part) for part in document.values())  # type: ignore[arg-type, misc]


def test_the_example_in_the_documentation_is_good() -> None:
    text = (Path(__file__).parents[3] / "docs" / "rotation.md").read_text()
    example = text.partition("```yaml\ncertificates:")[2].partition("```")[0]

    assert parse_denylist(yaml.safe_load("certificates:" + example)).entries == 7
