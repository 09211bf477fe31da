"""From a file to a Config, or to everything that is wrong with it. Secrets appear in neither."""

import copy
import json
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from tests.support.config_files import (
    GOOD,
    REMOVED,
    SECRET,
    TARGET,
    changed,
    load_text,
    load_tree,
    problems_in,
    problems_of,
)

from authz_service.config.loader import MAX_BYTES, load_config
from authz_service.config.model import BySecret, Config, DecisionLogService, Endpoint, HttpTlsOfFiles, Service
from authz_service.config.read.placeholders import placeholders_left
from authz_service.domain.secret import Secret
from authz_service.errors import ConfigProblems, Problem

GOLDEN = Path(__file__).parents[2] / "golden"
MESHES = GOLDEN.parent / "meshes"
AUTH = f"{TARGET}.auth"
SPEC_ENV = {"ORDER_SERVICE_CLIENT_SECRET": "a", "PAYMENT_SERVICE_CLIENT_SECRET": "b"}


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("gateway", "gateway"),
        ("order-service", "order-service"),
        ("payment-service", "payment-service"),
        ("data-service", "dataservice"),
    ],
)
def test_the_configurations_of_the_specification_load_as_written(folder: str, name: str) -> None:
    config = load_config(MESHES / "spec_as_written" / folder / "config.yaml", SPEC_ENV)

    assert config.service.name == name
    assert config.issuers[0].algorithms == ("RS256", "ES256")
    assert config.proxy.upstream == Endpoint("http", "127.0.0.1", 9000)


@pytest.mark.parametrize(
    ("secret", "warned"),
    [
        ("${ORDER_SECRET}", True),
        ("x${env:A}y", True),
        ("{{ .Values.secret }}", True),
        ("s3cret", False),
        ("a$b{c}", False),
        ("${", False),
    ],
)
def test_a_placeholder_that_is_left_in_a_secret_is_warned_of(tmp_path: Path, secret: str, *, warned: bool) -> None:
    """In a file, where no variable is looked up, or in a variable; said by its place, without the secret."""
    (tmp_path / "secret").write_text(secret)
    in_file = {f"{AUTH}.client_secret": REMOVED, f"{AUTH}.client_secret_file": str(tmp_path / "secret")}
    written = secret.replace("${", "$${")

    for changes, key in ((in_file, "client_secret_file"), ({f"{AUTH}.client_secret": written}, "client_secret")):
        found = placeholders_left(load_tree(tmp_path, changed(changes)))
        assert [line.split(":")[0] for line in found] == [f"{AUTH}.{key}"] * warned
        assert secret not in " ".join(found)


@pytest.mark.parametrize("folder", ["order-service", "payment-service"])
def test_a_configuration_of_the_specification_needs_its_secret(folder: str) -> None:
    with pytest.raises(ConfigProblems) as refused:
        load_config(MESHES / "spec_as_written" / folder / "config.yaml", {})

    (problem,) = refused.value.problems
    assert problem.at == "egress.targets.data-service.auth.client_secret"
    assert "is not set" in problem.found


@pytest.mark.parametrize("phase", ["syntax", "types", "fit"])
def test_everything_that_is_wrong_in_a_phase_is_said_at_once(phase: str) -> None:
    """The golden file is what a person sees; it is reviewed like code."""
    file = GOLDEN / "config_errors" / f"{phase}.yaml"

    with pytest.raises(ConfigProblems) as refused:
        load_config(file, {})

    seen = str(refused.value).replace(str(file), file.name) + "\n"
    assert seen == file.with_suffix(".txt").read_text(encoding="utf-8")


def test_a_phase_is_judged_when_the_one_before_is_right(tmp_path: Path) -> None:
    """So nobody is told what is only the consequence of another mistake."""
    wrong: dict[str, object] = {
        f"{AUTH}.client_id": "${NOT_SET}",
        "jwt.leeway": "1h",
        "egress.routes.0.target": "nobody",
    }

    for at in (f"{AUTH}.client_id", "jwt.leeway", "egress.routes[0].target"):
        assert [problem.at for problem in problems_of(tmp_path, wrong)] == [at]
        del wrong[next(iter(wrong))]
    assert not problems_of(tmp_path, wrong)


