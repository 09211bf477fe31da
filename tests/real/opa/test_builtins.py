"""What is recorded of OPA's builtins is what OPA says; tests/unit compares ours with the record."""

from tests.support import opa
from tests.support.builtin_calls import asked_of_opa, recorded


def test_the_record_is_what_opa_says() -> None:
    """Every call, also those whose answer is undefined."""
    record = recorded()

    assert record.opa == opa.VERSION
    assert record.calls == asked_of_opa(record.calls), "run `python -m tests.support.builtin_calls`, and look at it"
