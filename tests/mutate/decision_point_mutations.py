"""What other people's proxies could be made to believe, or to let pass."""

from __future__ import annotations

from tests.mutate.mutation import Mutation

_SRC = "src/authz_service"
_HERE = f"{_SRC}/decision_point"
_QUESTIONS = ("tests/unit/decision_point/test_asked.py",)
_PROTOCOLS = ("tests/unit/decision_point/test_answered_by_protocol.py",)
_CHECKS = ("tests/unit/config/test_decision_only_checks.py",)
_EVALUATIONS = ("tests/unit/ingress/test_gate_evaluations.py",)
_CONNECTIONS = ("tests/unit/decision_point/test_http1_connections.py",)
_ASKERS = ("tests/unit/decision_point/test_askers.py",)


def decision_point() -> list[Mutation]:
    return [
        Mutation(
            "a line end becomes another header", f"{_HERE}/asked.py",
            r'_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")', r'_CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")',
            _QUESTIONS,
        ),
        Mutation(
            "a target with spaces is asked about", f"{_HERE}/asked.py",
            "_TARGET.fullmatch(asked.target)", "_TARGET.match(asked.target)", _QUESTIONS,
        ),
        Mutation(
            "what is unreadable keeps its headers", f"{_HERE}/asked.py",
            "asked, passed = UNREADABLE, []", "asked = UNREADABLE", _QUESTIONS,
        ),
        Mutation(
            "a caller's own x-authz header is passed on", f"{_HERE}/asked.py",
            "if not name.startswith(headers.STRIPPED_PREFIXES) and name not in", "if name not in", _QUESTIONS,
        ),
        Mutation(
            "every 2xx is an allow", f"{_HERE}/answered.py",
            "if status != 200 and not 400 <= status < 500:", "if not 200 <= status < 500:", _QUESTIONS,
        ),
        Mutation(
            "a header that came twice is read", f"{_HERE}/http_messages.py", "if key in self.repeated:", "if False:",
            _PROTOCOLS,
        ),
        Mutation(
            "a certificate that the proxy could not verify", f"{_HERE}/ext_authz_http.py",
            "if certificate and said.client_verify and", "if False and", _PROTOCOLS,
        ),
        Mutation(
            "a proxy that does not say which method", f"{_HERE}/forward_auth.py",
            "if method is None or uri is None or host is None:", "if uri is None or host is None:", _PROTOCOLS,
        ),
        Mutation(
            "of two clients in XFCC the first", f"{_HERE}/certificates.py",
            "if len(certificates) == 1 and certificates[0]", "if certificates and certificates[0]", _PROTOCOLS,
        ),
        Mutation(
            "an unreadable certificate is none", f"{_HERE}/certificates.py", 'UNREADABLE = b"unreadable"',
            'UNREADABLE = b""', _PROTOCOLS,
        ),
        Mutation(
            "another spelling of our header stays", f"{_HERE}/ext_authz_grpc.py",
            "removed = {*answered.removed, *other_spellings(asked, owned)}", "removed = {*answered.removed}", _PROTOCOLS,
        ),
        Mutation(
            "a refusal over gRPC is an error", f"{_HERE}/ext_authz_grpc.py",
            "protobuf.of_bytes(\n                _DENIED,", "protobuf.of_bytes(\n                5,", _PROTOCOLS,
        ),
        Mutation(
            "nginx is told 404", f"{_HERE}/forward_auth.py",
            "if for_nginx and status not in _NGINX_KNOWS and status < 500:", "if False:", _PROTOCOLS,
        ),
        Mutation(
            "whoever has connected may ask", f"{_HERE}/http1.py", "if not self._is_welcome(transport):", "if False:",
            _CONNECTIONS,
        ),
        Mutation(
            "whoever has connected may ask over gRPC", f"{_HERE}/http2.py",
            "if not self._is_welcome(self._transport):", "if False:", _CONNECTIONS,
        ),
        Mutation(
            "whoever the authority knows may ask", f"{_HERE}/askers.py",
            "        except Rejected:\n            return False", "        except Rejected:\n            return True", _ASKERS,
        ),
        Mutation(
            "a listener for everybody", f"{_SRC}/config/checks/decision_only.py",
            "not is_loopback(asker.addr.host) and not asker.allowed_clients", "False", _CHECKS,
        ),
        Mutation(
            "a key that protects nothing", f"{_SRC}/config/checks/decision_only.py",
            "if key in section.model_fields_set:", "if False:", _CHECKS,
        ),
        Mutation(
            "AuthZEN without a policy", f"{_SRC}/ingress/gate.py",
            "if request.route not in self.rules.evaluated_for or self.policy is None:",
            "if request.route not in self.rules.evaluated_for:", _EVALUATIONS,
        ),
        Mutation(
            "AuthZEN for who did not ask for it", f"{_SRC}/ingress/gate.py",
            "if request.route not in self.rules.evaluated_for or self.policy is None:", "if self.policy is None:",
            _EVALUATIONS,
        ),
        Mutation(
            "an asker says what we say", f"{_SRC}/ingress/evaluation_input.py", "if set(said) != {*_PARTS} or",
            "if", _EVALUATIONS,
        ),
        Mutation(
            "a broken evaluation is a permit", f"{_HERE}/authzen.py", "if answered.allowed:", "if answered.status != 403:",
            _PROTOCOLS,
        ),
    ]  # fmt: skip