def test_a_host_that_lacks_variables_and_secret_files_judges_the_rest(tmp_path: Path) -> None:
    """`authz check --anywhere`: what only another host has is no problem; the rest is judged."""
    lacking: dict[str, object] = {
        f"{AUTH}.client_secret": "${NOT_SET}",
        "jwt.audience": ["${NOT_SET}"],
        "http.addr": "${NOT_SET}",
        "egress.routes.0.target": "${NOT_SET}",
        "audit.key_file": str(tmp_path / "nowhere"),
    }
    for one in lacking.items():
        assert problems_of(tmp_path, dict([one]))

    def problems(changes: dict[str, object]) -> list[str]:
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps(changed(changes)))
        try:
            load_config(file, {}, anywhere=True)
        except ConfigProblems as refused:
            return [problem.at for problem in refused.problems]
        return []

    assert problems(lacking) == []
    assert problems(lacking | {"jwt.leeway": "1h"}) == ["jwt.leeway"]
    assert problems(lacking | {"egress.addr": ":8080"}) == ["egress.addr"]


def test_a_misspelt_key_is_not_said_to_be_missing_too(tmp_path: Path) -> None:
    misspelt = {"jwt.issuer": REMOVED, "jwt.isuer": "https://idp.example.com"}

    (problem,) = problems_of(tmp_path, misspelt)
    (missing,) = problems_of(tmp_path, {"jwt.issuer": REMOVED})

    assert problem.fix == "did you mean issuer?"
    assert missing.found == "is missing"
    assert missing.fix == "add it, such as issuer: https://keycloak.example.com/realms/users"


def test_one_issuer_and_a_list_of_one_are_the_same(tmp_path: Path) -> None:
    alone = load_tree(tmp_path, GOOD)
    listed = load_tree(tmp_path, changed({"jwt": {"issuers": [GOOD["jwt"]]}}))

    assert alone == listed
    assert alone.issuers[0].audience == ("order-service",)
    (alone_problem,) = problems_of(tmp_path, {"jwt.leeway": "1h"})
    (listed_problem,) = problems_of(tmp_path, {"jwt": {"issuers": [GOOD["jwt"] | {"leeway": "1h"}]}})
    assert alone_problem.at == "jwt.leeway"
    assert listed_problem.at == "jwt.issuers[0].leeway"


@pytest.mark.parametrize("jwt", [{"issuers": []}, {"issuers": "a"}, {"issuers": ["a"]}, {}, [], "a"])
def test_an_issuer_that_is_none_is_a_problem(tmp_path: Path, jwt: object) -> None:
    problems = problems_of(tmp_path, {"jwt": jwt})

    assert problems
    assert all(problem.at.startswith("jwt") for problem in problems)


def test_the_service_is_named_after_its_client_or_its_policy(tmp_path: Path) -> None:
    def name(changes: dict[str, Any]) -> str:
        return load_tree(tmp_path, changed(changes)).service.name

    assert name({"service": {"name": "orders", "zone": "z"}}) == "orders"
    assert name({f"{AUTH}.client_id": "order-client"}) == "order-client"
    assert name({AUTH: {"type": "none"}, "proxy.authz.policy_query": "data.shop.order.allow"}) == "shop.order"
    assert name({"egress.enabled": "false"}) == "order"


def test_what_is_absent_is_off_or_safe(tmp_path: Path) -> None:
    """Only what is written is served; inside a section that is there, checks are on."""
    config = load_text(tmp_path, json.dumps({key: GOOD[key] for key in ("http", "jwt", "proxy")}))

    assert not config.egress.enabled
    assert config.proxy.auth.enabled
    assert config.asked_policy is not None
    assert config.asked_policy.mode == "enforce"
    assert config.proxy.routes[0].auth_required
    assert config.audit.on_failure == "deny"
    assert isinstance(config.http.tls, HttpTlsOfFiles)
    assert config.http.tls.crl_expired == "deny"


