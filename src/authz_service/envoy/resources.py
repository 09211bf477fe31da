"""From the configuration to everything that Envoy is given: a pure function. Not the writing, not the secrets' content.

Same configuration in, same bytes out.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from authz_service.config.model import Config, HttpTlsOfAgent, HttpTlsOfFiles, TargetTlsOfAgent, TargetTlsOfFiles
from authz_service.envoy import secrets
from authz_service.envoy.bootstrap import bootstrap
from authz_service.envoy.clusters import clusters
from authz_service.envoy.listeners import egress_listener, has_egress, has_ingress, ingress_listener
from authz_service.envoy.messages import Json, Message, file_source
from authz_service.envoy.paths import StatePaths
from authz_service.envoy.routes import egress_routes, ingress_routes
from authz_service.envoy.secrets import AgentSecret


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything that Envoy is given. `secrets` are the names of the SDS files that must exist before `files` do."""

    bootstrap: Message
    listeners: tuple[Message, ...]
    clusters: tuple[Message, ...]
    routes: Mapping[str, Message]
    secrets: tuple[str, ...]
    agent_secrets: frozenset[AgentSecret]

    def files(self) -> dict[str, str]:
        """Relative path → text, in the order in which they must be written."""
        return {
            "bootstrap.json": _text(self.bootstrap),
            "xds/cds.json": _discovery(self.clusters),
            **{f"xds/rds_{name}.json": _discovery([routes]) for name, routes in self.routes.items()},
            "xds/lds.json": _discovery(self.listeners),
        }

    def versions(self) -> dict[str, str]:
        """Relative path → the `version_text` that Envoy shows once it has accepted that file."""
        return {
            path: json.loads(text)["version_info"] for path, text in self.files().items() if path.startswith("xds/")
        }


def render(config: Config, paths: StatePaths, cache: Path | None = None) -> Resources:
    """`cache`: the library of the decision cache, where Envoy may have it."""
    listeners: list[Message] = []
    routes: dict[str, Message] = {}
    if has_ingress(config):
        listeners.append(ingress_listener(config, paths, cache))
        routes["ingress"] = ingress_routes(config)
    if has_egress(config):
        listeners.append(egress_listener(config, paths))
        routes["egress"] = egress_routes(config)
    return Resources(
        bootstrap=bootstrap(config, paths),
        listeners=tuple(listeners),
        clusters=tuple(clusters(config, paths)),
        routes=routes,
        secrets=_secret_names(config),
        agent_secrets=frozenset(_agent_secrets(config)),
    )


def steps(previous: Resources, wanted: Resources) -> list[tuple[str, str]]:
    """The files to write, in order, to go from one to the other without a moment in which a route has no cluster.

    New clusters come before the routes to them, old ones go after. Each step waits until Envoy shows its version.
    """
    names = {cluster["name"] for cluster in wanted.clusters}
    leaving = tuple(cluster for cluster in previous.clusters if cluster["name"] not in names)
    new, old = wanted.files(), previous.files()
    new.pop("bootstrap.json")
    order = [(path, text) for path, text in new.items() if old.get(path) != text]
    if leaving:
        both = _discovery([*wanted.clusters, *leaving])
        last = new["xds/cds.json"]
        order = [("xds/cds.json", both), *(step for step in order if step[0] != "xds/cds.json"), ("xds/cds.json", last)]
    return order


def connected_anew(resources: Resources, clusters: Collection[str], since: str) -> Resources:
    """The same, but that Envoy opens new connections to these clusters, and lets the open ones finish what they do.

    A cluster that differs from the one before, be it in a mark that nobody reads, gets pools of its own.
    """
    mark: Message = {"metadata": {"filter_metadata": {"authz": {"connected_anew": since}}}}
    marked = (cluster | mark if cluster["name"] in clusters else cluster for cluster in resources.clusters)
    return replace(resources, clusters=tuple(marked))


def static_form(resources: Resources, secret_file: str) -> Message:
    """All of it in one bootstrap, for `envoy --mode validate`, which does not read LDS, CDS or RDS files.

    Every secret is looked for in `secret_file`, an SDS file without resources: only the form is checked here.
    """
    form = {key: value for key, value in resources.bootstrap.items() if key != "dynamic_resources"}
    listeners = [_inlined(listener, resources.routes) for listener in resources.listeners]
    static: Json = form.get("static_resources")
    first = static["clusters"] if isinstance(static, Mapping) else ()
    assert isinstance(first, Sequence)
    form["static_resources"] = {
        "listeners": [_without_type(listener) for listener in listeners],
        "clusters": [*first, *(_without_type(cluster) for cluster in resources.clusters)],
    }
    found = _secrets_moved(form, secret_file)
    assert isinstance(found, dict)
    return found


def _secret_names(config: Config) -> tuple[str, ...]:
    names: list[str] = []
    if has_ingress(config) and isinstance(config.http.tls, HttpTlsOfFiles):
        names.append(secrets.SERVER_CERTIFICATE)
        if config.http.tls.client_auth != "none":
            names.append(secrets.CLIENT_CA)
    for name, target in config.egress.targets.items() if config.egress.enabled else ():
        if isinstance(target.tls, TargetTlsOfFiles):
            names.append(secrets.target_ca(name))
            if target.tls.client_pair is not None:
                names.append(secrets.target_certificate(name))
        if target.auth.has_own_token:
            names.append(secrets.target_token(name))
    return tuple(names)


def _agent_secrets(config: Config) -> Iterator[AgentSecret]:
    tls = config.http.tls
    if has_ingress(config) and isinstance(tls, HttpTlsOfAgent):
        yield AgentSecret(tls.sds_certificate, is_ca=False, for_ingress=True)
        if tls.client_auth != "none":
            yield AgentSecret(tls.sds_ca, is_ca=True, for_ingress=True)
    for target in config.egress.targets.values() if config.egress.enabled else ():
        if isinstance(target.tls, TargetTlsOfAgent):
            yield AgentSecret(target.tls.sds_certificate, is_ca=False, for_ingress=False)
            yield AgentSecret(target.tls.sds_ca, is_ca=True, for_ingress=False)


def _inlined(listener: Message, routes: Mapping[str, Message]) -> Message:
    """RDS replaced by the routes themselves."""
    text = json.dumps(listener)
    copy = json.loads(text)
    for chain in copy["filter_chains"]:
        manager = chain["filters"][-1]["typed_config"]
        manager["route_config"] = _without_type(routes[manager.pop("rds")["route_config_name"]])
    result: Message = copy
    return result


def _secrets_moved(value: Json, secret_file: str) -> Json:
    if isinstance(value, Mapping):
        if "sds_config" in value:
            return {**value, "sds_config": file_source(secret_file)}
        return {key: _secrets_moved(item, secret_file) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_secrets_moved(item, secret_file) for item in value]
    return value


def _without_type(resource: Message) -> Message:
    return {key: value for key, value in resource.items() if key != "@type"}


def _discovery(resources: Sequence[Message]) -> str:
    content = _text({"resources": resources})
    return _text({"version_info": hashlib.sha256(content.encode()).hexdigest(), "resources": resources})


def _text(value: Message) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"
