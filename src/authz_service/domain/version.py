"""Which version of the product this is."""

from importlib.metadata import version


def product_version() -> str:
    """As it was installed."""
    return version("authz-service")
