"""Property: keys made from pieces are the documented hash of the documented JSON, cell by cell."""

import json
from dataclasses import dataclass
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from ntklora.sweeps import Column, Experiment
from ntklora.sweeps.keys import keys_of
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.sweep import Sweep


@dataclass(frozen=True)
class Anything:
    wood: str
    rungs: int
    slope: float
    oiled: bool


def documented(experiment, version, cell, numerics):
    content = {"cell": cell, "experiment": experiment, "version": version}
    content |= {"precision": numerics.precision, "prng": numerics.prng}
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


CELLS = st.lists(
    st.fixed_dictionaries(
        {
            "wood": st.text(),
            "rungs": st.integers(),
            "slope": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0]),
            "oiled": st.booleans(),
        }
    )
)


@given(CELLS, st.text(), st.integers(), st.builds(Numerics, st.text(), st.text()))
def test_a_key_is_the_hash_of_the_sorted_json(cells, experiment, version, numerics):
    expected = tuple(documented(experiment, version, cell, numerics) for cell in cells)
    assert keys_of(experiment, version, cells, numerics) == expected


def test_a_sweep_and_its_experiment_give_the_same_keys():
    columns = (Column("height", float, "metres"),)
    experiment = Experiment("any", 3, "?", Anything, columns, {}, lambda anything: {"height": 1.0})
    grid = {"wood": ("ash", "ö\"\\'\n"), "rungs": range(3), "slope": (0, 0.5, -1e-300), "oiled": (True, False)}
    sweep = Sweep(experiment, (grid, {**grid, "slope": -0.0}))
    assert sweep.keys == tuple(experiment.key(cell, sweep.numerics) for cell in sweep.cells)
    assert sweep.keys == tuple(documented("any", 3, cell, sweep.numerics) for cell in sweep.cells)
    assert len(set(sweep.keys)) == len(sweep.keys)
