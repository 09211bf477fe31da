"""Whether a PEM file (RFC 7468) is there as a whole. Not what is in it.

Parsers skip a block that has no end: a file that is being written, or was cut, would lose the last certificate in it.
"""

import re

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----(?:(?!-----).)*-----END \1-----", re.DOTALL)
_PART_OF_A_MARK = re.compile(rb"-----|^-+\Z", re.MULTILINE)


def what_is_torn(pem: bytes) -> str:
    """Words about what is not whole; "" for a file of whole blocks, whatever stands between them."""
    begun, whole = pem.count(b"-----BEGIN "), len(_BLOCK.findall(pem))
    if begun != whole:
        return f"{begun} BEGIN, {whole} whole blocks: it was cut, or is still being written"
    if _PART_OF_A_MARK.search(_BLOCK.sub(b"", pem)):
        return "a BEGIN or END that is not whole: it was cut, or is still being written"
    return ""
