"""Rego's values as Python has them.

| Rego | Python |
|---|---|
| null, booleans, strings | `None`, `bool`, `str` (code points; a byte that is no UTF-8 is a surrogate: `byte_texts`) |
| numbers | `int`; `Number` when the text has a fraction or an exponent |
| arrays | `list` |
| objects | `dict`, keyed by `str`, or by `Key` for a key that is no string |
| sets | `frozenset`, of `str`, or of `Key` for a member that is no string |

Values are never changed once they are made. Undefined is no value: it is `UNDEFINED`.
"""
