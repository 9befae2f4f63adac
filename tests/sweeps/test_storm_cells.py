"""Property: ten thousand cells over four dimensions run to the end, each once, and deciding that they have is quick."""

from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from ntklora.sweeps import CellStatus
from ntklora.sweeps.executors import Processes
from ntklora.sweeps.reference import find_experiment
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.lattice import GRID

REFERENCE = str(Path(__file__).with_name("lattice.py"))


@pytest.mark.storm
def test_ten_thousand_cells_in_four_dimensions(tmp_path):
    sweep = Sweep(find_experiment(REFERENCE), [GRID])
    store = Store(tmp_path / "lattice")
    assert run_sweeps([Request(sweep, REFERENCE, store)], Processes(2))["lattice"] == (10_000, 10_000, 100, False, 0)
    rows = store.rows(sweep)
    assert [row["key"] for row in rows] == list(sweep.keys)
    failed = np.array([row["status"] == CellStatus.error for row in rows]).reshape(10, 10, 10, 10)
    assert failed[3, 3].all()
    assert failed.sum() == 100
    sums = np.array([row["sum"] for row in rows], float).reshape(10, 10, 10, 10)
    digits = np.arange(10.0)
    expected = np.add.outer(np.add.outer(np.add.outer(digits, 10 * digits), 100 * 0.1 * digits), 1000 * digits)
    np.testing.assert_allclose(sums[~failed], expected[~failed], rtol=1e-14)
    start = perf_counter()
    again = run_sweeps([Request(sweep, REFERENCE, Store(tmp_path / "lattice"))], Processes(2))["lattice"]
    assert perf_counter() - start < 2.0
    assert again.computed == 0
