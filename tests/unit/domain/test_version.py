"""The product says of itself what its package says."""

from importlib.metadata import version

from authz_service.domain.version import product_version


def test_it_is_the_installed_one() -> None:
    assert product_version() == version("authz-service")
