"""Tokens and their places, as OPA's scanner counts them."""

from __future__ import annotations

import pytest

from authz_rego.syntax.scanner import Scanner
from authz_rego.syntax.tokens import Kind


def tokens_of(text):
    scanner = Scanner(text)
    found, token = [], scanner.before_all
    while token.kind is not Kind.EOF:
        token = scanner.after(token)
        found.append(token)
    return found


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a b", [(1, 1), (1, 2), (1, 3), (1, 3)]),  # the end is where the last character is
        ("a\nb", [(1, 1), (2, 0), (2, 1), (2, 1)]),  # a line's end belongs to the next line
        ("a\n", [(1, 1), (2, 0), (2, 0)]),
        ("", [(1, 0)]),
        ('"ää" x', [(1, 1), (1, 5), (1, 6), (1, 6)]),  # characters, not bytes
        ("\ufeffa", [(1, 2), (1, 2)]),
    ],
)
def test_places_are_opas(text, places):
    """Each was asked of OPA."""
    assert [(each.row, each.column) for each in tokens_of(text)] == places


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("ab\0", [("illegal null character",), (), ()]),  # a token sees what stands right behind it
        ("ab \0", [(), ("illegal null character",), (), ()]),
        ("a\ufeff", [("illegal byte-order mark",), (), ()]),
        ("\ufeffa", [(), ()]),
        ('"a', [("non-terminated string",), ()]),
        ('"a\\x"', [("illegal escape sequence",), ()]),
        ("1.", [("expected fraction",), ()]),
        ("1e", [("expected exponent",), ()]),
        ("1a", [("illegal number format",), ()]),
        ("1.5e3", [(), ()]),
        ("!", [("illegal ! character",), ()]),
        ("!=", [(), ()]),
        ("\xa0", [("illegal non-breaking space character, use a regular space instead",), ()]),
    ],
)
def test_what_is_no_token_is_said(text, errors):
    """With what is one beside it."""
    assert [each.errors for each in tokens_of(text)] == errors


def test_a_name_may_go_on_with_digits_of_any_script_but_not_with_letters():
    """U+0663 is an Arabic digit."""
    assert [each.kind for each in tokens_of("a\u0663b")] == [Kind.IDENT, Kind.EOF]
    assert [each.kind for each in tokens_of("aéb")] == [Kind.IDENT, Kind.ILLEGAL, Kind.IDENT, Kind.EOF]


def test_a_template_goes_on_behind_its_brace_only_when_it_is_asked_to():
    """The same `}` ends a set elsewhere."""
    scanner = Scanner('$"a{x}b\\{"')
    part, name, brace = (scanner.after(scanner.before_all), None, None)
    name = scanner.after(part)
    brace = scanner.after(name)

    assert (part.kind, part.text) == (Kind.TEMPLATE_PART, '"a{')
    assert scanner.after(brace).kind is Kind.IDENT
    rest = scanner.rest_of_template(brace, raw=False)
    assert (rest.kind, rest.text, rest.column) == (Kind.TEMPLATE_END, '}b{"', 7)
