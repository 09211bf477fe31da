"""Policies and what their answers mean, whoever evaluates them: our engine, or an OPA that is asked."""

from __future__ import annotations

from authz_service.domain.refusals import Reason

# What the policy's answer may set for the service, wherever these answers are read.
HEADERS = ("X-Plan", "X-Quota")
# The text of a package with the rule `allow`, asked with an empty input.
ANSWERS: tuple[tuple[str, Reason], ...] = (
    ("allow := true", Reason.ALLOWED),
    ("allow := false", Reason.POLICY_DENIED),
    ("allow if input.route", Reason.POLICY_UNDEFINED),
    ('allow := {"allow": true}', Reason.ALLOWED),
    ('allow := {"allow": true, "reasons": {"one"}, "audit": [1]}', Reason.ALLOWED),
    ('allow := {"allow": false}', Reason.POLICY_DENIED),
    ('allow := {"allow": true, "audit": input.route}', Reason.POLICY_UNDEFINED),
    ("allow := null", Reason.POLICY_ERROR),
    ("allow := 1", Reason.POLICY_ERROR),
    ('allow := "true"', Reason.POLICY_ERROR),
    ("allow := [true]", Reason.POLICY_ERROR),
    ("allow := {true}", Reason.POLICY_ERROR),
    ("allow := {}", Reason.POLICY_ERROR),
    ('allow := {"allow": 1}', Reason.POLICY_ERROR),
    ('allow := {"allow": "true"}', Reason.POLICY_ERROR),
    ('allow := {"allow": null}', Reason.POLICY_ERROR),
    ('allow := {"allow": true, "reasons": "one"}', Reason.POLICY_ERROR),
    ('allow := {"allow": true, "reasons": [1]}', Reason.POLICY_ERROR),
    ('allow := {"allow": true, "more": 1}', Reason.POLICY_ERROR),
    ("allow := true\nallow := false if not input.route", Reason.POLICY_ERROR),
    ('allow := {"allowed": true}', Reason.ALLOWED),
    ('allow := {"allowed": false}', Reason.POLICY_DENIED),
    ('allow := {"allowed": 1}', Reason.POLICY_ERROR),
    ('allow := {"allow": true, "allowed": true}', Reason.POLICY_ERROR),
    ('allow := {"allowed": true, "headers": {"X-Plan": "gold"}}', Reason.ALLOWED),
    ('allow := {"allowed": true, "headers": {"X-User-ID": "gold"}}', Reason.POLICY_ERROR),
    ('allow := {"allowed": true, "http_status": 200}', Reason.POLICY_ERROR),
)
