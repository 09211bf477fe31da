"""The same for what a worker remembers of those that it let in: each wrong line lets somebody in who must be judged."""

from __future__ import annotations

from tests.mutate.mutation import Mutation

_SRC = "src/authz_service"
_REMEMBERED = f"{_SRC}/ext_authz/remembered.py"
_REPEATABLE = f"{_SRC}/ingress/repeatable.py"
_DECISION = f"{_SRC}/decision_worker/ingress_decision.py"
_REVISIONS = f"{_SRC}/decision_worker/revisions.py"
_TEMPLATE = f"{_SRC}/audit/template.py"
_CONTROL = f"{_SRC}/control_plane/workers/control_server.py"
_CLOCK = "src/authz_rego/check/clock.py"
_QUESTIONS = ("tests/unit/ext_authz/test_remembered.py",)
_HOLDS = ("tests/unit/ingress/test_repeatable.py",)
_SERVICE = ("tests/unit/decision_worker/test_ingress_decision.py",)
_WORKER = ("tests/unit/decision_worker/test_ingress_decision_repeated.py",)
_PERMITS = ("tests/unit/decision_worker/test_ingress_decision_permits.py",)
_PIECES = ("tests/unit/audit/test_template.py",)
_TOLD = ("tests/unit/control_plane/workers/test_control_server.py",)
_KEEPER = f"{_SRC}/control_plane/data_plane/decision_cache.py"
_BOARD = f"{_SRC}/control_plane/data_plane/cache_board.py"
_KEPT = ("tests/unit/control_plane/data_plane/test_decision_cache.py",)
_READS = ("tests/rego/check/test_clock.py",)


def memory() -> list[Mutation]:
    return [
        *_alike(),
        *_until(),
        Mutation(
            "new rules forget nothing",
            _REVISIONS,
            "        self.remembered.forget_all()\n        self.heads",
            "        self.heads",
            _WORKER,
        ),
        Mutation(
            "new keys forget nothing",
            _REVISIONS,
            "        self.remembered.forget_all(0 if self._awaited else epoch)\n",
            "",
            _WORKER,
        ),
        Mutation(
            "a repeated allow goes on without its record",
            _DECISION,
            "unrecordable = not recorded and self._audit_required",
            "unrecordable = not recorded and not repeats",
            _WORKER,
        ),
        Mutation(
            "an evaluation is repeated",
            f"{_SRC}/ingress/gate.py",
            "        if request.evaluation:\n            return NEVER",
            "        if False:\n            return NEVER",
            _HOLDS,
        ),
        Mutation(
            "what is not on record is remembered", _DECISION, "        if recorded:\n", "        if True:\n", _WORKER
        ),
        Mutation(
            "the first one is remembered",
            _DECISION,
            "if came_in is None or not self._remembered.is_asked_again(came_in):",
            "if False:",
            _WORKER,
        ),
        Mutation(
            "repeated while questions end workers",
            f"{_SRC}/decision_worker/answer.py",
            "        if self._stands_by or self._in_flight.alarmed:\n            return None\n",
            "        if self._stands_by:\n            return None\n",
            _WORKER,
        ),
        Mutation(
            "the end of a question is taken for one",
            f"{_SRC}/ext_authz/http_protocol.py",
            'self._bytes = b"" if self._begun else data',
            "self._bytes = data",
            _WORKER,
        ),
        Mutation(
            "an id that is none stands in a record",
            _DECISION,
            "        if not is_one and not is_corr",
            "        if is_one and not is_corr",
            _SERVICE,
        ),
        *_heads(),
        *_pieces(),
        *_permits(),
        *_epochs(),
        *_kept(),
        *_clock(),
    ]


def _heads() -> list[Mutation]:
    known, wire = f"{_SRC}/ext_authz/known_heads.py", f"{_SRC}/ext_authz/wire.py"
    tests = ("tests/unit/ext_authz/test_known_heads.py",)
    return [
        Mutation("new rules read by the old ones", _REVISIONS, "        self.heads.forget_all()\n", "", _WORKER),
        Mutation("a head learnt at its first sight", f"{_SRC}/decision_worker/answer.py", " and self._heads.is_seen_again(asked):", ":", _WORKER),
        Mutation("a head learnt that is not found again", known, "asked.correlation_id) == request:", "asked.correlation_id):", tests),
        Mutation("a known head has another's correlation id", wire, "headers.CORRELATION_ID: correlation_id}", "}", tests),
        Mutation("a known head's line may be anything", wire, "@-~]*)(?:", "@-~]*|.*)(?:", tests),
    ]  # fmt: skip


