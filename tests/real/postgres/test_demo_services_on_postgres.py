"""The demo services' own tests, word for word, on PostgreSQL: `new_database` is this folder's."""

from tests.integration.test_demo_services import *  # noqa: F403
from tests.integration.test_demo_services_once import *  # noqa: F403

del test_a_database_that_fails_is_503  # noqa: F821 - it breaks a SQLite file; `test_a_killed_database.py` is its twin
