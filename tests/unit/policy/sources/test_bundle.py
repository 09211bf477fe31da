"""Bundles: what is signed is read, and whatever is not exactly what was signed is refused."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given
from hypothesis import strategies as st
from tests.support import bundles

from authz_service.errors import BundleRefused
from authz_service.policy.sources.bundle import MAX_FILES, MAX_UNPACKED_BYTES, Bundle, read_bundle

KEY, OTHER = bundles.a_key(), bundles.a_key()
FILES = {
    "order/order.rego": "package order\nallow := true\n",
    "order/order_test.rego": "package order_test\n",
    "users/data.json": '{"ю": [1, 2.5, "a/b<é>"], "a": {"y": null, "x": true}}',
    ".manifest": '{"revision": "r1", "roots": [""]}',
}


def is_signed_by(name: str, algorithm: str, message: bytes, signature: bytes) -> bool:
    if name != "default" or algorithm != "RS256":
        return False
    try:
        KEY.public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def read(content: bytes, scope: str = "") -> Bundle:
    return read_bundle(content, is_signed_by, scope)


def signed(**more: object) -> bytes:
    """The good files with a signature that is another in something."""
    text = bundles.signatures(FILES, KEY, **more)  # type: ignore[arg-type]
    return bundles.archive({**FILES, ".signatures.json": text})


def changed(**files: str) -> bytes:
    """Signed, and then changed."""
    named = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
    return bundles.archive({**FILES, ".signatures.json": bundles.signatures(FILES, KEY), **named})


def test_what_is_signed_is_read() -> None:
    """Policies and data, without OPA's own files and without tests."""
    found = read(bundles.bundle(FILES, KEY))

    assert found.revision == "r1"
    assert {name: text.decode() for name, text in found.files.items()} == {
        name: FILES[name] for name in ("order/order.rego", "users/data.json")
    }


def test_the_form_of_data_does_not_matter_and_its_value_does() -> None:
    """OPA hashes the value: sorted, without spaces, numbers as written."""
    spread = '{"a":{"x":true,"y":null},\n "ю":[1,2.5,"a/b<é>"]}'

    assert read(changed(users__data_dot_json=spread)).files["users/data.json"] == spread.encode()
    for other in (spread.replace("true", "false"), spread.replace("1,", "1.0,"), spread.replace("é", "e")):
        with pytest.raises(BundleRefused, match="not what was signed"):
            read(changed(users__data_dot_json=other))


