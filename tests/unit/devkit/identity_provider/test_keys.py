from pathlib import Path

import pytest

from authz_devkit.identity_provider.keys import KeyStore, RealmKeys, StateProblem

CLAIMS: dict[str, object] = {"sub": "john"}


@pytest.mark.parametrize(("algorithm", "kind"), [("RS256", "RSA"), ("ES256", "EC")])
def test_a_published_key_says_what_it_is_for_and_nothing_secret(algorithm: str, kind: str) -> None:
    keys = RealmKeys.create(algorithm)

    jwk, encryption = keys.jwks()["keys"]

    assert encryption["use"] == "enc"
    assert (jwk["kty"], jwk["alg"], jwk["use"]) == (kind, algorithm, "sig")
    assert not {"d", "p", "q", "k"} & (jwk.keys() | encryption.keys())
    assert keys.read(keys.sign(CLAIMS)) == CLAIMS
    assert RealmKeys.create(algorithm).read(keys.sign(CLAIMS)) is None


@pytest.mark.parametrize("keep_old", [True, False])
def test_after_a_rotation_old_tokens_live_as_long_as_their_key_is_published(*, keep_old: bool) -> None:
    keys = RealmKeys.create("ES256")
    old_token, old_kid = keys.sign(CLAIMS), keys.jwks()["keys"][0]["kid"]

    keys.rotate(keep_old=keep_old)

    kids = [key["kid"] for key in keys.jwks()["keys"]]
    assert kids[0] != old_kid
    assert (old_kid in kids) is keep_old
    assert (keys.read(old_token) == CLAIMS) is keep_old
    assert keys.read(keys.sign(CLAIMS)) == CLAIMS


def test_keys_outlive_a_restart_with_a_state_file_and_only_then(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    first = KeyStore.open({"users": "ES256"}, file)
    first.rotate("users", keep_old=True)
    token, refresh = first["users"].sign(CLAIMS), first["users"].sign_refresh(CLAIMS)

    again, without = KeyStore.open({"users": "ES256"}, file), KeyStore.open({"users": "ES256"})

    assert again["users"].jwks() == first["users"].jwks()
    assert again["users"].read(token) == again["users"].read_refresh(refresh) == CLAIMS
    assert without["users"].read(token) is None
    assert file.stat().st_mode & 0o777 == 0o600


def test_another_algorithm_means_new_keys(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    KeyStore.open({"users": "ES256"}, file)

    assert KeyStore.open({"users": "RS256"}, file)["users"].jwks()["keys"][0]["kty"] == "RSA"


def test_a_broken_state_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text("{")

    with pytest.raises(StateProblem, match=r"state\.json.*remove it"):
        KeyStore.open({"users": "ES256"}, file)
