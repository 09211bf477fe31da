"""The verifier's memory, its keys and its questions. The hostile tokens are in tests/attacks."""

import json

import msgspec
import pytest
from tests.support import tokens
from tests.support.decisions import AllAsked
from tests.support.tokens import AUDIENCE, ISSUER, LEEWAY, NOW, Signer, good_claims, jwk, jwks, mint

from authz_rego.values.json_text import to_json
from authz_rego.values.number import Number
from authz_service.domain.bounded import Bounded
from authz_service.domain.questions import Absent, Answers, Key, Known, NotReady
from authz_service.domain.refusals import Reason, Rejected
from authz_service.domain.rules import IssuerKeys, IssuerRules
from authz_service.domain.signatures import ALGORITHMS
from authz_service.errors import KeysUnavailable
from authz_service.identity import tokens as product
from authz_service.identity.tokens import TokenVerifier

RSA, EC = tokens.an_rsa_signer(), tokens.an_ec_signer()
SERVICES = "https://idp.example/realms/services"
SIGNERS = [
    *(Signer(alg, alg, tokens.rsa_key()) for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
    Signer("ES256", "ES256", tokens.ec_key()),
    Signer("ES384", "ES384", tokens.ec_key("ec-384", "P-384")),
    Signer("ES512", "ES512", tokens.ec_key("ec-521", "P-521")),
    Signer("EdDSA", "EdDSA", tokens.ed_key()),
]


class Clock:
    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time


def rules(issuer: str = ISSUER, **changes: object) -> IssuerRules:
    good = IssuerRules(issuer, (AUDIENCE,), tuple(sorted(ALGORITHMS)), LEEWAY)
    return msgspec.structs.replace(good, **changes)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(clock: Clock) -> TokenVerifier:
    return a_verifier(clock, AllAsked())


def a_verifier(clock: Clock, known: Known) -> TokenVerifier:
    verifier = TokenVerifier((rules(), rules(SERVICES)), clock, known)
    verifier.set_keys(IssuerKeys(ISSUER, jwks(jwk(RSA), jwk(EC))))
    return verifier


def reason_of(verifier: TokenVerifier, token: str) -> Reason:
    with pytest.raises(Rejected) as refusal:
        verifier.verify(token)
    return refusal.value.reason


@pytest.mark.parametrize("signer", SIGNERS, ids=lambda signer: signer.alg)
def test_every_algorithm_is_accepted_with_its_key_and_with_no_other_label(signer: Signer, clock: Clock) -> None:
    """One key per algorithm; each other algorithm's name on the same token is refused."""
    verifier = TokenVerifier((rules(),), clock, AllAsked())
    verifier.set_keys(IssuerKeys(ISSUER, jwks(*(jwk(each, alg=...) for each in SIGNERS))))

    assert verifier.verify(mint(signer=signer)).values == good_claims()

    for other in SIGNERS:
        if other != signer:
            reason = reason_of(verifier, mint(signer=signer, header={"alg": other.alg}))
            assert reason in {Reason.TOKEN_ALGORITHM_REFUSED, Reason.TOKEN_SIGNATURE_INVALID}


def test_the_table_above_knows_every_algorithm() -> None:
    """A new algorithm needs a row."""
    assert {signer.alg for signer in SIGNERS} == ALGORITHMS


def test_claims_come_without_their_senders_spelling(verifier: TokenVerifier) -> None:
    """The same values, however they were written."""
    spelled = json.dumps(good_claims(), indent=3).replace("john", "\\u006aohn").encode()

    claims = verifier.verify(mint(spelled))

    assert claims.issuer == ISSUER
    assert claims.expires_at == good_claims()["exp"] + LEEWAY  # type: ignore[operator]  # a number
    assert claims.values == good_claims() == verifier.verify(mint()).values


@pytest.mark.parametrize(
    "written", ["7", "18446744073709551617", "9" * 5000, "0.1", "1.10", "9007199254740993.0", "1e999", "-0"]
)
def test_numbers_keep_their_digits(verifier: TokenVerifier, written: str) -> None:
    """A policy that compares an account's number must not take one for its neighbour; only integers are integers."""
    spelled = json.dumps(good_claims(account=0)).replace('"account": 0', f'"account": {written}').encode()

    account = verifier.verify(mint(spelled)).values["account"]

    assert to_json(account) == written
    assert type(account) is (int if written.isdigit() else Number)


@pytest.mark.parametrize("written", ["1e400000", "-1e400000", "1" * 100_001, "NaN", "Infinity", "01", "+1", ".5"])
def test_what_is_no_number_of_bounded_size_is_refused(verifier: TokenVerifier, written: str) -> None:
    """Its neighbour in size is a number like others; an attacker's must not cost more than its digits."""
    spelled = json.dumps(good_claims(account=0)).replace('"account": 0', f'"account": {written}').encode()

    with pytest.raises(Rejected) as refused:
        verifier.verify(mint(spelled))

    assert refused.value.reason is (Reason.TOKEN_TOO_LONG if written.startswith("1111") else Reason.TOKEN_MALFORMED)


def test_a_known_token_is_not_verified_again(verifier: TokenVerifier) -> None:
    """The very same object comes back; another token of the same claims is another one."""
    assert verifier.verify(mint()) is verifier.verify(mint())
    assert verifier.verify(mint(signer=EC)) is not verifier.verify(mint())


def test_a_known_token_expires(verifier: TokenVerifier, clock: Clock) -> None:
    """Up to `exp` plus leeway, and no longer."""
    token = mint(good_claims(exp=NOW + 10))
    verifier.verify(token)

    clock.time = NOW + 10 + LEEWAY - 0.5
    verifier.verify(token)
    clock.time = NOW + 10 + LEEWAY
    assert reason_of(verifier, token) is Reason.TOKEN_EXPIRED


def test_a_known_token_is_refused_when_the_clock_is_set_back(verifier: TokenVerifier, clock: Clock) -> None:
    """`iat` holds for remembered tokens too."""
    token = mint(good_claims(iat=NOW))
    verifier.verify(token)

    clock.time = NOW - LEEWAY
    verifier.verify(token)
    clock.time = NOW - LEEWAY - 0.5
    assert reason_of(verifier, token) is Reason.TOKEN_NOT_YET_VALID


def test_a_refusal_is_not_remembered(verifier: TokenVerifier, clock: Clock) -> None:
    """A token from the future is good when its time has come."""
    token = mint(good_claims(nbf=NOW + 100))
    assert reason_of(verifier, token) is Reason.TOKEN_NOT_YET_VALID

    clock.time = NOW + 100
    assert verifier.verify(token)


def test_an_unknown_key_is_asked_for(clock: Clock) -> None:
    """First a question, then, where the answer is that there is none, a refusal; with it the token is good."""
    newer = Signer("rsa-2", "RS256", tokens.rsa_key("rsa-2"))
    token = mint(signer=newer)
    answers = Answers(clock)
    verifier = a_verifier(clock, answers)

    with pytest.raises(NotReady) as missing:
        verifier.verify(token)
    assert missing.value.question == Key(ISSUER, "rsa-2")
    answers.learn(missing.value.question, Absent(holds=1.0), clock())
    assert reason_of(verifier, token) is Reason.TOKEN_KEY_UNKNOWN

    verifier.set_keys(IssuerKeys(ISSUER, jwks(jwk(RSA), jwk(newer))))
    assert verifier.verify(token)


@pytest.mark.parametrize("keys", ["", jwks(), jwks(jwk(RSA, use="enc"))], ids=["never", "empty", "unusable"])
def test_without_any_key_nobody_is_refused_or_accepted(verifier: TokenVerifier, keys: str) -> None:
    """It is our trouble, not the caller's: also for a token that was good a moment ago."""
    token = mint()
    verifier.verify(token)
    verifier.set_keys(IssuerKeys(ISSUER, keys))

    with pytest.raises(KeysUnavailable, match="realms/users"):
        verifier.verify(token)


def test_a_token_of_another_issuer_waits_for_that_issuers_keys(verifier: TokenVerifier) -> None:
    """One issuer's keys say nothing about the other's."""
    with pytest.raises(KeysUnavailable, match="realms/services"):
        verifier.verify(mint(good_claims(iss=SERVICES)))


@pytest.mark.parametrize(
    ("new_keys", "stays"),
    [
        ([jwk(RSA), jwk(EC)], True),
        ([jwk(RSA), jwk(tokens.an_ec_signer(), kid="ec-2")], True),
        ([jwk(EC)], False),
        ([jwk(RSA, kid="rsa-2"), jwk(EC)], False),
        ([jwk(RSA, n=jwk(Signer("x", "RS256", tokens.rsa_key("rsa-2")))["n"]), jwk(EC)], False),
        ([jwk(RSA, alg="RS512"), jwk(EC)], False),
    ],
    ids=["same", "another key changed", "gone", "renamed", "replaced under its name", "for another algorithm"],
)
def test_a_token_is_remembered_as_long_as_its_key(
    verifier: TokenVerifier, new_keys: list[object], *, stays: bool
) -> None:
    """A withdrawn key takes its tokens along."""
    token = mint()
    before = verifier.verify(token)

    verifier.set_keys(IssuerKeys(ISSUER, json.dumps({"keys": new_keys})))

    if stays:
        assert verifier.verify(token) is before
    else:
        with pytest.raises(Rejected):
            verifier.verify(token)


def test_keys_of_one_issuer_leave_the_others_tokens_alone(verifier: TokenVerifier) -> None:
    """Also when the same key is withdrawn there."""
    before = verifier.verify(mint())
    verifier.set_keys(IssuerKeys(SERVICES, jwks(jwk(RSA))))
    theirs = mint(good_claims(iss=SERVICES))
    verifier.verify(theirs)

    verifier.set_keys(IssuerKeys(SERVICES, jwks(jwk(EC))))

    assert verifier.verify(mint()) is before
    assert reason_of(verifier, theirs) is Reason.TOKEN_KEY_UNKNOWN


def test_keys_of_an_unknown_issuer_are_ignored(verifier: TokenVerifier) -> None:
    """They do not make it a known one."""
    stranger = "https://evil.example"
    verifier.set_keys(IssuerKeys(stranger, jwks(jwk(RSA))))

    assert reason_of(verifier, mint(good_claims(iss=stranger))) is Reason.TOKEN_ISSUER_REFUSED


def test_a_broken_key_set_changes_nothing(verifier: TokenVerifier) -> None:
    """The last good keys stay (SECURITY T18)."""
    with pytest.raises(ValueError, match="keys"):
        verifier.set_keys(IssuerKeys(ISSUER, "{}"))

    assert verifier.verify(mint())


STRANGER = Signer("rsa-1", "RS256", tokens.rsa_key("stranger"))


@pytest.mark.parametrize("kid", ["rsa-1", ...])
@pytest.mark.parametrize(
    "keys",
    [
        [jwk(RSA), jwk(EC)],
        [jwk(RSA), jwk(RSA)],
        [jwk(RSA), jwk(RSA, alg="RS512")],
        [jwk(STRANGER), jwk(RSA)],
        [jwk(RSA), jwk(STRANGER)],
        [jwk(EC, kid="rsa-1"), jwk(RSA)],
    ],
    ids=["two names", "twice", "for two algorithms", "another first", "another last", "of another type"],
)
def test_the_few_keys_that_fit_are_tried(clock: Clock, keys: list[dict[str, object]], kid: object) -> None:
    """By name, or without one as in each rotation; what none of them signed is refused, whatever the order."""
    verifier = TokenVerifier((rules(),), clock, AllAsked())
    verifier.set_keys(IssuerKeys(ISSUER, jwks(*keys)))

    assert verifier.verify(mint(header={"kid": kid}))
    nobodys = mint(signer=Signer("rsa-1", "RS256", tokens.rsa_key("nobody")), header={"kid": kid})
    assert reason_of(verifier, nobodys) is Reason.TOKEN_SIGNATURE_INVALID


def test_more_keys_than_a_few_are_not_tried(clock: Clock) -> None:
    """Each costs as much as a good token; nor is a key that does not fit."""
    verifier = TokenVerifier((rules(),), clock, AllAsked())
    nameless = mint(header={"kid": ...})
    many = [jwk(Signer(f"k{n}", "RS256", tokens.rsa_key(f"k{n}"))) for n in range(product.MAX_TRIED)]

    verifier.set_keys(IssuerKeys(ISSUER, jwks(jwk(RSA), *many[1:])))
    assert verifier.verify(nameless)
    for keys in ([jwk(RSA), *many], [jwk(EC)]):
        other = TokenVerifier((rules(),), clock, AllAsked())
        other.set_keys(IssuerKeys(ISSUER, jwks(*keys)))
        assert reason_of(other, nameless) is Reason.TOKEN_KEY_UNKNOWN


def test_the_memory_is_bounded(verifier: TokenVerifier) -> None:
    """The oldest goes first, and is simply verified again."""
    verifier._verified = Bounded(2)
    first, second, third = (mint(good_claims(jti=name)) for name in "abc")
    remembered = [verifier.verify(token) for token in (first, second, third)]

    assert verifier.verify(second) is remembered[1]
    assert verifier.verify(third) is remembered[2]
    assert verifier.verify(first) is not remembered[0]
    assert len(verifier._verified) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": ("HS256",)},
        {"algorithms": ("RS256", "none")},
        {"algorithms": ()},
        {"audiences": ()},
        {"issuer": ""},
    ],
    ids=str,
)
def test_rules_that_cannot_protect_are_refused(changes: dict[str, object], clock: Clock) -> None:
    """At once, not on a request."""
    with pytest.raises(ValueError, match=r"algorithms|audience"):
        TokenVerifier((msgspec.structs.replace(rules(), **changes),), clock, AllAsked())