def _pieces() -> list[Mutation]:
    """A wrong one puts somebody else's name into a record."""
    file, tests = f"{_SRC}/audit/record.py", ("tests/unit/audit/test_line_pieces.py",)
    return [
        Mutation("a record of another address", file, "        request.remote,\n        user_context,\n        repeats", "        '',\n        user_context,\n        repeats", tests),
        Mutation("a record of another user", file, "        id(decision.claims),\n", "        0,\n", tests),
        Mutation("a record of who is gone", file, "_Known(pieces, peer, decision.claims)", "_Known(pieces, peer, None)", tests),
        Mutation("a record without a policy's words", file, "(verdict.reasons or verdict.audit is not None)", "verdict.audit is not None", tests),
        Mutation("a record beyond its bound", file, "                if len(line) <= _MAX_RECORD:\n", "                if True:\n", tests),
    ]  # fmt: skip


def _permits() -> list[Mutation]:
    return [
        Mutation(
            "a permit although copies are wanted",
            _DECISION,
            "rules.cached_in_envoy and not rules.copies",
            "rules.cached_in_envoy",
            _PERMITS,
        ),
        Mutation(
            "a permit that nobody asked for",
            _DECISION,
            "rules.cached_in_envoy and not rules.copies",
            "not rules.copies",
            _PERMITS,
        ),
        Mutation("a permit without an epoch", _DECISION, " or not epoch:", ":", _PERMITS),
        Mutation(
            "a permit for what the worker does not repeat",
            _DECISION,
            'return "second", allowed if kept else b""',
            'return "second", allowed',
            _PERMITS,
        ),
        Mutation(
            "a permit that never ends", f"{_SRC}/ext_authz/permit.py", "int(until * ", "2 * int(until * ", _PERMITS
        ),
        Mutation("a permit for what was cut", _TEMPLATE, " or not line.endswith(end):", ":", _PIECES),
        Mutation(
            "a permit without the decision that it repeats",
            _TEMPLATE,
            """line[duration.end(1) : -len(b'"}\\n')] + judged + b'"',""",
            """line[duration.end(1) : -len(b'}\\n')],""",
            _PIECES,
        ),
        Mutation(
            "a policy's words are taken for the record's",
            _TEMPLATE,
            "_DURATION.search(line, max(ids, 0))",
            "_DURATION.search(line, line.rfind(b',\"duration_us\":'))",
            _PIECES,
        ),
    ]


def _epochs() -> list[Mutation]:
    return [
        Mutation(
            "Envoy goes on repeating by the last rules",
            _CONTROL,
            "            self._epoch = self._rules_epoch = self.raise_epoch()\n            self.rules",
            "            self.rules",
            _TOLD,
        ),
        Mutation(
            "Envoy goes on repeating by the last keys",
            _CONTROL,
            "        self._epoch = self.raise_epoch()\n        self._keys",
            "        self._keys",
            _TOLD,
        ),
        Mutation(
            "what a worker permitted outlives it",
            _CONTROL,
            "                self._end_permits()\n                self.on_change()",
            "                self.on_change()",
            _TOLD,
        ),
        Mutation(
            "rules on their way have the epoch of those in force",
            _REVISIONS,
            "        self._epoch = self._awaited = epoch\n        self.remembered.forget_all()",
            "        self._epoch = self._awaited = epoch",
            _PERMITS,
        ),
        Mutation(
            "keys let what is judged by old rules be repeated",
            _REVISIONS,
            "self.remembered.forget_all(0 if self._awaited else epoch)",
            "self.remembered.forget_all(epoch)",
            _PERMITS,
        ),
        Mutation(
            "rules that could not be used are forgotten",
            _REVISIONS,
            "        self.remembered.forget_all()\n        self.heads",
            "        self.remembered.forget_all(self._epoch)\n        self.heads",
            _PERMITS,
        ),
        Mutation(
            "rules that others follow are the newest",
            _REVISIONS,
            "        if epoch == self._awaited:\n",
            "        if True:\n",
            _PERMITS,
        ),
    ]


def _kept() -> list[Mutation]:
    """By the control plane, for the decision cache in Envoy."""
    return [
        Mutation(
            "Envoy is not shown that all has ended",
            _KEEPER,
            "            self._board.show(self._epoch)\n",
            "            pass\n",
            _KEPT,
        ),
        Mutation("another life uses the same epochs", _KEEPER, "max(self._epoch, board.epoch)", "self._epoch", _KEPT),
        Mutation("what was permitted before the start is repeated", _KEEPER, "        board.show(0)\n", "", _KEPT),
        Mutation(
            "an Envoy of before looks at another board",
            _BOARD,
            "if len(found) != _SIZE or not found.startswith(_MAGIC):",
            "if True:",
            _KEPT,
        ),
        Mutation(
            "it is mended although the gap is not on record",
            _KEEPER,
            "        if chain.broken:\n            raise AuditUnavailable(writer.error)\n",
            "",
            _KEPT,
        ),
        Mutation(
            "a record is glued to a line that was begun",
            _KEEPER,
            "return Destination(descriptor, torn and not self.mend(path, descriptor))",
            "return Destination(descriptor, torn=False)",
            _KEPT,
        ),
        Mutation("what is repeated is counted twice", _KEEPER, "        self._last = told\n", "", _KEPT),
        Mutation(
            "a chain stays locked",
            f"{_SRC}/audit/chain.py",
            "        self._memory.close()\n        os.close(self._lock)\n",
            "",
            ("tests/unit/audit/test_chain.py",),
        ),
    ]


