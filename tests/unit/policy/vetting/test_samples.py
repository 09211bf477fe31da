"""The probes: whole input documents, made of the policy's own words, bounded in number."""

import json

from authz_service.policy.vetting.contract import INPUT_FIELDS
from authz_service.policy.vetting.samples import samples
from authz_service.request_form import METHODS


def documents(*words: str) -> list[dict[str, dict[str, object]]]:
    return [json.loads(sample.document) for sample in samples(words)]


def test_each_probe_is_the_documented_input() -> None:
    """The same fields that references are checked against."""
    for document in documents("GET", "/orders", "order-client"):
        assert set(document) == set(INPUT_FIELDS)
        for name in ("mtls", "request"):
            known = INPUT_FIELDS[name]
            assert known is not None
            assert set(document[name]) <= known


def test_the_policys_words_become_paths_methods_clients_and_roles() -> None:
    """Without them there are only the defaults."""
    with_words = documents("POST", "/orders", "items", "order-client", "orders:create")
    without = documents()

    def seen(probes: list[dict[str, dict[str, object]]], part: str, field: str) -> str:
        return json.dumps([probe[part].get(field) for probe in probes])

    for part, field, word in (
        ("request", "path", "/orders/1"),
        ("request", "segments", '["items"]'),
        ("request", "method", "POST"),
        ("mtls", "subject", "order-client"),
        ("token", "azp", '"order"'),
        ("token", "realm_access", "orders:create"),
    ):
        assert word in seen(with_words, part, field)
        assert word not in seen(without, part, field)


def test_strangers_and_users_without_anything_are_among_them() -> None:
    """What is often forgotten: no token, no certificate, no roles, no headers, deep nesting."""
    probes = documents("admin")

    assert any(probe["token"] == {} and not probe["mtls"]["verified"] for probe in probes)
    assert any(probe["token"] != {} and not probe["mtls"]["verified"] for probe in probes)
    assert any(probe["token"] == {} and probe["mtls"]["verified"] for probe in probes)
    assert any(probe["token"] != {} and probe["headers"] == {} for probe in probes)
    assert any("deep" in probe["token"] for probe in probes)


def test_a_long_policy_has_a_bounded_number_of_probes() -> None:
    """However many words it has."""
    words = [f"/{number}" for number in range(500)] + [f"{number}-client" for number in range(500)] + [*METHODS]

    assert len(list(samples(words))) < 5000
    assert len(list(samples(["GET"]))) < 200


def test_the_same_policy_is_tried_with_the_same_probes() -> None:
    """The order of the words does not matter."""
    assert list(samples(["GET", "/a", "b-client"])) == list(samples(["b-client", "/a", "GET"]))
