"""Property: training curves are the same, bit for bit, on one device and on several."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from ntklora.environment import prepare_environment
prepare_environment()
import jax
jax.config.update("jax_enable_x64", True)
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import cells_of
from tests.sweeps.descent import rows_of
experiment = all_experiments()["training_curves"]
common = {"network": ("mlp", "cnn"), "labels": ("true", "random"), "num_samples": 8, "num_steps": 200}
cells = cells_of(experiment.parameters, ({**common, "rank": (1, 3, 7)}, {**common, "method": "full", "rank": 0}))
json.dump(rows_of(experiment, cells, range(len(cells)), Numerics(sys.argv[1])), sys.stdout)
"""


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_same_curves_on_one_device_and_on_four(precision):
    found = []
    for count in (1, 4):
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
        environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", PROGRAM, precision]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert len(found[0]) == 16
    assert all(row["status"] == 0 for row in found[0].values())
    assert found[0] == found[1]
