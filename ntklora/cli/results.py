"""What `reproduce` and `figures` share: the folder of results, and computing what it lacks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ntklora.cli.answer import Mistake, Unfinished
from ntklora.sweeps import catalogue
from ntklora.sweeps.crew import WorkersFail
from ntklora.sweeps.executors import Processes
from ntklora.sweeps.experiment import Experiment
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.provenance import command_line
from ntklora.sweeps.runner import Request, Tally, run_sweeps
from ntklora.sweeps.store import Store, Unwritable
from ntklora.sweeps.sweep import Sweep

CLAIMS = "ntklora.claims.experiment:claims_experiment"  # where workers find them


def open_results(out: Path | None, profile: Profile) -> Path:
    """The folder of results, made if missing; one that cannot be written is a mistake found before the work."""
    folder = out if out is not None else Path("results") / profile
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"{folder}: cannot be made ({error.strerror}); pass another --out") from error
    if not os.access(folder, os.W_OK):
        raise Mistake(f"{folder}: cannot be written; pass another --out")
    return folder


def reference_of(experiment: Experiment) -> str:
    """How a worker finds an experiment of ours, the claims among them."""
    return CLAIMS if experiment.name == "claims" else catalogue.reference_of(experiment.name)


def compute(
    experiments: Sequence[Experiment], profile: Profile, results: Path, *, jobs: int | None, force: bool = False
) -> dict[str, Tally]:
    """Run what is missing of each experiment, failed cells included, in `jobs` worker processes.

    Ctrl-C keeps what is done and ends with the command that goes on.
    """
    executor = processes(jobs)
    requests = [
        Request(Sweep.of_profile(experiment, profile), reference_of(experiment), Store(results / experiment.name))
        for experiment in experiments
    ]
    with resumable():
        tallies = run_sweeps(requests, executor, force=force, retry_failed=True, extend=True)
        if any(tally.interrupted for tally in tallies.values()):
            raise KeyboardInterrupt
    return tallies


def processes(jobs: int | None) -> Processes:
    """Worker processes, `num_processes` for None."""
    if jobs is not None and jobs < 1:
        raise Mistake(f"--jobs is {jobs}: at least 1 process")
    return Processes(jobs)


@contextmanager
def said_in_a_line() -> Iterator[None]:
    """Within, what keeps a run from its work is no traceback."""
    try:
        yield
    except (Unwritable, ValueError) as error:
        raise Mistake(str(error)) from error
    except WorkersFail as error:
        raise Unfinished(f"{error}; what was done is kept; to go on: {command_line()}") from error


@contextmanager
def resumable() -> Iterator[None]:
    """The same for a run that stores its rows; Ctrl-C ends with the command that goes on."""
    try:
        with said_in_a_line():
            yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"finished cells are kept; to go on: {command_line()}") from None


def counts(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Cells by experiment, for the JSON document."""
    return {
        name: {"cells": tally.requested, "computed": tally.computed, "failed": tally.failed}
        for name, tally in tallies.items()
    }
