"""Which changes of the configuration need a new process. Everything else is taken over while requests go on."""

from authz_service.config.model import Config, Runtime

_FIXED = (
    ("service", "name"),
    ("admin", "addr"),
    ("admin", "network_addr"),
    ("audit", "key"),
    *(("runtime", key) for key in Runtime.model_fields),
)


def restart_needed(old: Config, new: Config) -> tuple[str, ...]:
    """The dotted keys that differ and cannot be changed live; empty when `new` can be taken over as it is."""
    changed = [
        (section, key)
        for section, key in _FIXED
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]
    sockets = ("tls.sds",) if old.sds_sockets != new.sds_sockets else ()  # part of what Envoy is told once
    return (*(f"{section}.{key}" for section, key in changed), *sockets)
