"""How long the parts of one request may take, derived from each other. Not what happens when they take longer.

Inwards each waits for less than the one that waits for it, so that the answer says what was slow:

    Envoy, all attempts  >  Envoy, one attempt  >  the worker, for what it lacks  >  OPA, or an issuer
"""

from math import ceil

EVALUATION = 0.25  # seconds of processor time, unless configured: a thousand times an ordinary decision
LONGEST_EVALUATION = 1.0

ATTEMPTS = 3  # the first, the standby worker, the successor of the first
_SHORTEST_ATTEMPT = 0.4

# A worker waits for a key, an introspection, an OPA: less than an attempt, or the same would be tried elsewhere.
PATIENCE = _SHORTEST_ATTEMPT - 0.1
LONGEST_POLICY_ANSWER = PATIENCE

EXCHANGE = 2.0  # for the identity provider's answer
EXCHANGE_PATIENCE = EXCHANGE + 0.2
EXCHANGE_ATTEMPT = EXCHANGE_PATIENCE + 0.3


def attempt(evaluation: float) -> float:
    """One attempt of Envoy's: what an evaluation may take and somewhat more, and what a worker waits for."""
    return max(_SHORTEST_ATTEMPT, evaluation + 0.15)


RETRIES_ARE_OVER = float(ceil(ATTEMPTS * attempt(LONGEST_EVALUATION)))  # nobody asks the same question again by itself
