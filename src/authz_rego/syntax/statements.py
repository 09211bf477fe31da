"""A file's statements one after the other: package, imports, rules. Not what they mean together (`modules`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from authz_rego.errors import Place
from authz_rego.syntax.cursor import Cursor, Grammar, Statement
from authz_rego.syntax.heads import Written
from authz_rego.syntax.literals import body, literal, query
from authz_rego.syntax.rules import is_keyword_as_name, rules
from authz_rego.syntax.shapes import ROOTS, is_text, kind_of
from authz_rego.syntax.terms import infix, term
from authz_rego.syntax.text import term_text
from authz_rego.syntax.tokens import FUTURE, IN_V1, Kind
from authz_rego.syntax.tree import Import, Ref, Scalar, Term, Var

GRAMMAR: Final = Grammar(term, infix, literal, body)
_MAY_BEGIN_IMPORTS: Final = (*ROOTS, "future", "rego")


@dataclass(slots=True)
class Package:
    """`package a.b`: its path below `data`."""

    path: Ref
    place: Place


class _Imported(NamedTuple):
    tree: Import
    alias_place: Place


Found: TypeAlias = Package | Import | Written | list[Statement]


def statements(cursor: Cursor, *, only_queries: bool = False) -> list[Found]:
    """All there are up to the first that is wrong."""
    found: list[Found] = []
    cursor.scan()
    while not cursor.at(Kind.EOF):
        if not only_queries and is_keyword_as_name(cursor):
            break
        new = _statement(cursor, only_queries=only_queries)
        if new is None:
            break
        found += new
    return found


def _statement(cursor: Cursor, *, only_queries: bool) -> list[Found] | None:
    """Reads one in each way in which it can be, until one fits or is wrong."""
    readings: list[Callable[[Cursor], list[Found] | None]] = []
    if cursor.at(Kind.PACKAGE, Kind.IMPORT):
        readings.append(_declaration)
    if not only_queries:
        readings.append(_rules)
    for read in readings:
        saved = cursor.save()
        found = read(cursor)
        if found is not None:
            return found
        if cursor.state.errors is not None:
            return None
        cursor.state = saved
    asked = query(cursor, Kind.EOF, top_level=True)
    return None if asked is None else [asked]


def _rules(cursor: Cursor) -> list[Found] | None:
    found = rules(cursor)
    return None if found is None else [*found]


def _declaration(cursor: Cursor) -> list[Found] | None:
    found = _package(cursor) if cursor.at(Kind.PACKAGE) else _import(cursor)
    if found is None:
        return None
    if cursor.at(Kind.SUB):  # not the sign of the next statement
        cursor.illegal()
        return None
    if isinstance(found, _Imported):
        _take_keywords(cursor, found)
        return [found.tree]
    return [found]


def _at_path(cursor: Cursor) -> bool | None:
    """Past the word `package` or `import`, at a name; None when the word is a name itself."""
    cursor.scan(blanks=True)
    if cursor.at(Kind.DOT, Kind.LBRACK):
        return None
    if cursor.at(Kind.WHITESPACE):
        cursor.scan()
    if not cursor.at(Kind.IDENT) and cursor.is_name(cursor.kind):
        cursor.state.kind = Kind.IDENT
    if not cursor.at(Kind.IDENT):
        cursor.illegal()
    return cursor.at(Kind.IDENT)


# ── package ──


def _package(cursor: Cursor) -> Package | None:
    place = cursor.place()
    if not _at_path(cursor):
        return None
    read = term(cursor)
    if read is None:
        if cursor.state.errors is None:
            cursor.error(cursor.place(), "expected path")
        return None
    if not isinstance(read, (Var, Ref)):
        cursor.illegal()
        return None
    head, path = (read, ()) if isinstance(read, Var) else (read.head, read.path)
    if not isinstance(head, Var):
        cursor.error(head.place, f"unexpected {kind_of(head)} token: expecting var")
        return None
    if not _is_constant(cursor, path):
        return None
    return Package(Ref(Var("data", head.place), (Scalar(head.name, head.place), *path), head.place), place)


def _is_constant(cursor: Cursor, path: tuple[Term, ...]) -> bool:
    for each in path:
        if not is_text(each):
            cursor.error(each.place, f"unexpected {kind_of(each)} token: expecting string")
            return False
    return True


# ── imports ──


def _import(cursor: Cursor) -> _Imported | None:
    place = cursor.place()
    if not _at_path(cursor):
        return None
    saved, before = cursor.save(), cursor.state.keywords
    with cursor.with_keywords({word: kind for word, kind in before.items() if word not in FUTURE}):
        read = term(cursor)
    path = Ref(read, (), read.place) if isinstance(read, Var) else read
    if isinstance(path, Ref) and not all(map(is_text, path.path)):
        cursor.state = saved
        _is_constant(cursor, path.path)
        return None
    cursor.state.keywords = cursor.state.keywords | before
    if not isinstance(path, Ref):
        cursor.error(cursor.place(), "expected path")
        return None
    if not isinstance(path.head, Var) or path.head.name not in _MAY_BEGIN_IMPORTS:
        cursor.hint("if this is unexpected, try updating OPA")
        found = "unexpected import path, must begin with one of: {data, future, input, rego}"
        cursor.error(path.place, f"{found}, got: {term_text(path.head)}")
        return None
    if cursor.at(Kind.AS):
        alias = _alias(cursor)
        return None if alias is None else _Imported(Import(path, alias.name, place), alias.place)
    _check_last(cursor, path)
    return _Imported(Import(path, None, place), place)


def _alias(cursor: Cursor) -> Var | None:
    cursor.scan()
    if not cursor.at(Kind.IDENT):
        cursor.illegal("expected var")
        return None
    alias = term(cursor)
    if isinstance(alias, Var):
        return alias
    if isinstance(alias, Ref) and not alias.path and isinstance(alias.head, Var) and alias.head.name in ROOTS:
        name = alias.head.name
        cursor.error(alias.place, f"unexpected import alias, must not be a reserved name, got: {name}")
    else:
        cursor.illegal("expected var")
    return None


def _check_last(cursor: Cursor, path: Ref) -> None:
    """What is imported is called by the path's last name."""
    assert isinstance(path.head, Var)
    last: Term = path.path[-1] if path.path else path.head
    name = last.name if isinstance(last, Var) else str(last.value) if isinstance(last, Scalar) else ""
    if name in IN_V1 and not (path.path and path.head.name == "future"):
        cursor.hint("import a different path or use an alias")
        cursor.error(last.place, f"unexpected import path, must not end with a keyword, got: {name}")


