"""The list: security-relevant lines of the product, each made wrong in the way in which such lines go wrong.

A check that is dropped, a list that is widened, a header that is left, an allow where something broke. `make mutate`
tries them all; `tests/unit/mutate` keeps each in step with the code.
"""

from __future__ import annotations

from tests.mutate.decision_cache_mutations import decision_cache
from tests.mutate.decision_point_mutations import decision_point
from tests.mutate.memory_mutations import memory
from tests.mutate.mesh_mutations import mesh
from tests.mutate.module_mutations import envoy_module
from tests.mutate.mutation import Mutation
from tests.mutate.rego_mutations import rego

_SRC = "src/authz_service"
_TOKENS = ("tests/unit/identity/test_tokens.py", "tests/attacks/test_jwt_attacks.py")
_PEERS = (
    "tests/unit/identity/test_certificates.py",
    "tests/unit/identity/test_certificates_since_the_handshake.py",
    "tests/attacks/test_peer_attacks.py",
)
_KEYS = ("tests/unit/identity/test_key_set.py", *_TOKENS)
_STRONG_KEYS = ("tests/unit/domain/test_strong_keys.py",)
_KEY_SOURCE = ("tests/unit/trust/test_issuer_keys.py",)
_BINDING = ("tests/unit/identity/test_client_binding.py",)
_SERVICE_TOKENS = ("tests/unit/identity/test_service_tokens.py", *_BINDING)
_PROXIES = ("tests/integration/envoy/test_proxies_before_us.py",)
_PLACES = ("tests/unit/identity/test_token_places.py",)
_GATE = ("tests/unit/ingress/test_gate.py",)
_HEADERS = ("tests/unit/ingress/test_owned_headers.py",)
_SERVICE = ("tests/unit/decision_worker/test_ingress_decision.py",)
_POISON_REQUESTS = ("tests/unit/decision_worker/test_poison_requests.py",)
_AUDIT = ("tests/unit/audit",)
_POLICY = ("tests/unit/policy/decide/test_engine.py", "tests/processes/policy/test_vetting.py")
_BOUND = ("tests/unit/ingress/test_gate_bound_tokens.py",)
_DENIALS = ("tests/unit/identity/test_token_denials.py",)
_INTROSPECTIONS = ("tests/unit/ingress/test_gate_introspection.py",)
_QUESTIONS = ("tests/unit/domain/test_questions.py",)
_PENDING = ("tests/unit/decision_worker/test_pending_questions.py",)
_HYGIENE = ("tests/integration/envoy/test_header_hygiene.py",)
_ASKED = ("tests/integration/envoy/test_gate_is_asked.py",)
_HANDSHAKES = ("tests/integration/envoy/test_handshakes.py",)
_AGENT = ("tests/integration/test_certificates_from_an_agent.py",)
_EGRESS_DOOR = ("tests/integration/envoy/test_egress_door.py",)
_TOKEN_KEEPER = ("tests/unit/credentials/test_token_refresher.py",)
_EXCHANGED = ("tests/unit/egress/test_gate.py",)
_OAUTH2 = ("tests/unit/credentials/test_oauth2_answers.py",)
_RENEWED = ("tests/integration/test_reload_certificates.py",)
_LISTS = ("tests/unit/trust/test_revocation_lists.py", "tests/unit/identity/test_certificates_since_the_handshake.py")
_BYTES = ("tests/integration/envoy/test_same_bytes.py",)
_OWN_CERTIFICATES = ("tests/unit/credentials/test_certificates.py",)
_FILTERS = ("tests/processes/walls/test_filters.py",)
_TAKEN_OVER = ("tests/integration/test_taken_over_worker.py",)
_RUNNING = ("tests/unit/envoy/test_running.py",)
_FOREIGN = ("tests/integration/test_foreign_configuration.py",)
_HANDOVER = ("tests/unit/control_plane/workers/test_handover.py",)

_STATE_DIR = ("tests/unit/control_plane/test_state_dir.py",)
_IN_PROGRESS = ("tests/unit/decision_worker/test_requests_in_progress.py",)
_BUNDLE = ("tests/unit/policy/sources/test_bundle.py",)


