"""`ntklora verify`: run claims and say what the evidence says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ntklora.claims.claim import Numbers, Outcome
from ntklora.claims.registry import select_claims
from ntklora.claims.run import ClaimResult, exit_status, run_claim, worst_outcome
from ntklora.cli.answer import Answer, Mistake
from ntklora.cli.commands import Verify
from ntklora.sweeps.progress import show_progress

_COLUMNS = ("id", "statement", "source", "predicted", "measured", "margin", "verdict", "controls")
_WIDE = 170  # characters of the table where there is no terminal to ask


def run(options: Verify) -> Answer:
    """Run the named claims, all of them when none is named."""
    try:
        claims = select_claims(options.claims)
    except ValueError as error:
        raise Mistake(str(error)) from error
    results = []
    with show_progress("verify", len(claims), "claims") as advance:
        for claim in claims:
            results.append(run_claim(claim, options.profile))
            advance(results[-1].outcome is Outcome.error)
    document = {"outcome": worst_outcome(results), "profile": options.profile, "claims": [record(r) for r in results]}
    return Answer(exit_status(results), document, lambda: _show(results))


def record(result: ClaimResult) -> dict[str, Any]:
    """A result as the JSON document holds it; `reason` stands where something failed to run."""
    claim = result.claim
    controls = [
        {"name": each.name, "expected": each.expected, "outcome": each.outcome}
        | ({"reason": each.reason} if each.reason else {})
        for each in result.controls
    ]
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "label": claim.label,
        "outcome": result.outcome,
        "predicted": result.predicted,
        "measured": result.measured,
        "margin": result.margin,
        "controls": controls,
        "seconds": result.seconds,
    } | ({"reason": result.reason} if result.reason else {})


def _show(results: Sequence[ClaimResult]) -> None:
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    table = Table(*_COLUMNS, show_lines=True)
    for result in results:
        claim = result.claim
        margin = "" if result.margin is None else f"{result.margin:.3g}"
        verdict = f"{result.outcome}\n{result.reason}" if result.reason else str(result.outcome)
        table.add_row(
            claim.id,
            claim.statement,
            f"{claim.source} ({claim.label})",
            numbers(result.predicted),
            numbers(result.measured),
            margin,
            verdict,
            "\n".join(
                f"{'ok' if each.as_expected else 'NOT AS EXPECTED'}: {each.name}: {each.outcome}"
                for each in result.controls
            ),
        )
    console.print(table)
    console.print(f"{worst_outcome(results)}: {len(results)} claims")


def numbers(value: Numbers) -> str:
    """A number, or names with their numbers, to four digits.

    >>> numbers({"share": 0.25, "starts": 64})
    'share 0.25, starts 64'
    """
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number:.4g}" for name, number in value.items())
    return f"{value:.4g}"
