"""Fingerprints of stored numbers: a few cells of each experiment, as computed by the version that is in the code.

    python -m tests.experiments.fingerprint      recomputes them all and writes fingerprints.json

A test recomputes the same cells and fails when numbers moved without a new algorithm version.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

from ntklora.environment import prepare_environment
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.chunk import Chunk
from ntklora.sweeps.experiment import CellStatus, Experiment
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.run_chunk import run_chunk

STORED = Path(__file__).with_name("fingerprints.json")
# The same code on another machine adds in another order; a change of the mathematics moves more than this.
RELATIVE = 1e-6
# Gaps and errors of rounding size have no digits that a machine must repeat.
ABSOLUTE = 1e-9


def sampled_cells(experiment: Experiment) -> list[dict]:
    """The first and the last cell of the smoke profile: for every experiment two different branches of its grid."""
    cells = experiment.cells(Profile.smoke)
    return [dict(cells[0]), dict(cells[-1])]


def compute(experiment: Experiment, cell: dict) -> dict:
    """The measured columns of one cell."""
    (row,) = run_chunk(experiment, Chunk((cell,)), Numerics())
    assert row["status"] == CellStatus.ok, row["reason"]
    return {column.name: row[column.name] for column in experiment.columns}


def agrees(value, stored) -> bool:
    """Equal up to rounding: floats to `RELATIVE` or `ABSOLUTE`, everything else exactly."""
    if isinstance(value, list):
        return len(value) == len(stored) and all(map(agrees, value, stored))
    if isinstance(value, float) and stored is not None:
        return math.isclose(value, stored, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return value == stored


def main() -> None:
    """Write the fingerprints of every experiment."""
    prepare_environment()
    import jax

    jax.config.update("jax_enable_x64", True)
    stored = [
        {"experiment": name, "version": experiment.version, "cell": cell, "values": compute(experiment, cell)}
        for name, experiment in all_experiments().items()
        for cell in sampled_cells(experiment)
    ]
    STORED.write_text("[\n" + ",\n".join(json.dumps(record) for record in stored) + "\n]\n")


if __name__ == "__main__":
    main()