def _identity() -> list[Mutation]:
    folder = f"{_SRC}/identity"
    return [
        Mutation("empty segments vanish", f"{_SRC}/envoy/listeners.py", "merge_slashes=False,", "merge_slashes=True,", _BYTES),
        Mutation("a prefix takes slashes with it", f"{_SRC}/envoy/routes.py", 'f"^{re.escape(base)}/?"', 'f"^{re.escape(base)}/*"', _BYTES),
        Mutation("trailers reach the service", f"{_SRC}/envoy/listeners.py", "            filters.no_trailers(),\n", "", _BYTES),
        Mutation(
            "our calls know servers by their CN", f"{_SRC}/tls_context.py",
            "    context.hostname_checks_common_name = False\n", "", ("tests/integration/test_calls_of_ours.py",),
        ),
        Mutation(
            "a CA file adds to the system's", f"{_SRC}/tls_context.py",
            "    if ca_file is None:\n        context.load_default_certs()\n    else:\n",
            "    context.load_default_certs()\n    if ca_file is not None:\n", ("tests/integration/test_calls_of_ours.py",),
        ),
        Mutation(
            "Redis' URL switches checking off", f"{_SRC}/credentials/shared_tokens.py",
            'if options.get("connection_class") is SSLConnection:', "if False:", ("tests/integration/test_calls_of_ours.py",),
        ),
        Mutation(
            "handshakes sign with SHA-1", f"{_SRC}/envoy/tls.py",
            '        "signature_algorithms": SIGNATURES,\n', "", ("tests/integration/envoy/test_key_kinds.py",),
        ),
        Mutation(
            "a weak link above the leaf", f"{_SRC}/credentials/certificates.py",
            "        if weakness := weakness_of(one.public_key()):", "        if False:", _OWN_CERTIFICATES,
        ),
        Mutation(
            "a point of small order is a key", f"{_SRC}/domain/strong_keys.py",
            'return "an Ed25519 point of small order" if small else ""', 'return ""', _STRONG_KEYS,
        ),
        Mutation(
            "a key of ROCA is a key", f"{_SRC}/domain/strong_keys.py", "if _is_of_roca(modulus):", "if False:", _STRONG_KEYS,
        ),
        Mutation(
            "keys outlive the issuer's word", f"{_SRC}/trust/issuer_keys.py",
            "            self._withdraw(why)\n", "", _KEY_SOURCE,
        ),
        Mutation(
            "keys live for ever", f"{_SRC}/trust/issuer_keys.py",
            "> self._settings.max_age:", '> float("inf"):', _KEY_SOURCE,
        ),
        Mutation(
            "two claims of one name", f"{_SRC}/ingress/owned_headers.py",
            "if whole is not None and found is not None:", "if False:", _HEADERS,
        ),
        Mutation(
            "a header that is too long is left as the caller sent it", f"{_SRC}/ingress/owned_headers.py",
            "            values[longest] = value[: room + 1]", "            values.pop(longest); values.get(longest) or value[: room + 1]",
            _HEADERS,
        ),
        Mutation(
            "a small exponent", f"{_SRC}/domain/strong_keys.py",
            "RSA_EXPONENTS = range(65537,", "RSA_EXPONENTS = range(3,", (*_OWN_CERTIFICATES, *_KEYS),
        ),
        Mutation(
            "who shows no certificate passes", f"{_SRC}/control_plane/gate_rules.py",
            "_is_certificate_asked_for(config) or not mtls.allow_anonymous", "_is_certificate_asked_for(config)",
            ("tests/unit/control_plane/test_gate_rules.py",),
        ),
        Mutation(
            "Envoy is given every list", f"{_SRC}/trust/revocation_lists.py",
            "elif for_envoy := _is_enough_for_envoy(used, bundle, now):", "elif for_envoy := True:", _LISTS,
        ),
        Mutation(
            "a list of a part counts for all", f"{_SRC}/trust/revocation_lists.py",
            "and not one.urls and one", "and one", _LISTS,
        ),
        Mutation(
            "one of an attribute's values is enough", f"{folder}/certificates.py",
            "_values(peer.subject, name) == _values(rule.attributes, name)",
            "_values(peer.subject, name) & _values(rule.attributes, name)", _PEERS,
        ),
        Mutation(
            "any DNS name will do", f"{folder}/certificates.py",
            "if rule.dns and rule.dns not in map(str.lower, peer.dns):", "if rule.dns and not peer.dns:", _PEERS,
        ),
        Mutation(
            "a record of a gap counts twice", f"{_SRC}/audit/verify.py",
            "if writer.recent and sealed.seq <= writer.recent[-1][0]:", "if False:", _AUDIT,
        ),
        Mutation(
            "a file's words are a terminal's orders", f"{_SRC}/cli/letters.py",
            "letter if letter.isprintable() or", "letter if True or", ("tests/unit/cli/test_audit.py",),
        ),
        Mutation(
            "a list of a namesake", f"{_SRC}/trust/revocation_lists.py",
            "return not namesakes or ", "return True or ", _LISTS,
        ),
        Mutation(
            "a list with a digest that can be forged", f"{_SRC}/trust/crl.py",
            "    if not is_strong_signature(crl):\n", "    if False:\n", _LISTS,
        ),
        Mutation(
            "a list of another replaces one", f"{_SRC}/trust/revocation_lists.py",
            "other.scope == one.scope and same_key", "other.scope == one.scope", _LISTS,
        ),
        Mutation(
            "below a revoked authority", f"{_SRC}/control_plane/sources/certificates.py",
            "revoked = set(lists.revoked_authorities) if lists is not None else set()", "revoked: set[x509.Certificate] = set()",
            ("tests/integration/test_revocation_lists.py",),
        ),
        Mutation(
            "nobody looks at the lists", f"{_SRC}/trust/revocation_lists.py",
            "    if not gate:\n", "    if False:\n", _LISTS,
        ),
        Mutation(
            "an authority without a list", f"{folder}/certificates.py",
            "        return urls is not None\n", "        return True\n", _LISTS,
        ),
        Mutation(
            "a list of another place", f"{folder}/certificates.py",
            "return any(name.value in urls for", "return any(True for", _LISTS,
        ),
        Mutation(
            "expired lists at the gate", f"{folder}/certificates.py",
            "if self._now() >= self._listed_until:", "if False:", _LISTS,
        ),
        Mutation(
            "envoy's lists are none of the gate's business", f"{_SRC}/trust/revocation_lists.py",
            "listed = tuple(sorted({(one.name, ()) for one in used if one.is_for_clients}))", "listed = None",
            ("tests/unit/trust/test_revocation_lists.py",),
        ),
        Mutation(
            "envoy changes before the workers know", f"{_SRC}/control_plane/sources/certificates.py",
            "if name == secrets.CLIENT_CA and name in self._texts:", "if False:",
            ("tests/unit/control_plane/sources/test_certificates.py",),
        ),
        Mutation(
            "what envoy may have is forgotten", f"{_SRC}/control_plane/sources/certificates.py",
            "text if self._released or self._texts", "text if self._texts",
            ("tests/unit/control_plane/sources/test_certificates.py",),
        ),
        Mutation(
            "older rules go on while envoy changes", f"{_SRC}/control_plane/workers/control_server.py",
            "        while late := [", "        while False and [", ("tests/unit/control_plane/workers/test_control_server.py",),
        ),
        *(
            Mutation(
                f"while lists change {what}", f"{_SRC}/control_plane/reload/trust_on_its_way.py", old, new,
                ("tests/unit/control_plane/reload/test_trust_on_its_way.py",),
            )
            for what, old, new in (
                ("the last revoked get in", "revoked=tuple(sorted({*wanted.revoked, *before.revoked})),", ""),
                ("the last list is forgotten", "listed=_by_both(wanted.listed, before.listed),", ""),
                ("the gate goes at once", "return replace(wanted, peers=before.peers)", "return wanted"),
                ("no place is every place", "tuple(sorted({*urls} & {*others})) or None", "tuple(sorted({*urls} & {*others}))"),
                ("the last withdrawn get in", "withdrawn=tuple(sorted({*wanted.withdrawn, *before.withdrawn})),", ""),
                ("the last end is forgotten", "listed_until=min(ends, default=None),", ""),
            )
        ),
        Mutation(
            "half a PEM file is whole", f"{_SRC}/pem_files.py",
            "    if torn:\n", "    if False:\n", ("tests/unit/test_pem.py",),
        ),
        Mutation(
            "what cannot be told is a user's", f"{folder}/service_tokens.py",
            "        return _is_rfc9068_service(payload, rules)\n    return True\n",
            "        return _is_rfc9068_service(payload, rules)\n    return False\n", _SERVICE_TOKENS,
        ),
        Mutation(
            "a client of nobody's is users'", f"{folder}/service_tokens.py",
            "client_of(payload, rules) not in rules.user_clients or", "False or", _SERVICE_TOKENS,
        ),
        Mutation(
            "aud is not looked at where another claim is the audience", f"{folder}/claims.py",
            "{rules.audience_claim, *_AUDIENCE.intersection(payload)}", "{rules.audience_claim}", _SERVICE_TOKENS,
        ),
        Mutation(
            "a service of Keycloak's hangs on its name", f"{folder}/service_tokens.py",
            "return not isinstance(name, str) or name", "return isinstance(name, str) and name", _SERVICE_TOKENS,
        ),
        Mutation(
            "the first of two clients is the token's", f"{folder}/service_tokens.py",
            "if len(found) == 1 else", "if found else", _SERVICE_TOKENS,
        ),
        Mutation(
            "a signature is not looked at", f"{folder}/tokens.py",
            "return is_signed_by(key, token.algorithm, token.signing_input, token.signature)", "return True", _TOKENS,
        ),
        Mutation(
            "any algorithm the key can do", f"{folder}/tokens.py",
            "if token.algorithm not in rules.algorithms:", "if False:", _TOKENS,
        ),
        Mutation(
            "a key of another type", f"{folder}/tokens.py",
            "fitting = [key for key in named if token.algorithm in key.algorithms]", "fitting = named", _TOKENS,
        ),
        Mutation(
            "any typ in the header", f"{folder}/tokens.py",
            "if token.media_type not in self._types[rules.issuer]:", "if False:", _TOKENS,
        ),
        Mutation(
            "a remembered token lives for ever", f"{folder}/tokens.py",
            "if known is not None and known.not_before <= self._now() < known.claims.expires_at:",
            "if known is not None:", _TOKENS,
        ),
        Mutation(
            "a withdrawn key's tokens stay", f"{folder}/tokens.py",
            "if claims.issuer == keys.issuer and key not in usable.get(key.kid, ()):", "if False:", _TOKENS,
        ),
        Mutation("exp is not looked at", f"{folder}/claims.py", "if now >= expires_at:", "if False:", _TOKENS),
        Mutation("nbf is not looked at", f"{folder}/claims.py", "if now < not_before:", "if False:", _TOKENS),
        Mutation(
            "any audience", f"{folder}/claims.py",
            "if not any(name in accepted for name in found):", "if not found:", _TOKENS,
        ),
        Mutation(
            "a refresh token is an access token", f"{folder}/claims.py",
            'payload.get("typ", "Bearer") != "Bearer"', 'payload.get("typ", "Bearer") == "Logout"', _TOKENS,
        ),
        Mutation(
            "text is a time", f"{folder}/claims.py",
            "if seconds is None or not 0 <= seconds <= _END_OF_TIME:",
            "if seconds is None:", _TOKENS,
        ),
        Mutation(
            "a header may bring its key", f"{folder}/strict_jwt.py",
            'frozenset({"crit", "zip", "b64", "jwk"})', 'frozenset({"crit"})', _TOKENS,
        ),
        Mutation(
            "two ways to write one token", f"{_SRC}/domain/base64url.py",
            'if urlsafe_b64encode(decoded).rstrip(b"=") != segment:', "if False:", _TOKENS,
        ),
        Mutation("HS256 joins the algorithms", f"{_SRC}/domain/signatures.py", "ALGORITHMS = frozenset({*_RSA, *_EC, _ED})",
                 'ALGORITHMS = frozenset({*_RSA, *_EC, _ED, "HS256", "none"})', _TOKENS),
        Mutation("an encryption key verifies", f"{folder}/key_set.py", 'entry.get("use", "sig") == "sig"', "True", _KEYS),
        Mutation("RSA of 1024 bits", f"{_SRC}/domain/strong_keys.py", "range(2048, 8192 + 1)", "range(1024, 8192 + 1)", _KEYS),
        Mutation(
            "any client certificate", f"{folder}/certificates.py",
            "if not any(is_match(rule, peer) for rule in self._rules.allowed):", "if False:", _PEERS,
        ),
        Mutation(
            "an expired certificate", f"{folder}/certificates.py",
            "if not peer.not_before <= self._now() <= peer.not_after:", "if False:", _PEERS,
        ),
        Mutation(
            "a revoked certificate", f"{folder}/certificates.py",
            'if (peer.issuer, f"{peer.serial:x}") in self._revoked:', "if False:", _PEERS,
        ),
        Mutation("no certificate where one is required", f"{folder}/certificates.py",
                 "if self._rules.required:", "if False:", _PEERS),
        Mutation("a CA is a client", f"{folder}/certificates.py",
                 "if isinstance(constraints, x509.BasicConstraints) and constraints.ca:", "if False:", _PEERS),
        Mutation("the first of two CNs", f"{folder}/certificates.py",
                 'if len(subject.get("CN", ())) > 1:', "if False:", _PEERS),
        Mutation("a rule matches when one of its attributes does", f"{folder}/certificates.py",
                 "return all(_values(peer.subject", "return any(_values(peer.subject",
                 _PEERS),
        Mutation("anybody's service token", f"{folder}/client_binding.py",
                 "if claims.client not in _clients_of(peer, rules):", "if False:", _BINDING),
    ]  # fmt: skip


