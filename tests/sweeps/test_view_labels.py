"""Property: the labelled view holds every row at its coordinates and loses none: missing and failed ones are marked."""

import numpy as np

from ntklora.sweeps import CellStatus, Profile
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.runner import run_experiment
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.ladder import ladder


def test_every_row_stands_at_its_coordinates(tmp_path):
    experiment = ladder(tmp_path / "log", rungs=(2, 7, 3))
    cells = experiment.cells(Profile.smoke)
    store = Store(tmp_path / "ladder")
    run_experiment(experiment, cells[:5], store)
    store.claim(Sweep(experiment, cells), "ladder", extend=True)
    rows = store.rows(Sweep(experiment, cells))
    view = store.to_xarray()
    assert dict(view.sizes) == {"rungs": 3, "seed": 2, "log": 1, "steps_index": 3}
    for row in rows[:2]:
        here = view.sel(rungs=row["rungs"], seed=row["seed"]).isel(log=0)
        assert float(here.height) == row["height"]
        np.testing.assert_array_equal(here.steps, [*row["steps"], np.nan])
        assert int(here.status) == CellStatus.ok
    assert (view.status.sel(rungs=7) == CellStatus.error).all()
    assert (view.status.sel(rungs=3, seed=1) == CellStatus.missing).all()
    assert np.isnan(view.height.sel(rungs=[7])).all()
    assert np.isnan(view.height.sel(rungs=3, seed=1)).all()
    assert view.attrs == {"experiment": "ladder", "version": 1, **Numerics()._asdict()}