def test_one_issuer_has_one_set_of_rules(clock: Clock) -> None:
    """Two would leave it to chance which audience holds."""
    with pytest.raises(ValueError, match="twice"):
        TokenVerifier((rules(), rules(audiences=("other",))), clock, AllAsked())


def test_types_are_the_issuers(clock: Clock) -> None:
    """Compared without case and without the media type's prefix, on both sides; absent counts as JWT."""
    only_at = TokenVerifier((rules(types=("application/AT+JWT",)),), clock, AllAsked())
    only_at.set_keys(IssuerKeys(ISSUER, jwks(jwk(RSA))))

    assert only_at.verify(mint(header={"typ": "at+jwt"}))
    assert reason_of(only_at, mint()) is Reason.TOKEN_TYPE_REFUSED
    assert reason_of(only_at, mint(header={"typ": ...})) is Reason.TOKEN_TYPE_REFUSED


def test_a_minimal_token_is_enough(verifier: TokenVerifier) -> None:
    """What is optional may be absent, header and claims."""
    token = mint({"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "exp": NOW + 1}, header={"typ": ...})

    assert verifier.verify(token).values["sub"] == "x"


def test_a_refusal_tells_the_audit_record_why(verifier: TokenVerifier) -> None:
    """With what a stranger wrote quoted and cut, so that it stays one short line."""
    long = mint(good_claims(iss="https://evil.example/\n" + "x" * 5000))
    with pytest.raises(Rejected) as refusal:
        verifier.verify(long)

    assert "https://evil.example/\\n" in refusal.value.detail
    assert len(refusal.value.detail) < 200
    for claims, detail in (({"exp": NOW - 90}, "expired 60 s ago"), ({"nbf": NOW + 90}, "valid in 60 s")):
        with pytest.raises(Rejected) as refusal:
            verifier.verify(mint(good_claims(**claims)))
        assert refusal.value.detail == detail