def _configuration() -> list[Mutation]:
    folder, tests = f"{_SRC}/config", ("tests/unit/config",)
    return [
        Mutation(
            "without http.tls the ingress is plain",
            f"{folder}/checks/listeners.py",
            'if "tls" not in http.model_fields_set:',
            "if False:",
            tests,
        ),
        Mutation(
            "without authz no policy is asked",
            f"{folder}/sections/proxy.py",
            'is_off(value.get("enabled"))',
            "True",
            tests,
        ),
        Mutation(
            "a secret is not read from its file",
            f"{folder}/read/secret_files.py",
            "return secret_in(file)",
            'return Secret("")',
            tests,
        ),
    ]


def _ingress() -> list[Mutation]:
    folder = f"{_SRC}/ingress"
    return [
        Mutation("a token may be left out", f"{folder}/gate.py", "if route.auth_required:", "if False:", _GATE),
        Mutation("a wrong token is none", f"{folder}/gate.py", "or route.ignore_tokens", "or not route.auth_required", _GATE),
        Mutation("a record names whom an ignored token names", f"{folder}/gate.py",
                 "(route is not None and route.ignore_tokens)", "False", _GATE),
        Mutation("an escaped slash leads past another route", f"{folder}/gate.py",
                 "for reading in (segments, *readings))", "for reading in (segments,))", _GATE),
        Mutation("a method without a route has another one's rules", f"{folder}/route_table.py",
                 "self._by_method.get((name, method)) or self._by_name.get(name)", "self._by_name.get(name)", _GATE),
        Mutation("the policy's no is a yes", f"{folder}/gate.py",
                 "if verdict.reason is not ALLOWED and not self.rules.shadow:", "if False:", _GATE),
        Mutation("no policy is no obstacle", f"{folder}/gate.py",
                 "if (part is None) != (its_rules is None):", "if False:", _GATE),
        Mutation("a good host is good for any route and method", f"{folder}/gate.py",
                 "form = (request.route, request.method, request.host)", 'form = ("", "", request.host)', _GATE),
        Mutation("a known form may have any host", f"{folder}/gate.py",
                 "form = (request.route, request.method, request.host)", 'form = (request.route, request.method, "")', _GATE),
        Mutation("a header that is known has a good token", f"{folder}/gate.py",
                 "        claims = self._tokens.verify(token)\n        if known is None",
                 "        claims = self._last = self._last if known else self._tokens.verify(token)\n        if known is None", _GATE),
        Mutation("a path of another route", f"{folder}/gate.py",
                 "not self._is_of(route, segments):", "False:", _GATE),
        Mutation("a page of another origin uses the cookie", f"{folder}/gate.py",
                 "        if request.of_another_page:", "        if False:", ("tests/unit/ingress/test_gate.py",)),
        Mutation("any page is ours", f"{_SRC}/identity/token_places.py",
                 "return text not in self._origins and text not in", "return text not in", _PLACES),
        Mutation("a token in a second place is not looked at", f"{_SRC}/identity/token_places.py",
                 "[header, *elsewhere])", "[header])", _PLACES),
        Mutation("two Authorization headers", f"{_SRC}/identity/bearer.py",
                 'if "," in authorization and', "if False and", ("tests/unit/identity/test_bearer.py",)),
        Mutation("a header without a value is left to the client", f"{folder}/owned_headers.py",
                 "removed = [name for name, value in values.items() if value is None]", "removed = []", _HEADERS),
        Mutation("a stranger says for whom he acts", f"{folder}/owned_headers.py",
                 "values.setdefault(headers.USER_CONTEXT, None)", "pass", _HEADERS),
        Mutation("headers of one token for the next", f"{folder}/owned_headers.py",
                 "key = (id(claims), peer", "key = (0, peer", _HEADERS),
        Mutation("headers of one token for another that takes its place", f"{folder}/owned_headers.py",
                 "self._blocks[key] = claims, block", "self._blocks[key] = claims._replace(), block", _HEADERS),
        Mutation("a header that the policy left out is left to the client", f"{folder}/owned_headers.py",
                 "dict.fromkeys((*self._hidden, *self._from_policy))", "dict.fromkeys(self._hidden)", _HEADERS),
    ]  # fmt: skip


