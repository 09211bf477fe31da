"""Whether Envoy may repeat what workers allowed: where its filter's library is, or why it is left out. Not the filter.

The filter's source is src/envoy_module; docs/decisions/remember-what-was-allowed.md says how the two work together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from authz_service import headers
from authz_service.config.model import Config
from authz_service.envoy.binary import known_version
from authz_service.envoy.filters import asked_headers, owned_headers
from authz_service.envoy.messages import Message, extension
from authz_service.envoy.paths import StatePaths
from authz_service.errors import RenderError

OVERRIDE = "AUTHZ_ENVOY_MODULE"
NONE = "none"
LIBRARY = Path(__file__).with_name("libdecision_cache.so")
FILTER = "authz.decision_cache"
_MADE_FOR = "1.40"  # Envoy's interface for modules changes with its minor versions

State = Literal["used", "no_ingress", "nothing_repeated", "copied", "switched_off", "not_built", "other_envoy"]
STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True, slots=True)
class DecisionCache:
    """`state` is public: the label of a metric. Without a `library`, `words` say why."""

    state: State = "no_ingress"
    words: str = "no request comes in through an Envoy of ours"
    library: Path | None = None

    @property
    def is_missed(self) -> bool:
        """Left out although nobody said so."""
        return self.state in {"not_built", "other_envoy"}


NOT_ASKED = DecisionCache()


def decision_cache(config: Config, environment: Mapping[str, str]) -> DecisionCache:
    """Raises RenderError when AUTHZ_ENVOY_MODULE names no file."""
    if not config.proxy.enabled or config.is_decision_only:
        return NOT_ASKED
    asked = config.asked_policy
    if asked is None or not asked.remember:
        return DecisionCache("nothing_repeated", "proxy.authz.remember is 0, or no policy is asked")
    if config.audit.opa_decision_log is not None or asked.candidate is not None:
        return DecisionCache("copied", "audit.opa_decision_log or proxy.authz.candidate wants a copy of each record")
    return usable(environment)


def usable(environment: Mapping[str, str]) -> DecisionCache:
    """On this host, whatever is configured."""
    named = environment.get(OVERRIDE, "")
    if named == NONE:
        return DecisionCache("switched_off", f"{OVERRIDE} is {NONE}")
    library = Path(named).absolute() if named else LIBRARY
    if not library.is_file():
        if named:
            raise RenderError(f"{OVERRIDE}: {library} is no file; name one, or {NONE}")
        return DecisionCache("not_built", "its library was not built when the sidecar was installed (no C compiler)")
    try:
        version = known_version(environment)
    except RenderError as error:
        return DecisionCache("other_envoy", str(error))
    if not version.startswith(f"{_MADE_FOR}."):
        return DecisionCache("other_envoy", f"it is made for Envoy {_MADE_FOR}, and this is {version}")
    return DecisionCache("used", "Envoy repeats what workers permit it to", library)


def repeat(config: Config, paths: StatePaths, library: Path) -> Message:
    """Right before the gate: what it knows by the same bytes is answered here, and on record before it goes on."""
    told = [
        ("version", "1"),
        ("board", str(paths.decision_cache)),
        ("chain", str(paths.envoy_chain)),
        ("audit", config.audit.path),
        *(("asked", name) for name in _told_of_headers(config)),
        *(("owned", name) for name in owned_headers(config)),  # what a permit may set for the service
    ]
    return extension(
        FILTER,
        "extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        dynamic_module_config={"module": {"local": {"filename": str(library)}}, "do_not_close": True},
        filter_name=FILTER,
        filter_config={
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": "".join(f"{key} {_on_one_line(value)}\n" for key, value in told),
        },
    )


def _told_of_headers(config: Config) -> list[str]:
    """`authorization` too, whatever is configured: Envoy sends it with every question over HTTP."""
    return sorted(asked_headers(config) | {headers.AUTHORIZATION})


def _on_one_line(value: str) -> str:
    if headers.has_control(value):
        raise RenderError(f"{value!r} has a line end or another control character; name another path")
    return value
