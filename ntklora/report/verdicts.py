"""The claims: what was predicted, what was measured, and whether the controls failed as they must."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ntklora.claims.claim import Claim, Numbers, Outcome
from ntklora.claims.run import ClaimResult, ControlResult
from ntklora.report.html import node, table
from ntklora.report.numbers import show

HEAD = ("claim", "numbers", "verdict", "controls")
SHOWN = 8  # numbers of one claim before the rest is folded
_SIGNS = {
    Outcome.consistent: "✓",
    Outcome.refuted: "✗",
    Outcome.inconclusive: "?",
    Outcome.inapplicable: "∅",
    Outcome.error: "!",
}


class Verdicts(NamedTuple):
    """The stored results, and the claims that have none yet."""

    results: Sequence[ClaimResult]
    not_run: Sequence[Claim]


def verdicts_section(verdicts: Verdicts) -> Element:
    """Every claim with its evidence; those without a row are listed as not run."""
    lines = [_line(result) for result in verdicts.results]
    lines += [[_statement(claim), "–", badge(None), "–"] for claim in verdicts.not_run]
    return node(
        "section",
        node("h2", "Claims"),
        node("p", _summary(verdicts)),
        table(HEAD, lines, "claims") if lines else node("p", "There are no claims."),
        node(
            "p",
            "A margin of at least 0 means that the statement was met, in units of its tolerance. A control changes the "
            "mathematics and must come out as named; a claim whose control does not has shown nothing. Numerics never "
            "prove: consistent is the best that can happen to a statement. Labels: paper, stated by the paper; "
            "derived, derived for this project; reconstructed, the paper has a statement of this kind with constants "
            "of its own.",
            attributes={"class": "aside"},
        ),
        attributes={"id": "claims"},
    )


def badge(outcome: Outcome | None) -> Element:
    """A verdict as a sign and a word, so that its colour is not needed."""
    words = f"{_SIGNS[outcome]} {outcome.value}" if outcome else "not run"
    return node("span", words, attributes={"class": f"badge {outcome.value if outcome else 'absent'}"})


def _summary(verdicts: Verdicts) -> str:
    counted = Counter(result.outcome for result in verdicts.results)
    parts = [f"{counted[outcome]} {outcome.value}" for outcome in Outcome if counted[outcome]]
    parts += [f"{len(verdicts.not_run)} not run"] if verdicts.not_run else []
    controls = [control for result in verdicts.results for control in result.controls]
    expected = sum(control.as_expected for control in controls)
    return f"{', '.join(parts) or 'None'}. {expected} of {len(controls)} controls came out as expected."


def _line(result: ClaimResult) -> list[Element | str]:
    margin = node("p", f"margin {show(result.margin)}", attributes={"class": "margin"})
    reason = node("p", result.reason, attributes={"class": "reason"}) if result.reason else None
    verdict = node("div", badge(result.outcome), margin, reason)
    controls = node("ul", *(_control(control) for control in result.controls), attributes={"class": "controls"})
    return [_statement(result.claim), _numbers(result.predicted, result.measured), verdict, controls]


def _numbers(predicted: Numbers, measured: Numbers) -> Element:
    """Prediction and measurement side by side, by name; what was measured beyond the prediction comes last."""
    one, other = _by_name(predicted), _by_name(measured)
    lines = [
        [name.replace("_", " "), *(show(each[name]) if name in each else "" for each in (one, other))]
        for name in dict.fromkeys([*one, *other])
    ]
    if not lines:
        return node("p", "none")
    head = ("", "predicted", "measured")
    first = table(head, lines[:SHOWN], "numbers")
    if len(lines) <= SHOWN:
        return first
    rest = table(head, lines[SHOWN:], "numbers")
    return node("div", first, node("details", node("summary", f"{len(lines) - SHOWN} more numbers"), rest))


def _by_name(numbers: Numbers) -> Mapping[str, float]:
    if numbers is None:
        return {}
    return numbers if isinstance(numbers, Mapping) else {"value": numbers}


def _statement(claim: Claim) -> Element:
    return node(
        "div",
        node("strong", claim.id, attributes={"class": "id"}),
        " ",
        node("span", claim.label.value, attributes={"class": f"label {claim.label.value}"}),
        node("p", claim.statement),
        node("p", claim.source, attributes={"class": "source"}),
        attributes={"id": f"claim-{claim.id}"},
    )


def _control(control: ControlResult) -> Element:
    words = f"{control.name}: {control.outcome.value}"
    if control.as_expected:
        return node("li", f"✓ {words}", node("span", ", as expected", attributes={"class": "quiet"}))
    reason = f" ({control.reason})" if control.reason else ""
    return node("li", f"✗ {words}, expected {control.expected.value}{reason}", attributes={"class": "bad"})