def _decision() -> list[Mutation]:
    service = f"{_SRC}/decision_worker/ingress_decision.py"
    return [
        Mutation("an allow without its record", service,
                 "unrecordable = not recorded and self._audit_required", "unrecordable = False", _SERVICE),
        Mutation("whatever breaks is an allow", service,
                 "return Deny(Reason.DECISION_FAILED, type(error).__name__)", 'return Allow(b"")', _SERVICE),
        Mutation("a policy that fails allows", f"{_SRC}/policy/decide/engine.py",
                 "            return _FAILED", "            return Verdict(Reason.ALLOWED, (), None)", _POLICY),
        Mutation("undefined is an allow", f"{_SRC}/policy/decide/answers.py",
                 "        return _UNDEFINED\n", "        return _ALLOWED\n", _POLICY),
        Mutation("whatever is not false is an allow", f"{_SRC}/policy/decide/answers.py",
                 "    if type(allow) is not bool:\n", "    if False:\n", _POLICY),
        Mutation("a misspelt answer is an answer", f"{_SRC}/policy/decide/answers.py",
                 "    if not answer.keys() <= MEMBERS:\n", "    if False:\n", _POLICY),
        Mutation("a policy sets whatever header", f"{_SRC}/policy/decide/answers.py",
                 "        if lower not in may_set:\n", "        if False:\n", _POLICY),
        Mutation("a policy writes two headers in one", f"{_SRC}/policy/decide/answers.py",
                 "        and not headers.has_control(text)\n", "", _POLICY),
        Mutation("a refused request has headers", f"{_SRC}/policy/decide/answers.py",
                 "    if value and not allow:\n", "    if False:\n", _POLICY),
        Mutation("a policy may ask for what is never there", f"{_SRC}/policy/vetting/contract.py",
                 '    if root == "input":\n', "    if False:\n", _POLICY),
        Mutation("a policy may ask for data that nobody has", f"{_SRC}/policy/vetting/contract.py",
                 '    elif root == "data":\n', "    elif False:\n", _POLICY),
        Mutation("a policy is not tried", f"{_SRC}/policy/vetting/checks.py",
                 "    return probe_problems(engine, source.query, modules, recorded, announce, budget)\n", "    return []\n", _POLICY),
        Mutation("a member that occurs twice is read once", f"{_SRC}/identity/strict_json.py",
                 "type(value) is dict and _write_plain(value) == text.encode()", "type(value) is dict",
                 ("tests/unit/identity/test_strict_json.py",)),
        Mutation("a plain object may be of any depth", f"{_SRC}/identity/strict_json.py",
                 'if text.count("{") + text.count("[") > MAX_DEPTH:', "if False:", ("tests/unit/identity/test_strict_json.py",)),
        Mutation("claims lose their digits", f"{_SRC}/identity/strict_json.py",
                 "parse_float=_number,", "parse_float=float,", _TOKENS),
        Mutation("what ended a worker is tried again", f"{_SRC}/decision_worker/poison_requests.py",
                 "return decision if decision.verdict in _VERDICTS.values() else None", "return None", _POISON_REQUESTS),
        Mutation("whatever is asked after a worker's end is taken for what ended it", f"{_SRC}/decision_worker/poison_requests.py",
                 "            if each.digest == self.digest:\n", "            if True:\n", _POISON_REQUESTS),
        Mutation("what ended a worker leaves no record", f"{_SRC}/decision_worker/poison_requests.py",
                 "each.slot == self._in_flight.slot and not each.is_answered and each.at < asked_again_until", "False",
                 _POISON_REQUESTS),
        Mutation("a worker's question is not written down", f"{_SRC}/decision_worker/ingress_decision.py",
                 "            in_flight.begin(request, self._poison_requests.mark)\n", "", _SERVICE),
        Mutation("both workers are ended at once", f"{_SRC}/decision_worker/watchdog.py",
                 "if self._ended_slot in (None, slots[pid]):", "if True:", ("tests/unit/decision_worker/test_watchdog.py",)),
        Mutation("half a line is a record", f"{_SRC}/audit/sink.py", "if written != len(line):", "if False:", _AUDIT),
    ]  # fmt: skip


