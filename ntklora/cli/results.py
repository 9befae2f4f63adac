"""What `reproduce` and `figures` share: the folder of results, and computing what it lacks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ntklora.cli.answer import Mistake
from ntklora.sweeps.experiment import Experiment
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.provenance import command_line
from ntklora.sweeps.runner import Tally, run_experiment
from ntklora.sweeps.store import Store


def open_store(out: Path | None, profile: Profile) -> Store:
    """The folder of results, made if missing; one that cannot be written is a mistake found before the work."""
    folder = out if out is not None else Path("results") / profile
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"{folder}: cannot be made ({error.strerror}); pass another --out") from error
    if not os.access(folder, os.W_OK):
        raise Mistake(f"{folder}: cannot be written; pass another --out")
    return Store(folder)


def compute(
    experiments: Sequence[Experiment], profile: Profile, store: Store, *, force: bool = False
) -> dict[str, Tally]:
    """Run what is missing of each experiment, failed cells included; Ctrl-C ends with the command that goes on."""
    tallies: dict[str, Tally] = {}
    try:
        for experiment in experiments:
            cells = experiment.cells(profile)
            tallies[experiment.name] = run_experiment(experiment, cells, store, force=force, retry_failed=True)
            if tallies[experiment.name].interrupted:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"finished cells are kept; to go on: {command_line()}") from None
    return tallies


def counts(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Cells by experiment, for the JSON document."""
    return {
        name: {"cells": tally.requested, "computed": tally.computed, "failed": tally.failed}
        for name, tally in tallies.items()
    }
