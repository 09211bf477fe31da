"""Which request paths are too ambiguous to forward, as RE2 expressions for Envoy. Not what is served at a path.

On the ingress the gate refuses these and records it; on the egress, where no Python is asked, Envoy refuses them.
"""

_HEX = "[0-9A-Fa-f]"
_TAIL = f"%[89ABab]{_HEX}"

# One percent-escape, or one whole escaped UTF-8 sequence (RFC 3629 §4), but for %00 and %25.
_ESCAPES = (
    f"%(?:0[1-9A-Fa-f]|[13-7]{_HEX}|2[0-46-9A-Fa-f])",
    f"%(?:[Cc][2-9A-Fa-f]|[Dd]{_HEX}){_TAIL}",
    f"%[Ee]0%[ABab]{_HEX}{_TAIL}",
    f"%[Ee][1-9A-Ca-cEFef]{_TAIL}{_TAIL}",
    f"%[Ee][Dd]%[89]{_HEX}{_TAIL}",
    f"%[Ff]0%[9ABab]{_HEX}{_TAIL}{_TAIL}",
    f"%[Ff][1-3]{_TAIL}{_TAIL}{_TAIL}",
    f"%[Ff]4%8{_HEX}{_TAIL}{_TAIL}",
)

# The whole `:path` with its query: anything else may decode to another path behind us (SECURITY T13).
WELL_ENCODED = rf"(?:[^%?]|{'|'.join(_ESCAPES)})*(?:\?.*)?"

# A path with a segment that somebody may take for "." or "..": "..;", ".;x", "..%3B". (Plain ones are resolved before.)
DOT_SEGMENT = r".*/(?:\.|%2[Ee]){1,2}(?:(?:;|%3[Bb])[^/]*)?(?:/.*)?"