def _alike() -> list[Mutation]:
    return [
        Mutation(
            "the rest of a question is not compared",
            _REMEMBERED,
            "question[end_of_line:start] + question[value.end(1) :]\n",
            "question[end_of_line:start]\n",
            _QUESTIONS,
        ),
        Mutation(
            "the start of a question is not compared",
            _REMEMBERED,
            "question[end_of_line:start] + question[value.end(1) :]\n",
            "question[value.end(1) :]\n",
            _QUESTIONS,
        ),
        Mutation(
            "anything is a correlation id",
            _REMEMBERED,
            '(rf"({CORRELATION_ID_PATTERN})\\r\\n"',
            '(rf"([^\\r]+)\\r\\n"',
            _QUESTIONS,
        ),
        Mutation(
            "two questions are one",
            _REMEMBERED,
            "return question.find(_END) ==",
            "return question.rfind(_END) ==",
            _QUESTIONS,
        ),
        Mutation(
            "remembered for ever",
            _REMEMBERED,
            "if not known.since <= self.now() < known.until:",
            "if not known.since <= self.now():",
            _QUESTIONS,
        ),
        Mutation(
            "the clock may be set back",
            _REMEMBERED,
            "if not known.since <= self.now() < known.until:",
            "if not self.now() < known.until:",
            _QUESTIONS,
        ),
        Mutation(
            "another id than the parser's",
            _REMEMBERED,
            "        if asked.correlation_id != correlation_id:\n            return False\n",
            "",
            _QUESTIONS,
        ),
        Mutation("remembered without bound", _REMEMBERED, "Bounded(MAX_REMEMBERED)", "Bounded(1 << 30)", _QUESTIONS),
    ]


def _until() -> list[Mutation]:
    return [
        Mutation(
            "an allow outlives its token", _REPEATABLE, "peer.not_after, claims.expires_at]", "peer.not_after]", _HOLDS
        ),
        Mutation(
            "an allow outlives its certificate",
            _REPEATABLE,
            "listed_until, peer.not_after, claims",
            "listed_until, claims",
            _HOLDS,
        ),
        Mutation(
            "an allow outlives the revocation lists",
            _REPEATABLE,
            "remember, listed_until, peer",
            "remember, peer",
            _HOLDS,
        ),
        Mutation(
            "an allow holds as long as its token",
            _REPEATABLE,
            "ends = [now + self._rules.remember, ",
            "ends = [",
            _HOLDS,
        ),
        Mutation(
            "shadow's allows are repeated", _REPEATABLE, " or decision.reason is not Reason.ALLOWED:", ":", _HOLDS
        ),
        Mutation(
            "introspection is asked once",
            _REPEATABLE,
            "if route is None or route.introspect or not",
            "if route is None or not",
            _HOLDS,
        ),
        Mutation("the grace of a renewal lives on", _REPEATABLE, " or not _is_held_by(peer, claims):", ":", _HOLDS),
        Mutation(
            "comparisons with the clock do not turn",
            _REPEATABLE,
            "            if moment > now:\n",
            "            if False:\n",
            _HOLDS,
        ),
        Mutation(
            "a moment that cannot be told is none",
            _REPEATABLE,
            "if moment is None or abs",
            "if moment is None:\n                continue\n            if abs",
            _HOLDS,
        ),
        Mutation("the decision's id is nobody's own", _REPEATABLE, 'if "decision_id" in reads:', "if False:", _HOLDS),
        Mutation(
            "the correlation id is nobody's own",
            _REPEATABLE,
            "if headers.CORRELATION_ID in map(str.lower, of_headers):",
            "if False:",
            _HOLDS,
        ),
        Mutation(
            "all headers are nobody's own",
            _REPEATABLE,
            "    if of_headers is None:\n",
            "    if of_headers is None:\n        return None\n    if False:\n",
            _HOLDS,
        ),
    ]


def _clock() -> list[Mutation]:
    return [
        Mutation(
            "`with` changes no comparison", _CLOCK, "if any(isinstance(node, With) for", "if any(False for", _READS
        ),
        Mutation(
            "uses of the clock are not counted",
            _CLOCK,
            " and all(self._uses[name] == self._known[name] for name in self._clocks)",
            "",
            _READS,
        ),
        Mutation(
            "readings of the clock are not counted",
            _CLOCK,
            "whole = read == len(self._places) and ",
            "whole = ",
            _READS,
        ),
        Mutation(
            "any number is a claim times a positive one", _CLOCK, 'case "mul" if number > 0:', 'case "mul":', _READS
        ),
        Mutation("a claim may be two", _CLOCK, "if self._uses[variable.name] == _GIVEN_AND_USED else None", "", _READS),
        Mutation(
            "the offset is forgotten",
            _CLOCK,
            "return value._replace(offset=value.offset + number)",
            "return value",
            _READS,
        ),
    ]
