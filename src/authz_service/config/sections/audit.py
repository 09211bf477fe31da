"""The `audit` section as frozen values: where decisions are recorded, and who gets a copy. Not its loading."""

import os
from typing import Annotated, Literal

from pydantic import Field, Tag, field_validator

from authz_service.config.sections.section import Section, told_apart
from authz_service.config.values import File, FileOrDash, HttpUrl, Secret


class DecisionLogFile(Section):
    """Copies for tools that read OPA's decision logs, in a file."""

    told_by = "a path"

    path: File = Field(
        description="File for the events, one JSON object per line. Opened anew for each batch, so it may be moved "
        "away at any time.",
        examples=["/var/log/authz/opa-decisions.jsonl"],
    )


class DecisionLogService(Section):
    """… by upload."""

    told_by = "a url"

    url: HttpUrl = Field(
        description="A service with OPA's decision log API: batches are sent by `POST <url>/logs`, a gzipped JSON "
        "array.",
        examples=["https://decisions.example.com/v1"],
    )
    token: Secret | None = Field(
        default=None,
        description="Bearer token for `url`. Never printed; the workers do not have it. Either this or `token_file`.",
        examples=["${DECISION_LOG_TOKEN}"],
    )
    token_file: File | None = Field(
        default=None,
        description="A file with that token in it; a line end at its end is ignored.",
        examples=["/run/secrets/decision-log.token"],
    )
    ca_file: File | None = Field(
        default=None,
        description="The authorities that sign the certificate of `url`. By default the system's.",
        examples=["/etc/certs/ca.crt"],
    )


OpaDecisionLog = Annotated[
    Annotated[DecisionLogFile, Tag(DecisionLogFile.told_by)]
    | Annotated[DecisionLogService, Tag(DecisionLogService.told_by)],
    told_apart(lambda keys: DecisionLogService if "url" in keys else DecisionLogFile),
]


class Audit(Section):
    """Where the decisions are recorded."""

    path: FileOrDash = Field(
        default="-",
        description="File for the records, one JSON object per line. `-` is standard output.",
        examples=["/var/log/authz/audit.jsonl"],
    )
    on_failure: Literal["deny", "continue"] = Field(
        default="deny",
        description="When a record cannot be written: `deny` answers 503, `continue` lets the request pass and "
        "counts the loss.",
    )
    key: Secret | None = Field(
        default=None,
        description="Makes the chain of the records with a secret of at least 32 characters, so that who can write the "
        "file cannot forge it; `authz audit verify --key-file` needs it too. Never printed. Either this or `key_file`.",
        examples=["${AUDIT_KEY}"],
    )
    key_file: File | None = Field(
        default=None,
        description="A file with that key in it, such as `openssl rand -hex 32` writes; a line end at its end is "
        "ignored.",
        examples=["/run/secrets/audit.key"],
    )
    access_log: FileOrDash | None = Field(
        default=None,
        description="File for Envoy's own access log, `-` for standard output. Off by default, and with `/dev/null`: "
        "the audit record is enough.",
        examples=["/var/log/authz/access.log"],
    )
    opa_decision_log: OpaDecisionLog | None = Field(
        default=None,
        description="A copy of the records in OPA's decision log format, after the answer and as far as possible; off "
        "without this section. The records themselves stay what they are.",
    )

    @field_validator("access_log")
    @classmethod
    def _nothing_is_no_log(cls, path: str | None) -> str | None:
        """Envoy would compose each line, and throw it away: 3 % of what a request costs."""
        return None if path == os.devnull else path