def _member(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def _with(*members: tarfile.TarInfo) -> Callable[[], bytes]:
    return lambda: bundles.archive({**FILES, ".signatures.json": bundles.signatures(FILES, KEY)}, *members)


def _extended() -> bytes:
    """A file of 8 GiB less a byte in one block of nothing: GNU's sparse form, its size where a plain one's is."""
    member = _member("x.rego", tarfile.GNUTYPE_SPARSE)
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"77777777777\0"  # the size when it is unpacked
    return _with_header(header)


def _with_header(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(bytes(header) + bytes(2 * tarfile.BLOCKSIZE))


def _too_long() -> bytes:
    header = bytearray(_member("x.rego").tobuf())
    header[124:136] = b"77777777777\0"
    return _with_header(header)


def _pax(content: bytes, count: int = 1) -> bytes:
    """Headers that say more about the next file."""
    member = _member("x", tarfile.XHDTYPE)
    member.size = len(content)
    padding_after = bytes(-len(content) % tarfile.BLOCKSIZE)
    return gzip.compress((member.tobuf() + content + padding_after) * count)


def _deep() -> bytes:
    return bundles.archive({**FILES, ".signatures.json": '{"x":' + "[" * 100_000})


def _many() -> bytes:
    return bundles.archive({f"f{number}.rego": "" for number in range(MAX_FILES + 1)})


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "unsigned": (lambda: bundles.archive(FILES), "not signed"),
    "signed by another key": (lambda: bundles.bundle(FILES, OTHER), "not signed by a key"),
    "a key of another name": (lambda: signed(header={"kid": "other"}), "not signed by a key"),
    "no algorithm": (lambda: signed(header={"alg": "none"}), "not signed by a key"),
    "a shared secret's algorithm": (lambda: signed(header={"alg": "HS256"}), "not signed by a key"),
    "another scope": (lambda: signed(claims={"scope": "write"}), "scope"),
    "a weak hash": (lambda: signed(algorithm="MD5"), "MD5"),
    "a changed policy": (lambda: changed(order__order_dot_rego="package order\nallow := 1\n"), "not what was signed"),
    "a changed manifest": (lambda: changed(_dot_manifest='{"revision": "r2", "roots": [""]}'), "not what was signed"),
    "a file more": (lambda: changed(order__more_dot_rego="package order\n"), "do not agree: order/more.rego"),
    "a file less": (
        lambda: bundles.archive(
            {"order/order.rego": FILES["order/order.rego"], ".signatures.json": bundles.signatures(FILES, KEY)}
        ),
        "do not agree",
    ),
    "a key twice": (lambda: changed(users__data_dot_json='{"a": 1, "a": 2}'), "twice"),
    "no JWT": (lambda: changed(_dot_signatures_dot_json='{"signatures": ["a.b"]}'), "no JWT"),
    "two signatures": (lambda: changed(_dot_signatures_dot_json='{"signatures": ["", ""]}'), "not exactly one"),
    "a plugin's signature": (
        lambda: changed(_dot_signatures_dot_json='{"signatures": [""], "plugin": "mine"}'),
        "not exactly one",
    ),
    "signatures that are none": (lambda: changed(_dot_signatures_dot_json="[]"), "cannot be read"),
    "Rego v0": (
        lambda: bundles.bundle({**FILES, ".manifest": '{"rego_version": 0}'}, KEY),
        "Rego v0",
    ),
    "a path that leaves it": (_with(_member("../../etc/cron.d/x.rego")), "no plain file"),
    "an absolute path that leaves it": (_with(_member("/../x.rego")), "no plain file"),
    "two dots in a name": (_with(_member("a/..b/x.rego")), "no plain file"),
    "a link": (_with(_member("x.rego", tarfile.SYMTYPE)), "no plain file"),
    "a hard link": (_with(_member("x.rego", tarfile.LNKTYPE)), "no plain file"),
    "a device": (_with(_member("x.rego", tarfile.CHRTYPE)), "no plain file"),
    "a sparse file": (_extended, "no plain file"),
    "a file that is longer than the archive": (_too_long, "no gzipped tar archive"),
    "a header that takes hours to read": (lambda: _pax(b"1" * (1 << 20)), "no plain file"),
    "headers about headers": (lambda: _pax(b"", 5000), "no plain file"),
    "signatures of a hundred thousand levels": (_deep, "cannot be read"),
    "a hidden file": (_with(_member(".x.rego")), "no plain file"),
    "a name twice": (_with(_member("order/order.rego")), "twice"),
    "too many files": (_many, "more than"),
    "too large when unpacked": (lambda: gzip.compress(bytes(MAX_UNPACKED_BYTES + 1)), "larger than 64 MiB"),
    "no archive": (lambda: b"<html>", "no gzipped tar archive"),
    "gzip, but no tar": (lambda: gzip.compress(b"<html>" * 1000), "no gzipped tar archive"),
    "cut off": (lambda: bundles.bundle(FILES, KEY)[:-20], "no gzipped tar archive"),
    "nothing": (lambda: b"", "refused"),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name: str) -> None:
    """With a word to whoever builds bundles; the good one beside it is read."""
    make, found = BAD[name]

    with pytest.raises(BundleRefused, match=found) as caught:
        read(make())
    assert "Fix: " in str(caught.value)
    assert read(bundles.bundle(FILES, KEY))


def rooted(*roots: str, **files: str) -> Bundle:
    """A good bundle of these roots with one file more, or another one in the place of its own."""
    named = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
    manifest = json.dumps({"roots": roots})
    return read(
        bundles.bundle({**FILES, "order/order_test.rego": "package order.test\n", **named, ".manifest": manifest}, KEY)
    )


@pytest.mark.parametrize(
    ("inside", "outside", "found"),
    [
        (("order", "users"), ("order",), "users/data.json defines data.users"),
        (("order", "users"), ("users",), "order/order.rego defines data.order"),
        (("/order/", "users"), ("orders", "users"), "order/order.rego defines data.order,"),
        (("order", "users/a", "users/ю"), ("order", "users/a"), "users/data.json defines data.users.ю"),
        (("order", "users"), (), r"outside of its roots \(none\)"),
        (("",), ("order/rules", "users"), "order/order.rego defines data.order,"),
        (("order", "users"), ("order", "users", "order/x"), "its roots 'order' and 'order/x' overlap"),
        (("order", "users"), ("order", "users", ""), "overlap"),
    ],
)
def test_what_lies_outside_of_the_roots_is_refused(inside: Sequence[str], outside: Sequence[str], found: str) -> None:
    """By another bundle's owner perhaps; the same files pass with the roots that they are in."""
    assert rooted(*inside).files
    with pytest.raises(BundleRefused, match=found) as caught:
        rooted(*outside)
    assert "Fix: correct `roots`" in str(caught.value)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("# package users\n\npackage order.a\n", "# package order\n\npackage other.a\n"),
        ('package order["a b"].c\n', 'package other["a b"].c\n'),
        ("\ufeffpackage order\n", "\ufeffpackage other\n"),
        ("package\n  order\n", "import rego.v1\npackage order\n"),
    ],
)
def test_a_policy_belongs_where_its_package_is(good: str, bad: str) -> None:
    """Not where its file lies. What cannot be told is outside."""
    assert rooted("order", "users", more__p_dot_rego=good).files
    with pytest.raises(BundleRefused, match=r"more/p\.rego defines"):
        rooted("order", "users", more__p_dot_rego=bad)


