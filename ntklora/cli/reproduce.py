"""`ntklora reproduce`: missing cells, then figures, then the report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ntklora.claims.experiment import claims_experiment, results_of
from ntklora.claims.run import exit_status
from ntklora.cli.answer import PARTIAL, Answer
from ntklora.cli.commands import Reproduce
from ntklora.cli.results import compute, counts, open_results
from ntklora.plotting.coverage import read_rows
from ntklora.report.build import build
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.runner import Tally


def run(options: Reproduce) -> Answer:
    """Everything; the last line on standard output names the report."""
    results = open_results(options.out, options.profile)
    claims = claims_experiment()
    experiments = [claims, *all_experiments().values()]  # the longest cells first: no process waits at the end
    tallies = compute(experiments, options.profile, results, jobs=options.jobs, force=options.force)
    report = build(results, options.profile)
    found = results_of(read_rows(claims, results, options.profile)[0])
    status = exit_status(found) if all(tally.whole for tally in tallies.values()) else PARTIAL
    document = {"profile": options.profile, "experiments": counts(tallies), "report": str(report)}
    return Answer(status, document, lambda: _show(tallies, report))


def _show(tallies: Mapping[str, Tally], report: Path) -> None:
    for name, tally in tallies.items():
        failed = f", {tally.failed} failed" if tally.failed else ""
        print(f"{name}: {tally.requested} cells, {tally.computed} computed now{failed}")
    print(f"report: {report}")
