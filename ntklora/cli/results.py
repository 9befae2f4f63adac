"""What `reproduce` and `figures` share: the folder of results, and computing what it lacks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ntklora.claims.experiment import claims_experiment
from ntklora.cli.answer import Mistake
from ntklora.sweeps.catalogue import all_experiments, named
from ntklora.sweeps.experiment import Experiment
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.provenance import command_line
from ntklora.sweeps.runner import Request, Tally, run_sweeps
from ntklora.sweeps.store import Refused, Store, Unwritable
from ntklora.sweeps.sweep import Sweep


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


def find_experiment(name: str) -> Experiment:
    """An experiment by name, the claims among them; other processes call this."""
    return named(_known(), name, "experiment")


@cache
def _known() -> dict[str, Experiment]:
    claims = claims_experiment()
    return {**all_experiments(), claims.name: claims}


def compute(
    experiments: Sequence[Experiment], profile: Profile, results: Path, *, jobs: int | None, force: bool = False
) -> dict[str, Tally]:
    """Run what is missing of each experiment, failed cells included, in `jobs` processes (None: one per core).

    Ctrl-C keeps what is done and ends with the command that goes on.
    """
    jobs = os.cpu_count() or 1 if jobs is None else jobs
    if jobs < 1:
        raise Mistake(f"--jobs is {jobs}: at least 1 process")
    requests = [
        Request(Sweep.of_profile(experiment, profile), experiment.name, Store(results / experiment.name))
        for experiment in experiments
    ]
    try:
        tallies = run_sweeps(requests, jobs=jobs, find=find_experiment, force=force, retry_failed=True)
        if any(tally.interrupted for tally in tallies.values()):
            raise KeyboardInterrupt
    except (Refused, Unwritable) as error:
        raise Mistake(str(error)) from error
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"finished cells are kept; to go on: {command_line()}") from None
    return tallies


def counts(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Cells by experiment, for the JSON document."""
    return {
        name: {"cells": tally.requested, "computed": tally.computed, "failed": tally.failed}
        for name, tally in tallies.items()
    }
