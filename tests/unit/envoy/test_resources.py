"""The whole: what belongs together is together, and changes are made in an order that loses nothing."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.rendering import CASES, PATHS, a_config, anything, case, rendered

from authz_service.config.model import BySecret
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.resources import render, static_form, steps
from authz_service.errors import RenderError

_TLS = {"client_cert": "c", "client_key": "k", "ca_cert": "a"}


@pytest.mark.parametrize("name", CASES)
def test_the_expected_secrets_are_the_used_ones(name: str) -> None:
    """A missing file makes Envoy refuse the whole listener; a file too many holds a secret for nothing."""
    resources = rendered(name)
    sources = list(anything(_all(name), "sds_config"))
    used = {source["path_config_source"]["path"] for source in sources if "path_config_source" in source}

    assert used == {str(PATHS.secret(secret)) for secret in resources.secrets}
    assert len(resources.secrets) == len(set(resources.secrets))


def test_the_agents_secrets_are_the_ones_that_are_waited_for() -> None:
    """By name, of the ingress and of its targets; and none of them is a file of ours."""
    by_agent = {
        context["name"] for context in _contexts("agent") if "api_config_source" in context.get("sds_config", {})
    }
    waited = rendered("agent").agent_secrets

    assert (
        by_agent
        == {secret.name for secret in waited}
        == {"default", "ROOTCA", "spiffe://mesh/z/agent", "spiffe://mesh"}
    )
    assert {secret.name for secret in waited if secret.for_ingress} == {"default", "ROOTCA"}
    assert {secret.name for secret in waited if secret.is_ca} == {"ROOTCA", "spiffe://mesh"}
    assert rendered("everything").agent_secrets == frozenset()
    assert "static_resources" not in rendered("everything").bootstrap


def test_a_context_of_the_agents_without_a_ca_would_be_refused() -> None:
    """Envoy takes a name to match only with a CA (tests/integration/test_certificates_from_an_agent.py shows it)."""
    contexts = list(anything(_all("agent"), "combined_validation_context"))

    assert len(contexts) == 3
    assert all(context["default_validation_context"]["match_typed_subject_alt_names"] for context in contexts)
    assert list(anything(_all("agent"), "validation_context_sds_secret_config")) == [
        context["validation_context_sds_secret_config"] for context in contexts
    ]


def test_a_target_is_matched_by_its_spiffe_id_alone() -> None:
    """Envoy takes any name of several: a DNS name beside it would be a second way in."""
    clusters = list(rendered("agent").clusters)
    names = [one for several in anything(clusters, "match_typed_subject_alt_names") for one in several]

    assert names == [
        {"san_type": "URI", "matcher": {"exact": "spiffe://mesh/zone3/data"}},
        {"san_type": "URI", "matcher": {"exact": "spiffe://mesh/zone3/other"}},
    ]
    assert set(anything(clusters, "sni")) == {"data.internal", "other.example"}


def test_nothing_secret_is_rendered() -> None:
    """`authz render` shows it all; and no secret stands in it under another name."""
    auth = case("everything").egress.targets["orders"].auth

    assert isinstance(auth, BySecret)
    assert len(auth.client_secret.reveal()) > 10
    assert auth.client_secret.reveal() not in str(_all("everything"))


def _contexts(name: str) -> list[Any]:
    """Whatever names a secret and says where it comes from."""
    single = list(anything(_all(name), "validation_context_sds_secret_config"))
    return single + [one for many in anything(_all(name), "tls_certificate_sds_secret_configs") for one in many]


def _all(name: str) -> list[Any]:
    resources = rendered(name)
    return [list(resources.listeners), list(resources.clusters), dict(resources.routes), resources.bootstrap]


def test_a_token_is_in_its_own_targets_clusters_only() -> None:
    """ASVS 10.2.3; no listener and no other cluster knows it."""
    resources = rendered("everything")
    found = {
        cluster["name"]: list(anything(cluster, "credential"))[1:]  # the outer one names the extension
        for cluster in resources.clusters
        if list(anything(cluster, "credential"))
    }

    assert {name: [one["name"] for one in tokens] for name, tokens in found.items()} == {
        "target_orders": ["target_orders_token"],
        "target_plain": ["target_plain_token"],
    }
    assert not list(anything(list(resources.listeners), "credential"))


@pytest.mark.parametrize("name", CASES)
def test_no_unencrypted_secret_leaves_without_a_check(name: str) -> None:
    """Each TLS upstream has a CA and a name; each injector refuses to go without a token."""
    for context in anything(list(rendered(name).clusters), "common_tls_context"):
        validation = context["combined_validation_context"]
        assert validation["validation_context_sds_secret_config"]
        assert validation["default_validation_context"]["match_typed_subject_alt_names"]
    assert set(anything(list(rendered(name).clusters), "allow_request_without_credential")) <= {False}
    assert set(anything(list(rendered(name).listeners), "failure_mode_allow")) <= {False}


def test_an_unknown_tls_upstream_cannot_be_rendered() -> None:
    """Config refuses it; the rendering never invents a connection without a CA."""
    with pytest.raises(RenderError, match="which CA"):
        render(a_config(proxy={"upstream": "https://somewhere.else"}), PATHS)


def test_statistics_of_an_upstream_are_called_after_its_first_route() -> None:
    """Its cluster is named by its address. No two are called the same; what has a name of its own keeps it."""
    routes = [
        {"path": "/a/b/**", "upstream": "http://10.0.0.1:80"},
        {"path": "/c", "upstream": "http://10.0.0.1:80"},
        {"path": "/a.b", "upstream": "http://10.0.0.2:80"},
        {"path": "/**", "upstream": "http://10.0.0.3:80"},
        {"path": "/own"},
    ]
    clusters = render(a_config(proxy={"upstream": "http://127.0.0.1:9000", "routes": routes}), PATHS).clusters

    assert {str(one["name"]): one.get("alt_stat_name") for one in clusters} == {
        "decision": None,
        "app": None,
        "http://10.0.0.1": "route_a_b",
        "http://10.0.0.2": "route_a_b_2",
        "http://10.0.0.3": "route_root",
    }


def test_a_trace_collector_over_tls_cannot_be_rendered() -> None:
    """There is no CA for it."""
    with pytest.raises(RenderError, match="collector"):
        render(a_config(tracing={"otlp_url": "https://otel.example/v1/traces"}), PATHS)


def test_files_are_complete_and_say_their_version() -> None:
    """What Envoy shows as `version_text` is what `versions` expects; equal content has an equal version."""
    resources = rendered("order-service")
    files = resources.files()

    assert list(files) == [
        "bootstrap.json",
        "xds/cds.json",
        "xds/rds_ingress.json",
        "xds/rds_egress.json",
        "xds/lds.json",
    ]
    assert resources.versions() == {
        path: json.loads(text)["version_info"] for path, text in files.items() if path != "bootstrap.json"
    }
    assert len(set(resources.versions().values())) == 4
    assert rendered("order-service").files() == files


def _config(*targets: str) -> Any:
    routes = [{"path_prefix": f"/{name}", "target": name} for name in targets]
    urls = {name: {"url": f"http://127.0.0.1:{9000 + len(name)}"} for name in targets}
    return render(a_config(egress={"targets": urls, "routes": routes}), PATHS)


def _clusters(text: str) -> set[str]:
    return {resource["name"] for resource in json.loads(text)["resources"] if resource["name"].startswith("target_")}


def test_a_route_never_outlives_its_cluster() -> None:
    """A change that adds one target and removes another: clusters of both, then routes, then the old one goes."""
    order = steps(_config("a"), _config("bb"))

    assert [path for path, _ in order] == ["xds/cds.json", "xds/rds_egress.json", "xds/cds.json"]
    assert _clusters(order[0][1]) == {"target_a", "target_bb"}
    assert _clusters(order[-1][1]) == {"target_bb"}


def test_what_did_not_change_is_not_written() -> None:
    """Nothing for the same configuration; the clusters before the routes for a new target; never the bootstrap."""
    assert steps(_config("a"), _config("a")) == []
    assert [path for path, _ in steps(_config("a"), _config("a", "bb"))] == ["xds/cds.json", "xds/rds_egress.json"]
    other = replace(_config("a"), bootstrap={})
    assert steps(other, _config("a")) == []


def test_the_static_form_is_everything_in_one_file() -> None:
    """Routes inline, every secret from the placeholder, no file of the running sidecar touched."""
    form = static_form(rendered("order-service"), "/placeholder")

    assert "dynamic_resources" not in form
    assert not list(anything(form, "rds"))
    assert len(list(anything(form, "route_config"))) == 2
    assert {source["path_config_source"]["path"] for source in anything(form, "sds_config")} == {"/placeholder"}
    assert str(PATHS.sds) not in json.dumps(form)


def test_a_state_directory_that_is_too_deep_for_sockets_is_refused() -> None:
    """107 characters, unix(7): better a sentence than a bind error."""
    StatePaths(Path("/" + "a" * 80))
    with pytest.raises(ValueError, match="too long"):
        StatePaths(Path("/" + "a" * 95))
