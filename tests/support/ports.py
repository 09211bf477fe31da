"""A port of loopback that nobody listens on at the moment."""

import random
import socket

# Below those that the kernel gives to whoever connects (ip(7)): such a one may be somebody's before it is used here.
_PORTS = range(22000, 32000)


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in random.SystemRandom().sample(_PORTS, 100):
        with socket.socket(family) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
