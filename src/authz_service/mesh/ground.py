"""What the rules of `lint` and `matrix` stand on: the mesh, and what several of them look at, read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cryptography import x509

from authz_rego.syntax.tree import Module
from authz_service.domain.decision import Peer
from authz_service.domain.refusals import Rejected
from authz_service.errors import AuthzServiceError, CertificateProblems, Problem, Problems
from authz_service.identity.certificates import read_peer
from authz_service.mesh.client_handshake import Trust, trust_of
from authz_service.mesh.door import Unjudged, policy_source
from authz_service.mesh.model import Call, Mesh, Sidecar, file_of
from authz_service.mesh.realm_file import Principal
from authz_service.mesh.shown import Shown, shown_on
from authz_service.mesh.spot import Spot
from authz_service.mesh.target_certificate import server_chain
from authz_service.pem_files import read_certificates, read_file
from authz_service.policy.vetting.checks import Compiled, compiled


@dataclass(frozen=True, slots=True)
class PolicyRead:
    """A sidecar's policy: compiled, or why not; None where it is elsewhere."""

    compiled: Compiled | None
    problems: tuple[Problem, ...]
    folder: str  # as shown

    def spot(self, file: str, line: int) -> Spot:
        return Spot(f"{self.folder}/{file}" if self.folder else file, line)


@dataclass
class Ground:
    mesh: Mesh
    now: float
    _policies: dict[str, PolicyRead | None] = field(default_factory=dict)
    _shown: dict[Call, Shown | None] = field(default_factory=dict)
    _chains: dict[str, list[x509.Certificate]] = field(default_factory=dict)

    @cached_property
    def arrows(self) -> list[tuple[Call, Sidecar]]:
        """The calls that end in this mesh; one for each target, whatever the number of its routes."""
        found: dict[tuple[str, str], tuple[Call, Sidecar]] = {}
        for call in self.mesh.calls:
            if call.destination is not None:
                found.setdefault((call.source.name, call.target_name), (call, call.destination))
        return list(found.values())

    @property
    def served(self) -> list[Sidecar]:
        return [one for one in self.mesh.sidecars.values() if one.config.proxy.enabled]

    @cached_property
    def compiled(self) -> dict[str, Compiled | None]:
        """The policies of all that are served, by sidecar."""
        read = {sidecar.name: self.policy(sidecar) for sidecar in self.served}
        return {name: None if policy is None else policy.compiled for name, policy in read.items()}

    def policy(self, sidecar: Sidecar) -> PolicyRead | None:
        if sidecar.name not in self._policies:
            self._policies[sidecar.name] = self._read_policy(sidecar)
        return self._policies[sidecar.name]

    def _read_policy(self, sidecar: Sidecar) -> PolicyRead | None:
        folder = sidecar.find_file(sidecar.config.policy.path)
        shown = "" if folder is None else str(self.mesh.spot_of(folder))
        try:
            source = policy_source(sidecar)
            return None if source is None else PolicyRead(compiled(source), (), shown)
        except Unjudged:
            return None
        except Problems as found:
            return PolicyRead(None, found.problems, shown)

    def modules(self, sidecar: Sidecar) -> tuple[PolicyRead, Sequence[Module]] | None:
        """The trees of a policy that can be loaded; or what can be parsed of one that cannot."""
        policy = self.policy(sidecar)
        if policy is None:
            return None
        if policy.compiled is not None:
            return policy, policy.compiled.modules
        return policy, list(self._parsed(sidecar))

    def policy_files(self, sidecar: Sidecar) -> list[str]:
        """As shown; also of a policy that cannot be loaded."""
        policy = self.policy(sidecar)
        try:
            source = policy_source(sidecar)
        except AuthzServiceError:
            return []
        return [] if policy is None or source is None else [policy.spot(name, 0).file for name, _ in source.modules]

    @staticmethod
    def _parsed(sidecar: Sidecar) -> Iterator[Module]:
        from authz_rego.errors import RegoProblems
        from authz_rego.policy import parsed

        try:
            source = policy_source(sidecar)
        except AuthzServiceError:
            return
        for module in () if source is None else source.modules:
            try:
                yield from parsed([module])
            except RegoProblems:
                continue

    def shown(self, call: Call) -> Shown | None:
        """The certificate of a call; None where its file is no certificate."""
        if call not in self._shown:
            try:
                self._shown[call] = shown_on(call)
            except AuthzServiceError:
                self._shown[call] = None
        return self._shown[call]

    def peer(self, call: Call) -> Peer | None:
        """Whom the gate would see, of a certificate that is here."""
        shown = self.shown(call)
        if shown is None or shown.assumed or not shown.chain:
            return None
        try:
            return read_peer(shown.pem)
        except Rejected:
            return None

    def trust(self, sidecar: Sidecar) -> Trust | None:
        """Whom a sidecar's handshake believes; None where its file is not here or cannot be read."""
        try:
            return trust_of(sidecar, self.now)
        except CertificateProblems:
            return None

    def chain(self, sidecar: Sidecar) -> list[x509.Certificate]:
        """Its server certificate; empty where it is not here or cannot be read."""
        if sidecar.name not in self._chains:
            try:
                self._chains[sidecar.name] = server_chain(sidecar)
            except CertificateProblems:
                self._chains[sidecar.name] = []
        return self._chains[sidecar.name]

    def authorities(self, sidecar: Sidecar) -> list[x509.Certificate]:
        found = sidecar.find_file(file_of(sidecar.config.http.tls, "client_ca_file"))
        if found is None:
            return []
        try:
            return read_certificates(read_file(found, "CA bundle"), "CA bundle", str(found))
        except CertificateProblems:
            return []

    def principals(self, sidecar: Sidecar) -> list[Principal]:
        """Those whose tokens are of an issuer that it accepts."""
        issuers = {issuer.issuer for issuer in sidecar.config.issuers}
        return [one for one in self.mesh.principals if one.issuer in issuers]
