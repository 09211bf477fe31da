"""The `policy` section as frozen values: a folder, signed bundles, or an OPA that is asked. Not its loading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Tag

from authz_service.config.sections.section import Section, told_apart
from authz_service.config.values import Duration, File, HttpUrl, Name, ServiceUrl
from authz_service.domain.time_budget import EVALUATION, LONGEST_EVALUATION


class PolicyServer(Section):
    """A real OPA beside the sidecar, asked about every request."""

    url: ServiceUrl = Field(
        description="Where it listens: `unix:///…`, or `http://` and a loopback address. The workers hold no secret, "
        "so OPA must ask for none.",
        examples=["http://127.0.0.1:8181", "unix:///run/opa/opa.sock"],
    )
    timeout: Duration = Field(
        default=0.2,
        description="How long one answer may take, at most 300ms. Then the request is refused with 503.",
        examples=["200ms"],
    )


class PolicyBundle(Section):
    """Signed OPA bundles from a server, in place of a folder."""

    url: HttpUrl = Field(
        description="Where the bundle is: a gzipped tar archive, as `opa build` makes it.",
        examples=["https://bundles.example.com/order.tar.gz"],
    )
    polling: Duration = Field(default=60.0, description="How often the server is asked, with `If-None-Match`.")
    ca_file: File | None = Field(
        default=None,
        description="The authorities that sign the server's certificate. By default the system's.",
        examples=["/etc/certs/ca.crt"],
    )
    keys: dict[Name, File] = Field(
        min_length=1,
        description="Public keys (PEM) whose signatures are believed, by the name that the signature gives "
        "(`opa build --verification-key-id`). There is no bundle without a signature.",
        examples=[{"default": "/etc/certs/bundle-key.pem"}],
    )
    scope: str = Field(
        default="",
        description="The scope that the bundle has to be signed for (`scope` in `--claims-file`).",
        examples=["order"],
    )


_ENGINE = "`opa_embedded` evaluates Rego inside the sidecar; `opa_server` asks an OPA at `server`."


class _Policy(Section):
    path: File = Field(
        default=Path("/etc/authz/policies"),
        description="Folder with `*.rego` and `data.json`/`data.yaml`, at any depth. Reloaded on change.",
    )
    evaluation_budget: Duration = Field(
        default=EVALUATION,
        ge=0.01,
        le=LONGEST_EVALUATION,
        description="Processor time for one decision, from 10ms to 1s. A policy that needs more for a request costs "
        "its worker; the request gets 503 `policy_timeout`.",
        examples=["100ms"],
    )


class EmbeddedPolicy(_Policy):
    """Rego inside the sidecar."""

    told_by = "engine: opa_embedded"

    engine: Literal["opa_embedded"] = Field(default="opa_embedded", description=_ENGINE)
    bundle: PolicyBundle | None = Field(
        default=None, description="Signed bundles in place of `path`. The last good one is kept in `runtime.state_dir`."
    )


class AskedPolicy(_Policy):
    """An OPA that is asked."""

    told_by = "engine: opa_server"

    engine: Literal["opa_server"] = Field(description=_ENGINE)
    server: PolicyServer = Field(
        description="The OPA that `engine: opa_server` asks. It has its policies from elsewhere; `path` is unused.",
        examples=[{"url": "http://127.0.0.1:8181"}],
    )


def _kind(keys: Mapping[str, object]) -> type[Section]:
    return AskedPolicy if keys.get("engine") == "opa_server" else EmbeddedPolicy


PolicyConfig = Annotated[
    Annotated[EmbeddedPolicy, Tag(EmbeddedPolicy.told_by)] | Annotated[AskedPolicy, Tag(AskedPolicy.told_by)],
    told_apart(_kind),
]