def secret_of(config: Config) -> str:
    auth = config.egress.targets["data-service"].auth
    assert isinstance(auth, BySecret)
    return auth.client_secret.reveal()


@pytest.mark.parametrize(
    ("written", "secret"),
    [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" a b ", " a b "), ("\ufeffs3cret", "s3cret")],
)
def test_a_secret_may_come_from_a_file(tmp_path: Path, written: str, secret: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(written.encode())

    config = load_tree(tmp_path, changed({f"{AUTH}.client_secret": REMOVED, f"{AUTH}.client_secret_file": str(file)}))

    assert secret_of(config) == secret


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"a\nb", b"x" * 65537], ids=repr)
def test_a_secret_file_that_gives_no_secret_is_a_problem(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    (problem,) = problems_of(tmp_path, {f"{AUTH}.client_secret": REMOVED, f"{AUTH}.client_secret_file": str(file)})

    assert problem.at == "egress.targets.data-service.auth.client_secret_file"
    assert "cannot be used" in problem.found


def test_a_secret_file_is_not_opened_for_an_egress_that_is_off(tmp_path: Path) -> None:
    changes = {f"{AUTH}.client_secret": REMOVED, f"{AUTH}.client_secret_file": str(tmp_path / "nowhere")}
    assert problems_of(tmp_path, changes)

    assert not problems_of(tmp_path, changes | {"egress.enabled": "false"})


SLIPPED: list[dict[str, object]] = [
    {f"{AUTH}.client_secret": [SECRET]},
    {f"{AUTH}.client_secret": {SECRET: "x"}},
    {f"{AUTH}.client_secret": {"value": SECRET}},
    {f"{AUTH}.client_secret": {SECRET: None}},
    {f"{AUTH}.client_secret": f"{SECRET}${{"},
    {f"{AUTH}.client_secret": f"{SECRET}\n"},
    {f"{AUTH}.client_secret": "${CANARY}\0"},
    {f"{AUTH}.client_secrett": SECRET},
    {f"{AUTH}.unknown": {SECRET: SECRET}},
    {f"{AUTH}.client_secret:{SECRET}": None},
    {AUTH: SECRET},
    {AUTH: [SECRET]},
    {"egress": SECRET},
    {"egress.targets": SECRET},
    {"egress.token_store": {"type": "redis", "url": f"redis://:{SECRET}@tokens"}},
    {"egress.token_store": {"type": "redis", "url": [SECRET]}},
    {f"{AUTH}.token_url": f"https://user:{SECRET}@idp.example.com/token"},
    {f"{AUTH}.token_url": f"https://user:{SECRET}/@idp.example.com"},
    {f"{TARGET}.url": f"https://user:{SECRET}@data"},
    {"proxy.upstream": f"http://{SECRET}@127.0.0.1"},
    {f"{AUTH}.client_id": f"${{CANARY}} {SECRET}", f"{AUTH}.type": "none"},
    {"http.addr": "${CANARY}"},
    {"egress.routes.0.target": "${CANARY}"},
    {"proxy.headers.inject_user_id": "Host ${CANARY}"},
    {"runtime.envoy_threads": "${CANARY}"},
    {"http.tls.client_auth": "${CANARY}"},
    {"policy.engine": "${CANARY}"},
]


@pytest.mark.parametrize("changes", SLIPPED, ids=lambda changes: next(iter(changes)))
def test_no_problem_shows_a_secret_or_what_a_variable_holds(tmp_path: Path, changes: dict[str, object]) -> None:
    """Wherever it slipped, and not in the traceback either."""
    if f"{AUTH}.client_id" in changes:
        changes = {f"{AUTH}.client_id": "${CANARY} x"}

    with pytest.raises(ConfigProblems) as refused:
        load_tree(tmp_path, changed(changes), {"CANARY": SECRET})

    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert SECRET not in repr(refused.value.problems)
    assert refused.value.__context__ is None


def test_a_configuration_shows_no_secret(tmp_path: Path) -> None:
    store = {"type": "redis", "url": f"redis://:{SECRET}@tokens", "encryption_key": SECRET * 3}
    config = load_tree(tmp_path, changed({"egress.token_store": store}))

    assert secret_of(config) == SECRET
    for shown in (repr(config), str(config), config.model_dump_json(), repr(config.model_dump())):
        assert SECRET not in shown
        assert "***" in shown
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="reveal"):
            copied(Secret(SECRET))
    assert Secret("a") == Secret("a") != Secret("b")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"#" * (MAX_BYTES + 1), "longer than"),
        (b"- a\n- b\n", "found a list"),
        (b"just text", "found a single value"),
        (b"", "neither an ingress nor an egress"),
        (b"# nothing\n", "neither an ingress nor an egress"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_problem(tmp_path: Path, content: bytes, found: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)

    with pytest.raises(ConfigProblems) as refused:
        load_config(file, {})

    problem = next(problem for problem in refused.value.problems if found in problem.found)
    assert problem.at == "(the whole file)"
    assert problem.file == str(file)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.yaml", tmp_path, tmp_path / "nul\0"):
        with pytest.raises(ConfigProblems) as refused:
            load_config(path, {})
        assert isinstance(refused.value.problems[0], Problem)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    assert problems_in(tmp_path, "\ufeff" + json.dumps(GOOD)) == ()


def test_a_configuration_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    config = load_tree(tmp_path, GOOD)

    with pytest.raises(ValueError, match="frozen"):
        config.service = Service(name="other")


def test_the_token_of_the_decision_log_may_come_from_a_file(tmp_path: Path) -> None:
    """It may be short, for its service chose it; an empty file has none. Nobody sees it printed."""
    file = tmp_path / "token"
    file.write_text("t0ken\n")
    asked = {"audit.opa_decision_log": {"url": "https://logs.example.com", "token_file": str(file)}}
    config = load_tree(tmp_path, changed(asked))

    assert isinstance(config.audit.opa_decision_log, DecisionLogService)
    assert config.audit.opa_decision_log.token == Secret("t0ken")
    assert "t0ken" not in repr(config) + config.model_dump_json()
    file.write_text("")
    (problem,) = problems_of(tmp_path, asked)
    assert problem.at == "audit.opa_decision_log.token_file"


class TestAuditKey:
    KEY = "k" * 32

    def test_it_may_come_from_a_file(self, tmp_path: Path) -> None:
        """As `openssl rand -hex 32` writes it; and nobody sees it printed."""
        (tmp_path / "key").write_text(self.KEY + "\n")
        config = load_tree(tmp_path, changed({"audit.key_file": str(tmp_path / "key")}))

        assert config.audit.key == Secret(self.KEY)
        assert self.KEY not in repr(config) + config.model_dump_json()
        assert load_tree(tmp_path, changed({"audit.key": self.KEY})).audit.key == Secret(self.KEY)
        assert load_tree(tmp_path, changed({})).audit.key is None

    @pytest.mark.parametrize("content", [None, "", KEY[1:]])
    def test_a_file_without_a_good_key_is_a_problem(self, tmp_path: Path, content: str | None) -> None:
        """A short key could be guessed, with the records to try it on."""
        if content is not None:
            (tmp_path / "key").write_text(content)
        (problem,) = problems_of(tmp_path, {"audit.key_file": str(tmp_path / "key")})

        assert problem.at == "audit.key_file"

    def test_a_short_key_is_a_problem(self, tmp_path: Path) -> None:
        (problem,) = problems_of(tmp_path, {"audit.key": self.KEY[1:]})

        assert problem.at == "audit.key"
        assert "less than 32 characters" in problem.found
        assert self.KEY[1:] not in str(problem)

    def test_one_key_is_enough(self, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(self.KEY)
        (problem,) = problems_of(tmp_path, {"audit.key": self.KEY, "audit.key_file": str(tmp_path / "key")})

        assert (problem.at, problem.fix) == ("audit.key_file", "keep one")