def _audit() -> list[Mutation]:
    folder = f"{_SRC}/audit"
    return [
        Mutation("a lost record uses up its number", f"{folder}/writer.py",
                 "            chain.not_written()\n", "", _AUDIT),
        Mutation("a number that may be used is used again", f"{folder}/writer.py",
                 "        except AuditTorn:\n            raise", "        except AuditTorn:\n            chain.not_written()\n            raise",
                 _AUDIT),
        Mutation("nobody hears of lost records", f"{folder}/chain.py",
                 "        self.broken = True\n", "", _AUDIT),
        Mutation("a kill in mid-record is forgotten", f"{folder}/chain.py",
                 "self.broken = self._begun != self._seq or", "self.broken =", _AUDIT),
        Mutation("a torn last line is not ended", f"{folder}/destinations.py",
                 "stat.S_ISREG(found.st_mode) and _ends_in_mid_line(descriptor)", "False", _AUDIT),
        Mutation("two processes write one chain", f"{folder}/chain.py",
                 "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB", _AUDIT),
        Mutation("the key stands still", f"{folder}/seal.py",
                 "    return sha256(key).digest()", "    return key", _AUDIT),
        Mutation("a chain goes on after a restart of the machine", f"{folder}/chain.py",
                 "digest(secret, _boot(),", 'digest(secret, b"",', _AUDIT),
        Mutation("a changed record is intact", f"{folder}/verify.py",
                 "if before and not self._fits(writer, sealed, before):", "if False:", _AUDIT),
        Mutation("a missing record is not missed", f"{folder}/verify.py",
                 "            self._report_missing(writer, place, last_seq + 1, sealed.seq - 1)\n", "            pass\n", _AUDIT),
        Mutation("a cut file is whole", f"{folder}/verify.py", "            if last < head.seq:", "            if False:", _AUDIT),
        Mutation("a record without a seal is one", f"{folder}/verify.py",
                 'self._find(Finding("unsealed", place, text))', "pass", _AUDIT),
        Mutation("every claim is in the copy of the audit", f"{folder}/opa_event.py",
                 '("token", KEPT_CLAIMS.__contains__)', '("token", lambda _: True)', _AUDIT),
        Mutation("the query is in the copy of the audit", f"{folder}/opa_event.py",
                 'request.get("query"):', "False:", _AUDIT),
    ]  # fmt: skip


def _revocation() -> list[Mutation]:
    return [
        Mutation("a bound token goes with any certificate", f"{_SRC}/identity/token_binding.py",
                 "if peer.fingerprint == claims.certificate:", "if peer.fingerprint:", _BOUND),
        Mutation("a token that must be bound need not be", f"{_SRC}/identity/token_binding.py",
                 "        if required:", "        if False:", _BOUND),
        Mutation("the grace never ends", f"{_SRC}/identity/token_binding.py",
                 "now < known.since + grace and ", "", _BOUND),
        Mutation("a revoked token is accepted", f"{_SRC}/identity/tokens.py",
                 "        self._denied.require_not_denied(claims)\n", "", _DENIALS),
        Mutation("a remembered token outlives its revocation", f"{_SRC}/identity/tokens.py",
                 "                self._denied.require_not_denied(verified.claims)\n", "                pass\n", _DENIALS),
        Mutation("a fingerprint on the denylist is passed over", f"{_SRC}/identity/certificates.py",
                 "if peer.fingerprint in self._revoked_fingerprints:", "if False:", _PEERS),
        Mutation("an entry that is not understood is passed over", f"{_SRC}/trust/denylist.py",
                 "if reading.problems:", "if False:", ("tests/unit/trust/test_denylist.py",)),
        Mutation("the issuer is not asked", f"{_SRC}/ingress/gate.py",
                 "if route.introspect and self._known", "if False and self._known", _INTROSPECTIONS),
        Mutation("what the issuer gave up is accepted", f"{_SRC}/ingress/gate.py",
                 "if isinstance(answer, Absent):", "if False:", _INTROSPECTIONS),
        Mutation("an answer holds for ever", f"{_SRC}/domain/questions.py",
                 " or known[1] <= self.now()", "", _QUESTIONS),
        Mutation("an issuer that cannot be asked has answered", f"{_SRC}/decision_worker/pending_questions.py",
                 "set_result(answered.answer is not None)", "set_result(True)", _PENDING),
        Mutation("an allow that wants a better sign-in is an allow", f"{_SRC}/policy/decide/answers.py",
                 "        if allow:\n", "        if False:\n", _POLICY),
        Mutation("a policy writes headers", f"{_SRC}/policy/decide/step_up.py", "_ACR.fullmatch", "_ACR.match", _POLICY),
    ]  # fmt: skip


