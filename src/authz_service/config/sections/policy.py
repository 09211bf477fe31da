"""The `policy` section as frozen values: a folder, signed bundles, or an OPA that is asked. Not its loading."""

from pathlib import Path

from pydantic import Field

from authz_service.config.sections.section import Section
from authz_service.config.values import Duration, File, HttpUrl, Name, ServiceUrl, Word
from authz_service.domain.rules import EVALUATION_BUDGET


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


class PolicyConfig(Section):
    """Where the policies come from."""

    engine: Word = Field(
        default="opa_embedded",
        description="`opa_embedded` evaluates Rego inside the sidecar; `opa_server` asks an OPA at `server`.",
    )
    server: PolicyServer | None = Field(
        default=None,
        description="The OPA that `engine: opa_server` asks. It has its policies from elsewhere; `path` is unused.",
    )
    bundle: PolicyBundle | None = Field(
        default=None, description="Signed bundles in place of `path`. The last good one is kept in `runtime.state_dir`."
    )
    path: File = Field(
        default=Path("/etc/authz/policies"),
        description="Folder with `*.rego` and `data.json`/`data.yaml`, at any depth. Reloaded on change.",
    )
    evaluation_budget: Duration = Field(
        default=EVALUATION_BUDGET,
        ge=0.01,
        le=1.0,
        description="Processor time for one decision, from 10ms to 1s. A policy that needs more for a request costs "
        "its worker; the request gets 503 `policy_timeout`.",
        examples=["100ms"],
    )
