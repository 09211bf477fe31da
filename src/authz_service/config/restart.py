"""Which changes of the configuration need a new process. Everything else is taken over while requests go on."""

from authz_service.config.model import Config, Runtime

_FIXED = (
    ("service", "name"),
    ("admin", "addr"),
    ("admin", "network_addr"),
    ("audit", "key"),
    *(("runtime", key) for key in Runtime.model_fields),
)


def _listeners(config: Config) -> list[tuple[str, str, object, int]]:
    asked = config.proxy.asked_by if config.is_decision_only else {}
    return [(name, one.protocol, one.addr, one.socket_mode) for name, one in asked.items()]


def restart_needed(old: Config, new: Config) -> tuple[str, ...]:
    """The dotted keys that differ and cannot be changed live; empty when `new` can be taken over as it is."""
    changed = [
        (section, key)
        for section, key in _FIXED
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]
    sockets = ("tls.sds",) if old.sds_sockets != new.sds_sockets else ()  # part of what Envoy is told once
    fixed = ["proxy.asked_by"] if _listeners(old) != _listeners(new) else []  # a door's sockets are made once
    if old.is_decision_only != new.is_decision_only:
        fixed.append("proxy.mode")
    elif new.is_decision_only and old.egress.enabled != new.egress.enabled:  # with it there is an Envoy
        fixed.append("egress.enabled")
    return (*fixed, *(f"{section}.{key}" for section, key in changed), *sockets)