def _outbound() -> list[Mutation]:
    return [
        Mutation("an expired token stays in use", f"{_SRC}/credentials/token_refresher.py",
                 "        self._token = None\n        _log.error(", "        _log.error(", _TOKEN_KEEPER),
        Mutation("PUT is repeated unasked", f"{_SRC}/envoy/routes.py",
                 'if retries.methods == "idempotent":', "if True:", ("tests/integration/test_target_connections.py",)),
        Mutation("Envoy's no is reaped, and read as a yes", f"{_SRC}/control_plane/child_process.py",
                 " or os.getsid(ended.si_pid) == os.getsid(0)", "", ("tests/processes/control_plane/test_child_process.py",)),
        Mutation("the admin pages answer whatever name", f"{_SRC}/control_plane/status/admin_server.py",
                 "if name and self._names is not None and name not in self._names:", "if False:",
                 ("tests/unit/control_plane/status/test_admin_server.py",)),
        Mutation("a state directory that others prepared", f"{_SRC}/control_plane/state_dir.py",
                 "if status.st_mode & stat.S_IWOTH and os.listdir(found):", "if False:", _STATE_DIR),
        Mutation("a folder of the state directory is followed through a link", f"{_SRC}/control_plane/state_dir.py",
                 "folder=self._folders[folder]", "folder=self.path / folder", _STATE_DIR),
        Mutation("a refused client asks for ever", f"{_SRC}/credentials/token_refresher.py",
                 "if answer is not None and answer.permanent:", "if False:", _TOKEN_KEEPER),
        Mutation("whatever token_type", f"{_SRC}/credentials/oauth2.py",
                 "if not _is_bearer(token_type, request.token_type):", "if False:", _OAUTH2),
        Mutation("any token_type is a bearer's", f"{_SRC}/credentials/oauth2.py",
                 "found.lower() not in _PROOF_WANTED", "True", _OAUTH2),
        Mutation("params in place of ours", f"{_SRC}/credentials/oauth2.py",
                 "form = dict(request.params) | dict(grant)", "form = dict(grant) | dict(request.params)", _OAUTH2),
        Mutation("somebody else's key", f"{_SRC}/credentials/certificates.py",
                 "if key and chain and key.public_key() != chain[0].public_key():", "if False:", _OWN_CERTIFICATES),
        Mutation("a bundle that drops our own authority", f"{_SRC}/trust/ca_bundles.py",
                 "if before.covers(own.chain) and not after.covers(own.chain):", "if False:", ("tests/unit/trust/test_ca_bundles.py",)),
        Mutation("a target goes on seeing the certificate before", f"{_SRC}/control_plane/reload/rollout.py",
                 "        if clusters:\n", "        if False:\n", _RENEWED),
        Mutation("the target's name is not checked", f"{_SRC}/envoy/tls.py",
                 '                "match_typed_subject_alt_names": [_subject_name(own.spiffe_id, host)],\n', "", _EGRESS_DOOR),
        Mutation("an agent without a CA lets everybody in", f"{_SRC}/envoy/tls.py",
                 '                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "spiffe://"}}]\n',
                 "", _AGENT),
        Mutation("the service's own token goes along", f"{_SRC}/envoy/filters.py",
                 "overwrite=True,", "overwrite=False,", _EGRESS_DOOR),
        Mutation("without a token, but it goes", f"{_SRC}/envoy/filters.py",
                 "allow_request_without_credential=False,", "allow_request_without_credential=True,", _EGRESS_DOOR),
        Mutation("a web page may call", f"{_SRC}/envoy/routes.py",
                 "for matched in (page, fetched)]", "for matched in (fetched,)]", _EGRESS_DOOR),
        Mutation("a page of any program on this host may call", f"{_SRC}/envoy/routes.py",
                 'f"http://(?:{own}){port}"', 'f"http://(?:{own})(:[0-9]+)?"', _EGRESS_DOOR),
    ]  # fmt: skip


def _envoy() -> list[Mutation]:
    return [
        Mutation("the gate is down: come in", f"{_SRC}/envoy/filters.py",
                 "failure_mode_allow=False,", "failure_mode_allow=True,", _ASKED),
        Mutation("nobody asks the gate", f"{_SRC}/envoy/listeners.py",
                 "            filters.ask_the_gate(config, unless_known=bool(known)),\n", "", _ASKED),
        Mutation("our own headers are left in", f"{_SRC}/envoy/listeners.py",
                 "removed = [*headers.STRIPPED, *filters.owned_headers(config)]", "removed = [*headers.STRIPPED]", _HYGIENE),
        Mutation("a client writes about its own certificate", f"{_SRC}/headers.py",
                 'STRIPPED_PREFIXES = ("x-authz-", ', 'STRIPPED_PREFIXES = ("x-nothing-", ', _HYGIENE),
        Mutation("an identity that another proxy would tell passes", f"{_SRC}/envoy/listeners.py",
                 "filters.early_removal(removed, prefixes, forwarded)", "filters.early_removal(removed, prefixes)", _HYGIENE),
        Mutation("one malformed stream ends its neighbours", f"{_SRC}/envoy/listeners.py",
                 '    "override_stream_error_on_invalid_http_message": True,\n', "", ("tests/integration/envoy/test_odd_requests.py",)),
        Mutation("everybody says where he calls from", f"{_SRC}/envoy/listeners.py",
                 'chains = [{**trusted, "filter_chain_match": proxies.match}, *chains]', "chains = [trusted]", _PROXIES),
        Mutation("a stranger begins with a PROXY header", f"{_SRC}/envoy/listeners.py",
                 "    elif proxies.match:\n", "    elif False:\n", _PROXIES),
        Mutation("a client certificate is a matter of taste", f"{_SRC}/envoy/tls.py",
                 'require_client_certificate=tls.client_auth == "require",', "require_client_certificate=False,",
                 _HANDSHAKES),
        Mutation("sessions are resumed", f"{_SRC}/envoy/tls.py",
                 "disable_stateless_session_resumption=True,", "disable_stateless_session_resumption=False,", _HANDSHAKES),
        Mutation("escaped slashes pass", f"{_SRC}/envoy/listeners.py",
                 '"KEEP_UNCHANGED" if kept else "REJECT_REQUEST"', '"KEEP_UNCHANGED"',
                 ("tests/integration/envoy/test_what_envoy_answers.py", "tests/integration/envoy/test_changes_and_limits.py")),
    ]  # fmt: skip


