"""Property: surveys and optima of an experiment computed side by side give its verdicts."""

import sys

import pytest

import ntklora as nl
from ntklora.sweeps import Profile
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.experiment import CellStatus
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.run_chunk import run_chunk


def rows(experiment):
    """The smallest profile's rows, of Gaussian instances where it has others too."""
    cells = [cell for cell in experiment.cells(Profile.smoke) if cell.get("family", "gaussian") == "gaussian"]
    return [
        row
        for group in plan_groups(experiment, cells, range(len(cells)))
        for chunk in group
        for row in run_chunk(experiment, chunk, Numerics())
    ]


NAMES = [name for name, each in all_experiments().items() if each.side_by_side]
LONG = {"landscape", "worst_case"}  # most of it compilation


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in NAMES]
)
def test_rows_side_by_side_are_those_of_cells_alone(name, accelerator, monkeypatch):
    experiment = all_experiments()[name]
    alone = rows(experiment)
    for value in vars(sys.modules[experiment.run.__module__]).values():
        if hasattr(value, "cache_clear"):  # what cells share is computed again
            value.cache_clear()
    calls = accelerator()
    monkeypatch.setattr("ntklora.sweeps.experiment.is_accelerated", lambda: True)
    together = rows(experiment)
    assert calls
    classes = {kind.value for kind in nl.Endpoint}
    counts = [column.name for column in experiment.columns if column.kind in (int, list[int])]
    for one, other in zip(alone, together, strict=True):
        assert other["status"] == CellStatus.ok
        assert [other[axis] for axis in experiment.axes] == [one[axis] for axis in experiment.axes]
        if one.get("primal") is not None:
            assert other["primal"] == pytest.approx(one["primal"], rel=1e-9)
        assert {name: one[name] for name in counts if name not in classes} == {
            name: other[name] for name in counts if name not in classes
        }
        # Rounding may send one start on a border elsewhere: one class less, another more.
        assert sum(abs(one[name] - other[name]) for name in classes & set(counts)) <= 2, (one, other)
