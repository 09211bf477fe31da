"""What a run says: figures, and each kind of difference as a small case that can become a test."""

from __future__ import annotations

from collections.abc import Mapping

from tests.differential.comparing import Difference, Tally

from authz_rego.values.text import term_text
from authz_rego.values.value import UNDEFINED


def report(seed: str, tally: Tally, found: Mapping[str, tuple[int, Difference]]) -> str:
    """For people; the differences that occur most often first."""
    defined = tally.values / max(tally.answers, 1)
    differing = sum(number for number, _ in found.values())
    lines = [
        f"seed {seed}: {tally.policies:,} policies with {tally.pairs:,} inputs",
        f"{tally.answers:,} answers ({defined:.0%} defined), {tally.calls:,} calls of builtins",
        f"{tally.refused:,} policies that at least one side refuses, {tally.unjudged:,} that OPA does not answer",
        f"{tally.unsupported:,} of the policies ours refuses for what it does not support, which its README names",
        f"{tally.ambiguous:,} answers that ours refuses: equal keys of an object, two values of `walk`, YAML's order",
        f"{tally.unsteady:,} answers of OPA that it gives otherwise when it is started anew",
        f"{differing:,} differences of {len(found)} kinds",
    ]
    for kind, (number, difference) in sorted(found.items(), key=lambda each: -each[1][0]):
        lines += ["", f"## {kind} ({number} times)", "", *shown_difference(difference)]
    return "\n".join(lines)


def shown_difference(difference: Difference) -> list[str]:
    """The case, and both answers."""
    case = difference.case
    lines = []
    for file, text in case.modules:
        lines += [f"# {file}", text.rstrip("\n")]
    if case.data:
        lines.append(f"data = {term_text(case.data)}")
    if case.inputs and difference.path:
        asked = case.inputs[0]
        lines.append(f"input = {'undefined' if asked is UNDEFINED else term_text(asked)}")
    query = ".".join(("data", *(each if type(each) is str else term_text(each) for each in difference.path)))
    return [
        "```rego",
        *lines,
        "```",
        f"{query if difference.path else 'compile'}:",
        f"  OPA:  {difference.opa}",
        f"  ours: {difference.ours}",
    ]
