"""`print` says nothing in a policy that decides: its calls are taken out before anybody asks if they are safe."""

from __future__ import annotations

from authz_rego.check.names import is_call_of
from authz_rego.check.rebuild import Rebuild
from authz_rego.syntax.tree import Body, Expr, Scalar


class WithoutPrints(Rebuild):
    """The same rules, without `print`."""

    def body(self, body: Body) -> Body:
        kept = [self.expr(expr) for expr in body if not is_call_of("print", expr.terms)]
        if kept or not body:
            return tuple(kept)
        return (Expr(Scalar(True, body[0].place), place=body[0].place),)
