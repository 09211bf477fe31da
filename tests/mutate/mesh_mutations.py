"""What would make a mesh look safer than it is: an explanation, a lint or a matrix that overlooks a no."""

from __future__ import annotations

from tests.mutate.mutation import Mutation

_HERE = "src/authz_service/mesh"
_MATRIX = ("tests/unit/mesh/matrix/test_table_security_matrix.py",)
_TABLE = ("tests/unit/mesh/matrix/test_table.py",)
_JOURNEY = ("tests/unit/mesh/test_journey.py",)
_LINT = ("tests/unit/mesh/lint/test_catalogue.py",)


def mesh() -> list[Mutation]:
    return [
        Mutation(
            "a handshake of the mesh believes everybody", f"{_HERE}/door.py",
            "return refusal(shown.chain, self._trust, self._now()), ()", 'return "", ()', _MATRIX,
        ),
        Mutation(
            "a token's scopes are given whether the client may ask or not", f"{_HERE}/principals.py",
            'requested_scopes(client, " ".join(scopes) if scopes else None)', "list(scopes)", _JOURNEY,
        ),
        Mutation(
            "a sidecar that cannot be read is somebody outside", f"{_HERE}/journey.py",
            "        if broken:\n", "        if False:\n", _JOURNEY,
        ),
        Mutation(
            "a caller of the mesh believes every target", f"{_HERE}/journey.py",
            "            if why:  # it is", "            if False:  # it is", _JOURNEY,
        ),
        Mutation(
            "explain advises to let another zone in", f"{_HERE}/remedies.py",
            "if signed and not believed:", "if believed and not signed:", _JOURNEY,
        ),
        Mutation(
            "a cell is what the first sidecar says", f"{_HERE}/matrix/asker.py",
            "if call is None or call.destination is None:", "if True:", _TABLE,
        ),
        Mutation(
            "what is gained is not told", f"{_HERE}/matrix/changes.py",
            "if rank or before.conditions != after.conditions:", "if rank < 0:", _TABLE,
        ),
        Mutation(
            "a condition is not asked about", f"{_HERE}/matrix/table.py",
            "if other.allowed != usual.allowed:", "if False:", _TABLE,
        ),
        Mutation(
            "lint takes any client certificate for allowed", f"{_HERE}/lint/certificates.py",
            "if not any(is_match(rule, peer) for rule in allowed):", "if not allowed:", _LINT,
        ),
        Mutation(
            "a comment without a reason ignores", f"{_HERE}/lint/run.py",
            "finding.rule.id in comment[1] and comment[2].strip()", "finding.rule.id in comment[1]", _LINT,
        ),
    ]  # fmt: skip