def _in_progress() -> list[Mutation]:
    service, protocol = f"{_SRC}/decision_worker/ingress_decision.py", f"{_SRC}/ext_authz/http_protocol.py"
    live = ("tests/integration/test_requests_in_progress.py",)
    return [
        Mutation(
            "a question with a body gets the 200 of those in progress",
            protocol,
            "if self._target == IN_PROGRESS_TARGET and",
            "if self._body and",
            ("tests/unit/ext_authz/test_http_protocol.py",),
        ),
        Mutation(
            "who goes on is not asked for his token",
            f"{_SRC}/ingress/gate.py",
            "        self.require_claims(request, peer, route or _FORMER_ROUTE)\n",
            "        del peer, route\n",
            _IN_PROGRESS,
        ),
        Mutation(
            "who goes on is not asked for his certificate",
            f"{_SRC}/ingress/gate.py",
            "        peer, route = self.require_peer(request), self",
            "        peer, route = NO_PEER, self",
            _IN_PROGRESS,
        ),
        Mutation(
            "without keys everybody goes on",
            service,
            "            self._end(request, Reason.KEYS_UNAVAILABLE, str(broken))\n",
            "            return not broken\n",
            _IN_PROGRESS,
        ),
        Mutation(
            "an accident lets a request go on",
            service,
            "            self._end(request, Reason.DECISION_FAILED, type(error).__name__)\n",
            "            return not error\n",
            _IN_PROGRESS,
        ),
        Mutation(
            "the record of an end names whom a forged token names",
            f"{_SRC}/identity/tokens.py",
            "        if not any(_is_signed_by(key, unverified) for key in keys):\n            return NO_CLAIMS\n",
            "",
            _IN_PROGRESS,
        ),
        Mutation(
            "an end leaves no record",
            service,
            "        self.record(request, decision, decision_id, correlation_id, 0, ended=True)\n",
            "        del decision, correlation_id\n",
            _IN_PROGRESS,
        ),
        Mutation(
            "nobody watches", f"{_SRC}/envoy/listeners.py", "            *stream_watch.watch(config),\n", "", live
        ),
        Mutation(
            "who is over goes on", f"{_SRC}/ext_authz/in_progress.py", 'b"ends" + b"".join(over)', 'b"ends"', live
        ),
        Mutation(
            "an older listener cuts what goes on",
            f"{_SRC}/control_plane/sidecar.py",
            "_DRAIN = 10 * 365 * 86_400",
            "_DRAIN = 1",
            live,
        ),
    ]


def _exchange() -> list[Mutation]:
    exchanged = f"{_SRC}/egress/gate.py"
    return [
        Mutation("an exchanged token goes to whatever target", f"{_SRC}/domain/questions.py",
                 "return self.target, sha256(", 'return "", sha256(', (*_QUESTIONS, *_EXCHANGED)),
        Mutation("an exchanged token is anybody's", f"{_SRC}/domain/questions.py",
                 'sha256(self.token.encode("latin-1")).digest()', 'sha256(b"").digest()', (*_QUESTIONS, *_EXCHANGED)),
        Mutation("an exchanged token outlives the user's", f"{_SRC}/credentials/token_exchange.py",
                 "left = min(found.lifetime, question.left)", "left = found.lifetime",
                 ("tests/unit/credentials/test_token_exchange.py",)),
        Mutation("an expired user's token is exchanged", exchanged, "if left <= 0:", "if False:", _EXCHANGED),
        Mutation("what the provider refuses to exchange is exchanged", exchanged,
                 "if isinstance(answer, Absent):", "if False:", _EXCHANGED),
        Mutation("the user's own token goes on when it is not exchanged", f"{_SRC}/envoy/routes.py",
                 '    "request_headers_to_remove": [headers.AUTHORIZATION],\n', "", ("tests/integration/test_token_exchange.py",)),
        Mutation("a route of another configuration gets a token", f"{_SRC}/decision_worker/egress_decision.py",
                 "exchange = self._gate.exchange_for(request.route) if ours else None",
                 "exchange = self._gate.exchange_for(request.route)", ("tests/unit/decision_worker/test_egress_decision.py",)),
        Mutation("an exchanged token leaves without a record", f"{_SRC}/decision_worker/egress_decision.py",
                 "isinstance(decision, Allow) and (recorded or not self._audit_required)", "isinstance(decision, Allow)", ("tests/unit/decision_worker/test_egress_decision.py",)),
        Mutation("the provider may give back the user's own token", f"{_SRC}/credentials/token_exchange.py",
                 "if found.value.reveal() == token:", "if False:", ("tests/unit/credentials/test_token_exchange.py",)),
    ]  # fmt: skip


def _workers_and_sources() -> list[Mutation]:
    bundle = f"{_SRC}/policy/sources/bundle.py"
    return [
        Mutation("a bundle needs no signature", bundle,
                 "if not is_signed_by(header.kid or payload.keyid, header.alg,", "if False and (header.kid,", _BUNDLE),
        Mutation("a bundle's files are not what was signed", bundle,
                 "if _HASHES[each.algorithm](_hashed(name, files[name])).hexdigest() != each.hash.lower():", "if False:",
                 _BUNDLE),
        Mutation("a bundle may hold more than was signed", bundle,
                 "if others or len(signed) != len(payload.files):", "if False:", _BUNDLE),
        Mutation("a bundle's file leaves its folder", bundle,
                 'if member.type not in _PLAIN or not _NAME.fullmatch(name) or ".." in name:',
                 "if member.type not in _PLAIN:", _BUNDLE),
        Mutation("a bundle of a few bytes may claim terabytes", bundle,
                 "if member.type not in _PLAIN or not _NAME", "if not member.isreg() or not _NAME", _BUNDLE),
        Mutation("a bundle defines what is another's", f"{_SRC}/policy/sources/bundle_roots.py",
                 "if not any(_is_below(path, root) for root in paths):", "if False:", _BUNDLE),
        Mutation("whoever ends a worker ends the next ones too", f"{_SRC}/decision_worker/poison_requests.py",
                 "each.know(_NOT_ASKED)", "pass", ("tests/unit/decision_worker/test_poison_requests.py",)),
        Mutation("made-up keys fill the place of introspection", f"{_SRC}/decision_worker/pending_questions.py",
                 "if self._waiting[kind] >= MAX_WAITING:", "if len(self._by_place) >= MAX_WAITING:", _PENDING),
        Mutation("a record of an invented writer is believed", f"{_SRC}/audit/verify.py",
                 "if not alone.linked and name not in suspected:", "if False:", ("tests/unit/audit/test_verify.py",)),
        Mutation("an OPA that does not answer has allowed", f"{_SRC}/policy/decide/opa_server.py",
                 "return Verdict(Reason.POLICY_UNAVAILABLE, (why,), None)", "return Verdict(Reason.ALLOWED, (why,), None)",
                 ("tests/integration/test_opa_server.py",)),
        Mutation("a worker that hangs is left hanging", f"{_SRC}/decision_worker/watchdog.py",
                 "if self._ended_slot in (None, slots[pid]):", "if False:", ("tests/unit/decision_worker/test_watchdog.py",)),
        Mutation("a rate that is counted and not enforced", f"{_SRC}/envoy/limits.py",
                 "        filter_enforced=_ALWAYS,\n", "", ("tests/attacks/test_limits.py",)),
        Mutation("one bucket for all", f"{_SRC}/envoy/limits.py",
                 '_buckets(rate, {"key": _USER})', '_buckets(rate, {"key": _USER, "value": "x"})',
                 ("tests/attacks/test_limits.py",)),
    ]  # fmt: skip


