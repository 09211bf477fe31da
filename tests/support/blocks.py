"""Blocks of loopback addresses, 127.<block>.x.y: whoever runs tests has one of his own."""

import random
import socket

_BLOCKS = range(1, 77)  # the demo begins at 77
_PORT = 21001


def claim_block() -> tuple[int, socket.socket]:
    """One that is nobody else's as long as the socket is there."""
    for block in random.SystemRandom().sample(_BLOCKS, len(_BLOCKS)):
        claim = socket.socket()
        try:
            claim.bind((f"127.{block}.0.1", _PORT))
        except OSError:
            claim.close()
            continue
        return block, claim
    raise AssertionError("no free block of loopback addresses")
