"""A mesh as values: its sidecars, the calls between them, whose tokens there are. READ FIRST.

Pure: read once by `load`, from files alone; no secret, no process, no network. What follows from it is in the
neighbours: `journey` (one request), `lint` (what cannot work), `matrix` (all that could happen).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from authz_service.config.finding import Place
from authz_service.config.loader import Reading
from authz_service.config.model import Config, EgressRoute, Endpoint, OAuth2, Route, Target
from authz_service.config.sections.section import Section
from authz_service.envoy.upstreams import of_ingress
from authz_service.errors import Problem, RenderError
from authz_service.mesh.files import Files
from authz_service.mesh.principals import not_issued, of_realms
from authz_service.mesh.realm_file import LooseRoles, NoToken, Principal, RealmFile, realm_name
from authz_service.mesh.spot import Spot, shown_path


def file_of(section: Section, key: str) -> Path | None:
    """The file that a section names under a key which not all of its kinds have."""
    found = getattr(section, key, None)
    return found if isinstance(found, Path) else None


@dataclass(frozen=True, eq=False)
class Sidecar:
    """One configuration, with the place of everything in it."""

    name: str
    file: Path
    shown: str  # the file, below the mesh's folder
    config: Config
    reading: Reading
    files: Files
    names: frozenset[str]  # by which others reach it, in lower case

    def spot(self, *place: str | int) -> Spot:
        return Spot(self.shown, self.reading.line(place))

    def is_written(self, *place: str | int) -> bool:
        return self.reading.is_written(place)

    def find_file(self, path: Path | None) -> Path | None:
        """Where a file that the configuration names is here."""
        return None if path is None else self.files.find(path)


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What one sidecar may send to a place: a route of its ingress that leads on, or a route of its egress."""

    source: Sidecar
    target_name: str
    target: Target
    place: Place  # of the route
    base: str  # the path that begins it, without `/**`
    strip_prefix: str | None
    methods: tuple[str, ...]  # () = all
    exact: bool  # not what is below `base`
    destination: Sidecar | None  # None: not of this mesh

    @property
    def oauth2(self) -> OAuth2 | None:
        """How a token for it is asked for, if one is."""
        return self.target.auth if isinstance(self.target.auth, OAuth2) else None

    @property
    def token_url(self) -> str | None:
        return None if self.oauth2 is None else self.oauth2.token_url

    @property
    def client_id(self) -> str | None:
        return None if self.oauth2 is None else self.oauth2.client_id

    @property
    def scopes(self) -> tuple[str, ...]:
        return () if self.oauth2 is None else self.oauth2.scopes

    @property
    def of_ingress(self) -> bool:
        return self.place[0] == "proxy"

    @property
    def target_place(self) -> Place:
        return ("egress", "targets", self.target_name)

    @property
    def url(self) -> Endpoint:
        return self.target.url

    @property
    def arrives_as(self) -> str:
        """The beginning of the path at the destination."""
        if self.strip_prefix is None:
            return self.base
        return self.base.removeprefix(self.strip_prefix) or "/"


@dataclass(frozen=True, eq=False)
class Mesh:
    """Everything that the files say. `problems`: what could not be read of them."""

    folder: Path
    sidecars: Mapping[str, Sidecar]
    realms: Mapping[str, RealmFile]  # by name
    declared: tuple[Principal, ...]  # of mesh.yaml
    serves: Mapping[str, tuple[str, ...]]  # of mesh.yaml: the paths that a service has
    compose: Path | None
    problems: tuple[Problem, ...]
    loose_roles: tuple[LooseRoles, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)  # the file by the name of a sidecar that cannot be read

    @cached_property
    def principals(self) -> tuple[Principal, ...]:
        """Whose tokens there are: of mesh.yaml, and of the realms."""
        return (*self.declared, *self._of_realms())

    @cached_property
    def no_tokens(self) -> tuple[NoToken, ...]:
        """Who has none, because the realm refuses what is asked for; with another request he may have one."""
        return tuple(not_issued(self.realms, [one.config for one in self.sidecars.values()]))

    def principals_of(self, name: str) -> list[Principal]:
        """Those of one name, a user's by each client, without making the others'."""
        return [*(one for one in self.declared if one.name == name), *self._of_realms(name)]

    def _of_realms(self, name: str = "") -> Iterator[Principal]:
        yield from of_realms(self.realms.values(), [one.config for one in self.sidecars.values()], name)

    def find_destination(self, url: Endpoint) -> Sidecar | None:
        """Whose listener a URL leads to: by the name in it; by the port too, where a name is shared."""
        host = url.host
        found = [one for one in self.sidecars.values() if one.config.proxy.enabled and host in one.names]
        if not found:
            first = host.partition(".")[0]
            found = [one for one in self.sidecars.values() if one.config.proxy.enabled and first in one.names]
        same_port = [one for one in found if one.config.http.addr.port == url.port]
        return next(iter(same_port or found), None)

    def find_broken(self, url: Endpoint) -> str:
        """The file of a sidecar that a URL seems to lead to, and that cannot be read; "" where there is none."""
        return self.broken.get(url.host) or self.broken.get(url.host.partition(".")[0]) or ""

    @cached_property
    def _calls(self) -> dict[Sidecar, list[Call]]:
        return {sidecar: [*self._made_by(sidecar)] for sidecar in self.sidecars.values()}

    @cached_property
    def calls(self) -> list[Call]:
        return [call for calls in self._calls.values() for call in calls]

    def calls_of(self, sidecar: Sidecar) -> list[Call]:
        return self._calls[sidecar]

    def _made_by(self, sidecar: Sidecar) -> Iterator[Call]:
        config = sidecar.config
        if config.proxy.enabled:
            for number, route in enumerate(config.proxy.routes):
                call = self._forwarded(sidecar, number, route)
                if call is not None:
                    yield call
        if config.egress.enabled:
            for number, way in enumerate(config.egress.routes):
                yield self._sent(sidecar, number, way)

    def _forwarded(self, sidecar: Sidecar, number: int, route: Route) -> Call | None:
        try:
            upstream = of_ingress(sidecar.config, route.upstream)
        except RenderError:
            return None
        if upstream.target is None:
            return None
        path = route.path
        return Call(
            source=sidecar,
            target_name=upstream.target_name,
            target=upstream.target,
            place=("proxy", "routes", number),
            base=path.removesuffix("/**") or "/",
            strip_prefix=route.strip_prefix,
            methods=route.methods,
            exact=not path.endswith("/**"),
            destination=self.find_destination(upstream.endpoint),
        )

    def _sent(self, sidecar: Sidecar, number: int, route: EgressRoute) -> Call:
        target = sidecar.config.egress.targets[route.target]
        return Call(
            source=sidecar,
            target_name=route.target,
            target=target,
            place=("egress", "routes", number),
            base=route.path_prefix,
            strip_prefix=route.strip_prefix,
            methods=(),
            exact=False,
            destination=self.find_destination(target.url),
        )

    def entries(self) -> list[Sidecar]:
        """Those that a user calls: nobody of the mesh does, and no certificate is needed."""
        called = {id(call.destination) for call in self.calls}
        serving = [one for one in self.sidecars.values() if one.config.proxy.enabled]
        return [one for one in serving if id(one) not in called] or [
            one for one in serving if one.config.http.tls.client_auth != "require"
        ]

    def realm_of(self, url: str | None) -> RealmFile | None:
        """By `…/realms/NAME`, as Keycloak's issuers and endpoints are."""
        return self.realms.get(realm_name(url))

    def spot_of(self, file: Path, line: int = 0) -> Spot:
        return Spot(shown_path(self.folder, file), line)
