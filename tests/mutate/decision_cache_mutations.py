"""The same for how Envoy is told what it may repeat: each wrong line has it repeat too much, or without a question."""

from __future__ import annotations

from tests.mutate.mutation import Mutation

_FILTERS = "src/authz_service/envoy/filters.py"
_CACHE = "src/authz_service/envoy/decision_cache.py"
_RENDERED = ("tests/unit/envoy/test_decision_cache.py",)


def decision_cache() -> list[Mutation]:
    return [
        Mutation(
            "what is not known is not asked about", _FILTERS, '{"bool_match": True}, "invert": True', "{}", _RENDERED
        ),
        Mutation(
            "what is known is asked about, and nothing else", _FILTERS, '"invert": True', '"invert": False', _RENDERED
        ),
        Mutation(
            "Envoy does not look at a header that the policy reads",
            _FILTERS,
            "(*token_headers(config), *config.proxy.headers.extract)} - {",
            "(*token_headers(config),)} - {",
            _RENDERED,
        ),
        Mutation(
            "Envoy does not look at a token in another place",
            _CACHE,
            "sorted(asked_headers(config) | {headers.AUTHORIZATION})",
            "[headers.AUTHORIZATION]",
            _RENDERED,
        ),
        Mutation(
            "a permit may set any header",
            _CACHE,
            "for name in owned_headers(config)),",
            "for name in (*owned_headers(config), headers.AUTHORIZATION)),",
            _RENDERED,
        ),
        Mutation(
            "a path may be a line of the settings", _CACHE, "if headers.has_control(value):", "if False:", _RENDERED
        ),
        Mutation(
            "a module for another Envoy is loaded",
            _CACHE,
            'if not version.startswith(f"{_MADE_FOR}."):',
            "if False:",
            _RENDERED,
        ),
        Mutation(
            "Envoy repeats what shall be copied",
            _CACHE,
            "if config.audit.opa_decision_log is not None or asked.candidate is not None:",
            "if False:",
            _RENDERED,
        ),
    ]
