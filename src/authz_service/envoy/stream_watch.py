"""What it takes in Envoy to end a request in progress: a small WebAssembly filter, and what it asks about. Not why.

The filter's source is stream_watch.wat, beside this file; docs/decisions/end-requests-in-progress.md says how it works.
"""

import base64
from functools import cache
from importlib import resources

from authz_service.config.model import Config
from authz_service.envoy.filters import token_headers
from authz_service.envoy.messages import Json, Message, extension

# What the filter says in the access log's `details`, and to `local_replies`.
NO_LONGER_ALLOWED = "no_longer_allowed"
NOBODY_COULD_TELL = "nobody_could_tell"

_SET_STATE = "envoy.filters.{}.set_filter_state"
_QUESTION = "authz.question"
_PEER = "authz.peer"


def is_watched(config: Config) -> bool:
    """Whether there is anybody who could lose what he was let in by."""
    return config.proxy.auth.enabled or config.proxy.mtls.enabled


def note_peer(config: Config) -> list[Message]:
    """Once a connection, for all its requests: the certificate that was shown."""
    if not is_watched(config) or not config.http.tls.enabled or config.http.tls.client_auth == "none":
        return []
    return [
        extension(
            _SET_STATE.format("network"),
            "extensions.filters.network.set_filter_state.v3.Config",
            on_downstream_tls_handshake=[_text(_PEER, "%DOWNSTREAM_PEER_CERT%")],
        )
    ]


def note_question(config: Config) -> list[Message]:
    """By what the gate judges whom, before that is removed for the service; `ext_authz.in_progress` reads it."""
    if not is_watched(config):
        return []
    lines = (
        "%REQ(:METHOD)%",
        "%PATH(NQ:PATH)%",
        "%ROUTE_NAME%" if config.proxy.routes else "",
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "%REQ(X-CORRELATION-ID)%",
        *(f"{name}:%REQ({name.upper()})%" for name in sorted(map(str.lower, token_headers(config)))),
    )
    return [
        extension(
            _SET_STATE.format("http"),
            "extensions.filters.http.set_filter_state.v3.Config",
            on_request_headers=[_text(_QUESTION, "\n".join(lines))],
        )
    ]


def watch(config: Config) -> list[Message]:
    """Behind the gate, so that it sees only what was allowed."""
    if not is_watched(config):
        return []
    machine: Message = {
        "vm_id": "stream_watch",
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"local": {"inline_bytes": _program()}},
    }
    plugin: Message = {"name": "stream_watch", "failure_policy": "FAIL_RELOAD", "vm_config": machine}
    return [extension("envoy.filters.http.wasm", "extensions.filters.http.wasm.v3.Wasm", config=plugin)]


@cache
def _program() -> str:
    return base64.b64encode(resources.files(__package__).joinpath("stream_watch.wasm").read_bytes()).decode()


def _text(key: str, form: str) -> Json:
    return {
        "object_key": key,
        "factory_key": "envoy.string",
        "format_string": {"text_format_source": {"inline_string": form}, "omit_empty_values": True},
    }
