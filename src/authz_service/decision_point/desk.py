"""From an asker's request to the bytes of its answer: protocol, question, worker, answer, protocol. Decides nothing."""

from __future__ import annotations

import logging

from authz_service import headers
from authz_service.decision_point import authzen, ext_authz_grpc, ext_authz_http, forward_auth
from authz_service.decision_point.answered import Answered
from authz_service.decision_point.asked import Asked, Questions, a_correlation_id
from authz_service.decision_point.http_messages import HttpRequest, http_answer
from authz_service.decision_point.rules import Asker, DoorRules
from authz_service.decision_point.workers import Workers
from authz_service.logs import about

log = logging.getLogger(__name__)

_CORRELATION = headers.CORRELATION_ID.encode()


class Desk:
    """One for each listener, by one revision of the rules."""

    def __init__(self, asker: Asker, rules: DoorRules, workers: Workers) -> None:
        self._asker = asker
        self._owned = rules.owned
        self._questions = Questions(rules)
        self._workers = workers
        self._told_missing: set[str] = set()

    async def answer_http(self, request: HttpRequest, last: bool) -> bytes:  # noqa: FBT001 - http1.Answerer
        if self._asker.protocol == "authzen":
            return await self._answer_authzen(request, last=last)
        is_head = request.method == b"HEAD"
        if self._asker.protocol == "ext_authz_http":
            asked = ext_authz_http.read(request, self._asker.said, self._asker.path_prefix)
            answered = await self._ask(asked)
            return ext_authz_http.write(answered, self._owned, is_head=is_head, last=last)
        asked = forward_auth.read(request, self._asker.said)
        self._tell_missing(request)
        for_nginx = self._asker.protocol == "auth_request"
        return forward_auth.write(await self._ask(asked), for_nginx=for_nginx, is_head=is_head, last=last)

    async def answer_check(self, message: bytes) -> bytes:
        """For ext_authz over gRPC."""
        asked = ext_authz_grpc.read(message, self._asker.said)
        return ext_authz_grpc.write(await self._ask(asked), asked, self._owned)

    async def _ask(self, asked: Asked) -> Answered:
        """The service gets the id under which the record is."""
        question = self._questions.about(asked)
        answered = await self._workers.ask(question)
        return answered._replace(told=(*answered.told, (_CORRELATION, question.correlation_id)))

    async def _answer_authzen(self, request: HttpRequest, *, last: bool) -> bytes:
        status, lines, body = await self._evaluated(request)
        return http_answer(status, [*lines, *authzen.request_id(request)], body, last=last)

    async def _evaluated(self, request: HttpRequest) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        target = request.target.partition(b"?")[0]
        if target == authzen.METADATA and self._asker.url:
            return authzen.metadata(self._asker.url) if request.method == b"GET" else _not(405, b"GET")
        if target not in {authzen.EVALUATION, authzen.EVALUATIONS}:
            return _not(404)
        if request.method != b"POST":
            return _not(405, b"POST")
        try:
            wanted = authzen.read(request._replace(target=target))
        except authzen.BadRequestError as error:
            return authzen.refused(str(error))
        correlation_id = a_correlation_id(request.found.get(b"x-request-id"))
        decisions: list[dict[str, object]] = []
        for document in wanted.documents:
            if isinstance(document, str):
                decisions.append(authzen.unmade(400, document))
            else:
                question = self._questions.about_evaluation(self._asker.name, document, correlation_id)
                decisions.append(authzen.judged(await self._workers.ask(question)))
            if not authzen.goes_on(wanted.semantic, decision=decisions[-1]["decision"] is True):
                break
        return authzen.answer_of(decisions, single=wanted.single)

    def _tell_missing(self, request: HttpRequest) -> None:
        """Once for each header: whoever set the proxy up looks here."""
        for name in forward_auth.missing(request, self._asker.said):
            if name not in self._told_missing:
                self._told_missing.add(name)
                log.warning("proxy_header_missing", extra=about(listener=self._asker.name, header=name))


def _not(status: int, allow: bytes = b"") -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return status, [(b"allow", allow)] if allow else [], b""