def _walls() -> list[Mutation]:
    folder = f"{_SRC}/walls"
    return [
        Mutation("a worker may what is not on its list", f"{folder}/seccomp.py",
                 "return _program([*steps, _answer(_REFUSE)])", "return _program([*steps, _answer(_ALLOW)])", _FILTERS),
        Mutation("what is hostile is only refused", f"{folder}/seccomp.py",
                 "for step in _if_number(number, [_answer(_KILL)])]", "for step in _if_number(number, [_answer(_REFUSE)])]", _FILTERS),
        Mutation("another ABI's number is taken for ours", f"{folder}/seccomp.py",
                 "(_EQUAL, 1, 0, architecture.mark),", "(_EQUAL, 1, 1, architecture.mark),", _FILTERS),
        Mutation("x32 is a way around the filter", f"{folder}/seccomp.py", "_X32 = 0x40000000", "_X32 = 0x80000000", _FILTERS),
        Mutation("what appends can be made to overwrite", f"{folder}/seccomp.py",
                 "_if_equal([_F_SETFL], _REFUSE)", "_if_equal([_F_SETFL], _ALLOW)", _FILTERS),
        Mutation("a worker forks", f"{folder}/seccomp.py", "_if_bit(_THREAD, _ALLOW)", "_if_bit(0xFFFFFFFF, _ALLOW)", _FILTERS),
        Mutation("a worker signals whom it likes", f"{folder}/seccomp.py",
                 "_if_equal([pid], _ALLOW), _answer(_REFUSE)", "_if_equal([pid], _ALLOW), _answer(_ALLOW)", _FILTERS),
        Mutation("a worker lifts its limits", f"{folder}/seccomp.py",
                 "(_EQUAL, 0, 1, 0), _answer(answer)]", "(_EQUAL, 0, 0, 0), _answer(answer)]", _FILTERS),
        Mutation("Landlock is prepared and not used", f"{folder}/landlock.py",
                 '        call("landlock_restrict_self", ruleset, 0)\n', "", _FILTERS),
        Mutation("Landlock lets TCP through", f"{folder}/landlock.py", "_TCP = {4: 0b11}", "_TCP = {4: 0}", _FILTERS),
        Mutation("Landlock lets signals through", f"{folder}/landlock.py", "_SCOPES = {6: 0b11}", "_SCOPES = {6: 0b01}", _FILTERS),
        Mutation("workers stay root", f"{folder}/raising.py", "    if os.geteuid() == 0:\n", "    if False:\n", _FILTERS),
        Mutation("the control plane's memory lies open", f"{folder}/raising.py", "prctl(SET_DUMPABLE, 0)", "prctl(SET_DUMPABLE, 1)", _TAKEN_OVER),
        Mutation("workers without walls", f"{_SRC}/decision_worker/process.py", "    missing += around_worker()\n", "", _TAKEN_OVER),
        Mutation("a worker keeps what the forkserver had open", f"{_SRC}/decision_worker/process.py",
                 "            os.closerange(low + 1, high)\n", "            pass\n", _TAKEN_OVER),
        Mutation("what Envoy has beside ours is not seen", f"{_SRC}/envoy/running.py",
                 "        if name not in ours:\n            yield place\n        elif name in theirs:", '        if name not in ours:\n            yield ""\n        elif name in theirs:', _RUNNING),
        Mutation("what Envoy lacks of ours is not seen", f"{_SRC}/envoy/running.py",
                 "elif not _is_default(name, ours[name]):", "elif False:", _RUNNING),
        Mutation("a list that is shorter is the same", f"{_SRC}/envoy/running.py",
                 "if len(ours) != len(theirs):\n            return at\n        pairs = enumerate(zip(ours, theirs, strict=True))",
                 "if len(ours) < len(theirs):\n            return at\n        pairs = enumerate(zip(ours, theirs, strict=False))", _RUNNING),
        Mutation("nobody looks at what Envoy runs", f"{_SRC}/control_plane/watch/envoy.py",
                 "        if found:\n", "        if True:\n            found = []\n        if found:\n", _FOREIGN),
        Mutation("the vetting has no walls", f"{_SRC}/policy/vetting/child.py", "    around_worker()\n", "",
                 ("tests/processes/policy/test_vetting.py",)),
        Mutation("required walls are a wish", f"{_SRC}/control_plane/workers/control_server.py",
                 "            if not (self.require_walls and worker.missing_walls):", "            if True:",
                 ("tests/integration/test_required_walls.py",)),
        Mutation("a worker has anybody dialled", f"{_SRC}/control_plane/workers/handover.py",
                 "if server not in self._servers:", "if False:", _HANDOVER),
        Mutation("a worker has any file mended", f"{_SRC}/control_plane/workers/handover.py",
                 "path == self._rules.audit_path and", "", _HANDOVER),
        Mutation("AuthZEN's questions are copied", f"{_SRC}/decision_worker/decision_log_buffer.py",
                 "    if request.evaluation:\n        return bytes(_NO_INPUT)\n", "",
                 ("tests/unit/control_plane/decision_log/test_delivery.py",)),
        Mutation("a candidate judges what no policy decided", f"{_SRC}/control_plane/candidate/child.py",
                 "known = record.reason in OF_THE_POLICY and", "known =",
                 ("tests/unit/control_plane/test_candidate_child.py",)),
        Mutation("a broken candidate passes the check", f"{_SRC}/cli/check.py",
                 "    if candidate is not None:\n", "    if False and candidate:\n", ("tests/unit/cli/test_check_candidate.py",)),
    ]  # fmt: skip


MUTATIONS = (
    *_identity(),
    *_configuration(),
    *_ingress(),
    *_decision(),
    *_audit(),
    *_revocation(),
    *_outbound(),
    *_exchange(),
    *_in_progress(),
    *_envoy(),
    *_workers_and_sources(),
    *_walls(),
    *memory(),
    *decision_cache(),
    *rego(),
    *decision_point(),
    *mesh(),
    *envoy_module(),
)
