"""Property: numbers change only together with the algorithm's version."""

import json

import pytest

from ntklora.sweeps.catalogue import all_experiments
from tests.experiments.fingerprint import STORED, agrees, compute, sampled_cells

FINGERPRINTS = json.loads(STORED.read_text())
MEND = "; if the change is meant, raise the experiment's version and run: python -m tests.experiments.fingerprint"


@pytest.mark.parametrize("stored", FINGERPRINTS, ids=lambda stored: f"{stored['experiment']}-{stored['cell']}")
def test_numbers_are_those_of_the_version(stored):
    experiment = all_experiments()[stored["experiment"]]
    assert experiment.version == stored["version"], "fingerprints are of another version" + MEND
    values = compute(experiment, stored["cell"])
    moved = [name for name in values if not agrees(values[name], stored["values"].get(name))]
    assert not moved, f"{experiment.name}: {moved} moved" + MEND


def test_every_experiment_has_its_fingerprints():
    for name, experiment in all_experiments().items():
        cells = [stored["cell"] for stored in FINGERPRINTS if stored["experiment"] == name]
        assert cells == sampled_cells(experiment), name + MEND
