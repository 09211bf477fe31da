"""Who waits inside waits for less than who waits outside: the answer says what was slow."""

from authz_service.domain import time_budget as budget


def test_each_wait_ends_before_the_one_around_it() -> None:
    attempt = budget.attempt(budget.EVALUATION)

    assert attempt > budget.EVALUATION
    assert budget.LONGEST_POLICY_ANSWER <= budget.PATIENCE < attempt
    assert budget.EXCHANGE < budget.EXCHANGE_PATIENCE < budget.EXCHANGE_ATTEMPT
    assert budget.ATTEMPTS * budget.attempt(budget.LONGEST_EVALUATION) <= budget.RETRIES_ARE_OVER


def test_a_longer_evaluation_has_a_longer_attempt() -> None:
    assert budget.attempt(0.01) == budget.attempt(budget.EVALUATION) == 0.4
    assert budget.attempt(1.0) > 1.0