def test_data_belongs_where_its_keys_are() -> None:
    """An object that leads to a root may, and nothing beside it."""
    assert rooted("order", "users", "a/b", data_dot_json='{"a": {"b": {"c": 1}}}').files
    for other in ('{"a": {"b": 1, "x": 1}}', '{"a": 1}', '{"x": {}}', "[]"):
        with pytest.raises(BundleRefused, match=r"data\.json defines"):
            rooted("order", "users", "a/b", data_dot_json=other)


def test_the_scope_has_to_be_the_configured_one() -> None:
    """Signed for one purpose is not signed for another."""
    content = signed(claims={"scope": "write"})

    assert read(content, "write").revision == "r1"
    for scope in ("", "read"):
        with pytest.raises(BundleRefused, match="scope"):
            read(content, scope)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_garbage_is_refused_and_nothing_else_happens(garbage: bytes, at: int) -> None:
    """Alone, as the tar inside gzip, and in the middle of a good one."""
    good = gzip.decompress(bundles.bundle(FILES, KEY))
    for content in (garbage, gzip.compress(garbage), gzip.compress(good[:at] + garbage + good[at + len(garbage) :])):
        try:
            found = read(content)
        except BundleRefused:
            continue
        assert found.files["order/order.rego"] == FILES["order/order.rego"].encode()


def test_folders_in_the_archive_are_no_files() -> None:
    """`tar` writes them; `opa build` does not."""
    plain = io.BytesIO(gzip.decompress(bundles.bundle(FILES, KEY)))
    with tarfile.open(fileobj=plain, mode="a") as tar:
        tar.addfile(_member("order", tarfile.DIRTYPE))

    assert read(gzip.compress(plain.getvalue())).revision == "r1"
