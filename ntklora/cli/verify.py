"""`ntklora verify`: run claims and say what the evidence says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from rich.console import Console
from rich.table import Table

from ntklora.claims.claim import Numbers
from ntklora.claims.experiment import claims_experiment, results_of
from ntklora.claims.registry import select_claims
from ntklora.claims.run import ClaimResult, exit_status, worst_outcome
from ntklora.cli import results
from ntklora.cli.answer import Answer, Mistake
from ntklora.cli.commands import Verify
from ntklora.cli.results import processes, said_in_a_line
from ntklora.sweeps.agenda import Order
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.experiment import CellStatus, Row
from ntklora.sweeps.progress import show_progress
from ntklora.sweeps.sweep import Sweep

_COLUMNS = ("id", "statement", "source", "predicted", "measured", "margin", "verdict", "controls")
_WIDE = 170  # characters of the table where there is no terminal to ask


def run(options: Verify) -> Answer:
    """Run the named claims, all of them when none is named, in worker processes; nothing is stored."""
    try:
        wanted = {claim.id for claim in select_claims(options.claims)}
    except ValueError as error:
        raise Mistake(str(error)) from error
    executor = processes(options.jobs)
    experiment = claims_experiment()
    sweep = Sweep(experiment, [cell for cell in experiment.cells(options.profile) if cell["claim"] in wanted])
    groups = plan_groups(experiment, sweep.cells, range(len(sweep.cells)))
    rows: dict[str, Row] = {}
    with (
        said_in_a_line(),
        show_progress("verify", len(sweep.cells), "claims") as advance,
        closing(executor.run([Order(sweep, results.CLAIMS, experiment.limits, groups)], lambda: False)) as computed,
    ):
        for _, row in computed:
            rows[row["key"]] = row
            advance(row["status"] != CellStatus.ok)
    found = results_of([rows[key] for key in sweep.keys])
    document = {"outcome": worst_outcome(found), "profile": options.profile, "claims": [record(each) for each in found]}
    return Answer(exit_status(found), document, lambda: _show(found))


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
