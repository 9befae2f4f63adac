"""Benchmark: deciding what is stored, and `sweep status`, stay quick in large folders. `pytest -s -m benchmark`.

Prints seconds; the limits are those promised for two cores.
"""

import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest

from ntklora.sweeps.executors import Processes
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store
from ntklora.sweeps.store.shard import SCHEMA, Header, table_of, write_shard
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.shelf import experiment, rows_of, sweep

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; sys.path.insert(0, sys.argv.pop(1)); from ntklora.cli.main import main; sys.exit(main())"

pytestmark = pytest.mark.benchmark


def large(folder, cells):
    """A folder with that many cells in shards of eight, written without a runner."""
    asked = sweep(
        width=range(2, 12), wood=("ash", "oak"), slope=(0.1, 0.2), oiled=(False, True), seed=range(cells // 80)
    )
    store = Store(folder)
    store.claim(asked, "gone.py:experiment")
    (model,) = rows_of(asked, [0])
    header = Header(SCHEMA, "shelf", 1, 1)
    for start in range(0, len(asked.cells), 8):
        places = range(start, start + 8)
        rows = [{**model, **asked.cells[place], "key": asked.keys[place]} for place in places]
        write_shard(folder / "shards", header, table_of(experiment, rows))
    return asked


def seconds(what, work):
    """The least of three: another process may hold the core."""
    taken = []
    for _ in range(3):
        start = perf_counter()
        result = work()
        taken.append(perf_counter() - start)
    print(f"{what}: {min(taken):.2f} s")
    return min(taken), result


@pytest.fixture(autouse=True)
def unflushed(monkeypatch):
    """The folders are made without waiting for the disk."""
    monkeypatch.setattr("ntklora.atomic.os.fsync", lambda descriptor: None)


def test_a_hundred_thousand_cells_are_decided_within_two_seconds(tmp_path):
    asked, folder = large(tmp_path / "shelf", 100_000), tmp_path / "shelf"
    start = perf_counter()
    Store(folder).look()
    print(f"12,500 shards read without an index: {perf_counter() - start:.2f} s")

    def decide():
        """A run that finds nothing to do: claim, cells, keys, index, what is missing, the tally."""
        request = Request(Sweep(experiment, asked.grids), "gone.py:experiment", Store(folder))
        return run_sweeps([request], Processes(1), retry_failed=True)

    taken, tallies = seconds("100,000 cells decided", decide)
    assert tallies["shelf"] == (100_000, 0, 0, False, 0)
    assert taken < 2


def test_the_status_of_ten_thousand_cells_takes_two_seconds_with_pythons_start(tmp_path):
    large(tmp_path / "shelf", 10_000)
    Store(tmp_path / "shelf").look()
    command = [sys.executable, "-c", PROGRAM, str(ROOT), "sweep", "status", str(tmp_path / "shelf"), "--json"]
    title = "sweep status of 10,000 cells with Python's start"
    taken, done = seconds(title, lambda: subprocess.run(command, capture_output=True, text=True))
    assert done.returncode == 0, done.stderr
    assert taken < 2
