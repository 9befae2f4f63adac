"""`ntklora verify`: run claims and say what the evidence says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ntklora.claims.claim import Claim, Numbers
from ntklora.claims.experiment import claims_experiment, results_of
from ntklora.claims.registry import select_claims
from ntklora.claims.run import ClaimResult, exit_status, worst_of, worst_outcome
from ntklora.cli import results
from ntklora.cli.answer import NOT_SHOWN, OK, Answer, Mistake
from ntklora.cli.commands import Verify
from ntklora.cli.proofs import proof_outcomes, proofs_document, run_proofs, show_proofs
from ntklora.cli.results import processes, said_in_a_line
from ntklora.cli.tables import plain_console, show_table
from ntklora.sweeps.agenda import Order
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.experiment import CellStatus, Row
from ntklora.sweeps.progress import show_progress
from ntklora.sweeps.sweep import Sweep

if TYPE_CHECKING:
    from ntklora.proof.cases import CaseProof

_COLUMNS = ("id", "statement", "source", "predicted", "measured", "margin", "verdict", "controls")


def run(options: Verify) -> Answer:
    """Run the named claims, all of them when none is named, in worker processes; nothing is stored.

    With `--proof` the interval proofs run, and of the claims only those named; with `--list` nothing runs.
    """
    try:
        chosen = select_claims(options.claims)
    except ValueError as error:
        raise Mistake(str(error)) from error
    if options.list:
        return Answer(OK, {"claims": [stated(claim) for claim in chosen]}, lambda: _show_statements(chosen))
    wanted = {claim.id for claim in chosen}
    proofs = run_proofs() if options.proof else ()
    found = [] if options.proof and not options.claims else _run_claims(options, wanted)
    outcomes = [*(result.outcome for result in found), *proof_outcomes(proofs)]
    document: dict[str, Any] = {
        "outcome": worst_of(outcomes),
        "profile": options.profile,
        "claims": [record(each) for each in found],
    }
    if options.proof:
        document |= {"proof": proofs_document(proofs)}
    status = max(exit_status(found), OK if all(each.as_expected for each in proofs) else NOT_SHOWN)
    return Answer(status, document, lambda: _show_all(found, proofs))


def _run_claims(options: Verify, wanted: set[str]) -> list[ClaimResult]:
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
    return results_of([rows[key] for key in sweep.keys])


def stated(claim: Claim) -> dict[str, Any]:
    """What a claim says and who says it."""
    return {"id": claim.id, "statement": claim.statement, "source": claim.source, "label": claim.label}


def record(result: ClaimResult) -> dict[str, Any]:
    """A result as the JSON document holds it; `reason` stands where something failed to run."""
    claim = result.claim
    controls = [
        {"name": each.name, "expected": each.expected, "outcome": each.outcome}
        | ({"reason": each.reason} if each.reason else {})
        for each in result.controls
    ]
    return {
        **stated(claim),
        "outcome": result.outcome,
        "predicted": result.predicted,
        "measured": result.measured,
        "margin": result.margin,
        "controls": controls,
        "seconds": result.seconds,
    } | ({"reason": result.reason} if result.reason else {})


def _show_statements(claims: Sequence[Claim]) -> None:
    rows = [(claim.id, claim.statement, _source(claim)) for claim in claims]
    show_table(plain_console(), ("id", "statement", "source"), rows)


def _source(claim: Claim) -> str:
    return f"{claim.source} ({claim.label})"


def _show_all(results: Sequence[ClaimResult], proofs: Sequence[CaseProof]) -> None:
    console = plain_console()
    if proofs:
        show_proofs(console, proofs)
    if results:
        _show(console, results)


def _show(console: Console, results: Sequence[ClaimResult]) -> None:
    show_table(console, _COLUMNS, [_line(result) for result in results])
    console.print(f"{worst_outcome(results)}: {len(results)} claims")


def _line(result: ClaimResult) -> tuple[str, ...]:
    claim = result.claim
    controls = [
        f"{'ok' if each.as_expected else 'NOT AS EXPECTED'}: {each.name}: {each.outcome}" for each in result.controls
    ]
    return (
        claim.id,
        claim.statement,
        _source(claim),
        numbers(result.predicted),
        numbers(result.measured),
        "" if result.margin is None else f"{result.margin:.3g}",
        f"{result.outcome}\n{result.reason}" if result.reason else str(result.outcome),
        "\n".join(controls),
    )


def numbers(value: Numbers) -> str:
    """A number, or one line for each name with its number, to four digits.

    >>> print(numbers({"share": 0.25, "starts": 64}))
    share: 0.25
    starts: 64
    """
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "\n".join(f"{name.replace('_', ' ')}: {number:.4g}" for name, number in value.items())
    return f"{value:.4g}"
