"""A policy's answer that means nothing. Not a refusal: what it leads to is said by who asked."""


class BadAnswer(ValueError):  # noqa: N818 - it is what was answered
    """Says what is wrong with it, for who wrote the policy."""
