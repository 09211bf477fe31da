"""Policies and what their answers mean, whoever evaluates them: our engine, or an OPA that is asked."""

from __future__ import annotations

from authz_service.domain.refusals import Reason

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
)
