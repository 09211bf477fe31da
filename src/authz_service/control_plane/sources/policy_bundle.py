"""Brings signed policy bundles from a server into the state directory, and keeps the last good one there.

What the sidecar evaluates is the folder `current`, read as any policy folder is: so a new bundle is a reload, and a
restart while the server is away goes on with the last one. A bundle that is broken, unsigned or refused by the load
gate changes nothing but `problem`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from authz_service.clock import Clock, jittered
from authz_service.config.model import Config, PolicyBundle
from authz_service.domain.signatures import Key, PublicKey, algorithms_for, is_signed_by
from authz_service.errors import AuthzServiceError, BundleRefused, FetchError
from authz_service.http_client import HttpClient
from authz_service.logs import about
from authz_service.policy.sources.bundle import MAX_BYTES, Bundle, read_bundle
from authz_service.policy.sources.folder import read_policy_folder
from authz_service.policy.vetting.vet import check_policies
from authz_service.refresh_schedule import RefreshSchedule, stop_tasks

log = logging.getLogger(__name__)

_FIRST_RETRY, _LONGEST_RETRY = 1.0, 60.0  # seconds


def bundle_folder(config: Config) -> Path | None:
    """Where the policies of `policy.bundle` lie, if they are there at all; None without such a section.

    Another URL, scope or key is another folder: what one key vouched for does not pass for another's.
    """
    bundle = config.policy_bundle
    if bundle is None:
        return None
    origin = hashlib.sha256(f"{bundle.url}\n{bundle.scope}\n".encode())
    for name, file in sorted(bundle.keys.items()):
        origin.update(f"{name}\n".encode() + _content(file))
    return config.runtime.state_dir / "bundle" / origin.hexdigest()[:16] / "current"


def require_bundle_keys(bundle: PolicyBundle) -> None:
    """Raises BundleRefused for a file that holds no public key."""
    for file in bundle.keys.values():
        _public_key(file)


@dataclass(slots=True)
class BundlePoller:
    """Follows the configuration; runs on the control plane's event loop."""

    clock: Clock
    reloads: Counter[tuple[str, str]]  # (what, "ok" | "refused"), as Counters.reloads
    on_bundle: Callable[[], None]
    problem: str = ""
    _task: asyncio.Task[None] | None = None
    _config: Config | None = None
    _etags: dict[Path, str] = field(default_factory=dict)

    async def update(self, config: Config) -> None:
        """Poll for this configuration from now on; returns at once."""
        before = self._config
        self._config = config
        if before is not None and _asked_for(before) == _asked_for(config):
            return
        await self.stop()
        if config.policy_bundle is not None and config.asked_policy is not None:
            self._task = asyncio.create_task(self._poll(config, config.policy_bundle))

    async def stop(self) -> None:
        task, self._task = self._task, None
        self.problem = ""
        await stop_tasks(task)

    async def _poll(self, config: Config, wanted: PolicyBundle) -> None:
        schedule = RefreshSchedule(self.clock, first_retry=_FIRST_RETRY)
        async with aclosing(HttpClient(config.hosts, wanted.ca_file, timeout=30)) as client:
            while True:
                pause = jittered(self.clock, wanted.polling)
                try:
                    await self._look(client, config, wanted)
                    self.problem = ""
                    schedule.succeeded(pause, scatter=False)
                except Exception as error:  # noqa: BLE001 - whatever a server sends, the next bundle must be asked for
                    self._failed(error)
                    schedule.failed(self.problem, longest=_LONGEST_RETRY, latest=pause)
                await schedule.due()

    async def _look(self, client: HttpClient, config: Config, wanted: PolicyBundle) -> None:
        """One question to the server. Raises what kept a bundle from being taken."""
        folder = bundle_folder(config)
        assert folder is not None
        etag = self._etags.get(folder) if folder.exists() else None
        headers = {"Accept": "application/gzip, application/octet-stream"} | ({"If-None-Match": etag} if etag else {})
        answer = await client.get(wanted.url, headers, largest=MAX_BYTES)
        if answer.status == HTTPStatus.NOT_MODIFIED and etag:
            return
        if answer.status != HTTPStatus.OK:
            raise FetchError(f"{wanted.url.partition('?')[0]}: answers HTTP {answer.status}")
        digest = hashlib.sha256(answer.body).hexdigest()[:16]
        if not (folder.is_symlink() and folder.readlink().name == digest):
            await asyncio.to_thread(_take, answer.body, config, wanted, folder, digest)
            self.reloads["bundle", "ok"] += 1
            log.info("bundle_taken", extra=about(url=wanted.url.partition("?")[0], digest=digest))
            self.on_bundle()
        self._etags[folder] = answer.etag if answer.etag.isascii() else ""  # what could not be sent back

    def _failed(self, error: Exception) -> None:
        known = isinstance(error, AuthzServiceError | OSError)
        text = str(error) if known else f"internal error: {type(error).__name__}"
        if self.problem != text:
            if not isinstance(error, FetchError):
                self.reloads["bundle", "refused"] += 1
            log.warning("bundle_not_taken", extra=about(error=text))
        self.problem = text


def _asked_for(config: Config) -> tuple[object, ...]:
    """What a bundle is fetched by, and tried against."""
    carried, budget = config.proxy.headers.from_policy, config.policy.evaluation_budget
    return config.policy_bundle, config.hosts, config.proxy.authz, carried, budget


def _take(content: bytes, config: Config, wanted: PolicyBundle, folder: Path, digest: str) -> None:
    """Verify, try, and only then put it in the place of the last one, in one step. Blocks for up to seconds."""
    asked = config.asked_policy
    if asked is None:
        return  # nobody asks it any more
    bundle = read_bundle(content, partial(is_signed_by_a_key_of, wanted), wanted.scope)
    fresh = folder.parent / digest
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _write(bundle, fresh)
        carried, evaluated = config.proxy.headers.from_policy, bool(config.evaluated_for)
        source = read_policy_folder(fresh, asked.policy_query, carried, evaluated=evaluated)
        check_policies(source, budget=config.policy.evaluation_budget)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    link = folder.with_name("next")
    link.unlink(missing_ok=True)
    link.symlink_to(digest)
    link.rename(folder)
    for old in folder.parent.iterdir():
        if old.is_dir() and not old.is_symlink() and old.name != digest:
            shutil.rmtree(old, ignore_errors=True)


def _write(bundle: Bundle, folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    for name, content in bundle.files.items():  # plain names below the folder, by read_bundle
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_bytes(content)


def is_signed_by_a_key_of(wanted: PolicyBundle, name: str, algorithm: str, message: bytes, signature: bytes) -> bool:
    file = wanted.keys.get(name)
    if file is None:
        return False
    public = _public_key(file)
    key = Key(name, algorithms_for(public), public)
    return algorithm in key.algorithms and is_signed_by(key, algorithm, message, signature)


def _public_key(file: Path) -> PublicKey:
    try:
        public = load_pem_public_key(file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise BundleRefused(f"{file}: is no public key. Fix: name a PEM file with a public key") from error
    if not isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise BundleRefused(f"{file}: is a key of another kind. Fix: use RSA, an elliptic curve or Ed25519")
    return public


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