def _take_keywords(cursor: Cursor, new: _Imported) -> None:
    """`import rego.v2`, `import future.keywords.and`: from here on these words are keywords."""
    path = new.tree.path
    if not isinstance(path.head, Var) or path.head.name in ROOTS:
        return
    names = [str(each.value) for each in path.path if isinstance(each, Scalar)]
    read = _words if path.head.name == "future" else _words_of_version
    for each in read(cursor, new, names):
        cursor.add_keyword(each)
    word = cursor.state.token.text
    if cursor.at(Kind.IDENT) and word in FUTURE and word in cursor.state.keywords:
        cursor.state.kind = FUTURE[word]


def _words(cursor: Cursor, new: _Imported, names: list[str]) -> list[str]:
    if names[:1] != ["keywords"]:
        cursor.error(new.tree.path.place, "invalid import, must be `future.keywords`")
        return []
    if new.tree.alias is not None:
        cursor.error(new.alias_place, "`future` imports cannot be aliased")
        return []
    if len(names) != 2:
        return sorted(FUTURE)
    if names[1] not in FUTURE:
        found = f"unexpected keyword, must be one of [{' '.join(sorted(FUTURE))}]"
        cursor.error(new.tree.path.place, found)
        return []
    return names[1:]


def _words_of_version(cursor: Cursor, new: _Imported, names: list[str]) -> list[str]:
    if names not in (["v1"], ["v2"]):
        found = f"invalid import `{term_text(new.tree.path)}`, must be one of: `rego.v1`, `rego.v2`"
        cursor.error(new.tree.path.place, found)
        return []
    if new.tree.alias is not None:
        cursor.error(new.alias_place, "`rego` imports cannot be aliased")
        return []
    return sorted(FUTURE) if names == ["v2"] else []
