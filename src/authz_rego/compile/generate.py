"""The source of a policy: its names, constants and tables, and a function for each document. Not what stands in the
functions (`complete_rules`, `partial_rules`, `bodies`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from authz_rego.builtins.table import TEARING, functions
from authz_rego.check.dependencies import is_constant
from authz_rego.compile.complete_rules import CompleteRules
from authz_rego.compile.forms import Form
from authz_rego.compile.partial_rules import PartialRules
from authz_rego.compile.plan import Document, Kind, Plan
from authz_rego.compile.values import constant_value
from authz_rego.compile.writer import Source
from authz_rego.evaluate.tearing import Tearing
from authz_rego.syntax.text import term_text
from authz_rego.syntax.tree import Expr, Rule, Term
from authz_rego.values.text import term_text as value_text
from authz_rego.values.value import Value


class Generator:
    """Writes all documents; `traced` makes functions that tell what they try."""

    def __init__(self, plan: Plan, stored: Callable[[tuple[Any, ...]], Value], *, traced: bool = False) -> None:
        self.plan = plan
        self.source = Source()
        self.traced = traced
        self.stored = stored
        self.builtins: dict[str, Callable[..., Value]] = {}
        self.statements: list[Expr] = []
        self.tables: dict[
            str, tuple[dict[Any, list[str]], str, list[str]]
        ] = {}  # indexes: rows, the rest's name, the rest
        self.rules: dict[int, tuple[str, Rule]] = {}  # the statements that are beginnings of rules
        self.tearing = Tearing()
        self._builtin_names: dict[str, str] = {}  # what those that it calls are called in the source
        self._stored_names: dict[str, str] = {}
        self._hoisted: dict[str, str] = {}
        self._forms: dict[tuple[int, str], str] = {}
        self._functions = {each.text: each for each in plan.all() if each.kind is Kind.FUNCTION}

    # ── what bodies ask for ──

    def statement(self, expr: Expr) -> int:
        """The number of a statement, for traces."""
        self.statements.append(expr)
        return len(self.statements) - 1

    def is_function(self, name: str) -> bool:
        return name in self._functions

    def function_document(self, name: str) -> Document | None:
        return self._functions.get(name)

    def of_forms(self, document: Document, forms: tuple[Form, ...], count: int) -> str:
        """The function that gives the members of a document whose keys have forms; `count` parts are arguments."""
        key = (document.number, repr(forms))
        if key not in self._forms:
            self._forms[key] = PartialRules(self, document).of_forms(forms, count)
        return self._forms[key]

    def giving(self, document: Document, form: Form, count: int) -> str:
        """The function that gives what another gives, if that has a form; `count` parts of it are arguments."""
        key = (document.number, repr(form))
        if key not in self._forms:
            self._forms[key] = CompleteRules(self, document, form, count).of_form()
        return self._forms[key]

    @staticmethod
    def arity(document: Document) -> int:
        rule = document.rules[0].rule if document.rules else document.default
        return len((rule.head.args if rule is not None else None) or ())

    @property
    def calls_tearing(self) -> bool:
        """Whether it calls what may make texts that are no UTF-8."""
        return not TEARING.isdisjoint(self._builtin_names)

    def builtin(self, name: str) -> str:
        """What a builtin is called in the source."""
        if name not in self._builtin_names:
            self._builtin_names[name] = f"b_{name.replace('.', '_')}"
            function = functions()[name]
            self.builtins[self._builtin_names[name]] = self.tearing.watched(function) if name in TEARING else function
        return self._builtin_names[name]

    @staticmethod
    def is_value(term: Term) -> bool:
        return is_constant(term)

    def hoisted(self, term: Term) -> str:
        """The name of a constant; two that are written differently have two, as numbers keep their digits."""
        text = term_text(term)
        if text not in self._hoisted:
            self._hoisted[text] = self.source.constant(constant_value(term))
        return self._hoisted[text]

    def stored_constant(self, path: tuple[Any, ...], value: Value) -> str:
        """The name of what stands at a path of the data: where numbers are texts, so that 1 and 1.0 are two keys."""
        key = value_text(list(path))
        if key not in self._stored_names:
            self._stored_names[key] = self.source.constant(value)
        return self._stored_names[key]

    # ── documents ──

    def write(self) -> None:
        """All documents, in their order."""
        for document in self.plan.all():
            self._rules(document).write()

    def _rules(self, document: Document) -> CompleteRules | PartialRules:
        return (PartialRules if document.kind in {Kind.SET, Kind.OBJECT} else CompleteRules)(self, document)
