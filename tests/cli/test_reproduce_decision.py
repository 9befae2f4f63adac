"""Property: when nothing is missing, `reproduce` knows that in less than two seconds, and starts no process."""

import json
import subprocess
import sys

from ntklora.claims.experiment import claims_experiment
from ntklora.cli.results import reference_of
from ntklora.sweeps import CellStatus, Profile
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.row import failed_row
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.cli.run import ROOT

DECIDE = """
import json, sys
from pathlib import Path
from time import process_time
from ntklora.cli.main import prepare_environment
from ntklora.cli import reproduce, results
from ntklora.sweeps import executors
from ntklora.sweeps.profile import Profile

def refuse(*arguments):
    raise AssertionError("a process is started")

executors.Crew = refuse
prepare_environment()
experiments = [reproduce.claims_experiment(), *reproduce.all_experiments().values()]
tallies = results.compute(experiments, Profile.default, Path(sys.argv[1]), jobs=2)
print(json.dumps({"seconds": process_time(), "tallies": tallies}))
"""


def test_nothing_is_missing_is_known_in_two_seconds(tmp_path):
    asked = 0
    for experiment in [claims_experiment(), *all_experiments().values()]:
        sweep, store = Sweep.of_profile(experiment, Profile.default), Store(tmp_path / experiment.name)
        store.claim(sweep, reference_of(experiment))
        rows = [failed_row(experiment, cell, sweep.numerics, "", status=CellStatus.ok) for cell in sweep.cells]
        for start in range(0, len(rows), experiment.chunk):
            store.write(experiment, rows[start : start + experiment.chunk])
        asked += len(rows)
    done = subprocess.run(
        [sys.executable, "-c", DECIDE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    decision = json.loads(done.stdout)
    assert sum(requested for requested, *_ in decision["tallies"].values()) == asked
    assert all(rest == [0, 0, False, 0] for _, *rest in decision["tallies"].values())
    assert decision["seconds"] < 2.0  # of the processor: others may share it
