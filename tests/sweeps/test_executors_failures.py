"""Property: whatever happens to a cell in a worker process, that cell alone gets a row that says so; the rest go on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ntklora.sweeps import CellStatus, Limits
from ntklora.sweeps.agenda import Order
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.crew import WorkersFail
from ntklora.sweeps.executors import Processes, ThisProcess
from ntklora.sweeps.reference import find_experiment
from ntklora.sweeps.sweep import Sweep

ROOT = Path(__file__).parents[2]


def order(name, *grids, limits=None):
    reference = f"tests.sweeps.trials:{name}"
    experiment = find_experiment(reference)
    sweep = Sweep(experiment, grids)
    groups = plan_groups(experiment, sweep.cells, range(len(sweep.cells)))
    return Order(sweep, reference, limits or experiment.limits, groups)


def rows_of(asked, executor):
    """By name and seed; every cell once."""
    rows = [row for _, row in executor.run([asked], lambda: False)]
    found = {(row["what"], row["seed"]): row for row in rows}
    assert len(found) == len(rows) == len(asked.sweep.cells)
    return found


def statuses(rows):
    return {name: {row["status"] for (what, _), row in rows.items() if what == name} for name in {w for w, _ in rows}}


EXPECTED = {
    "raise": (CellStatus.error, "RuntimeError: as asked"),
    "nan": (CellStatus.nan, "NaN in value"),
    "exit": (CellStatus.died, "the process that computed it ended (exit code 9)"),
    "sleep": (CellStatus.out_of_time, "took longer than 2 s"),
    "hog": (CellStatus.out_of_memory, "over the limit of 0.15 GiB"),
}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_cell_is_a_row_and_its_neighbours_are_computed(jobs):
    bad = order(
        "mixed",
        {"what": ["ok", *EXPECTED, "ok"], "seed": 0},
        {"what": ["ok"], "seed": range(1, 6)},
        limits=Limits(seconds=2.0, memory=0.15),
    )
    rows = rows_of(bad, Processes(jobs))
    for (what, _), row in rows.items():
        status, reason = EXPECTED.get(what, (CellStatus.ok, None))
        assert row["status"] == status, row
        assert row["reason"] is None if reason is None else reason in row["reason"]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("given", [None, "3"])
def test_a_process_has_one_thread_unless_another_number_is_given(given, jobs, monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")  # with an accelerator there is one process for all cores
    monkeypatch.delenv("NPROC", raising=False)
    if given:
        monkeypatch.setenv("NPROC", given)
    rows = rows_of(order("one_by_one", {"what": ["threads"], "seed": range(8)}), Processes(jobs))
    assert {row["value"] for row in rows.values()} == {float(given or 1)}


def test_cells_computed_together_are_halved_down_to_the_bad_one(tmp_path):
    bad = order("together", {"what": ["ok"], "seed": range(6)}, {"what": ["exit"], "seed": 9}, {"seed": [20, 21, 22]})
    rows = rows_of(bad, Processes(1))
    assert statuses(rows) == {"ok": {CellStatus.ok}, "exit": {CellStatus.died}}
    unharmed = rows_of(order("together", {"seed": [0, 1, 2, 3]}), ThisProcess())
    for key, row in unharmed.items():
        assert row["value"] == rows[key]["value"]


def test_cells_computed_together_have_the_time_of_all_of_them():
    slow = order("together", {"seed": range(4), "pause": 0.6}, limits=Limits(seconds=2.0))
    assert statuses(rows_of(slow, Processes(1))) == {"ok": {CellStatus.ok}}


def test_a_crash_that_others_caused_is_not_the_cells(tmp_path):
    """It is tried again in a process of its own, where it does well."""
    rows = rows_of(order("mixed", {"what": ["ok", "second"], "seed": [0, 1]}), Processes(1))
    assert statuses(rows) == {"ok": {CellStatus.ok}, "second": {CellStatus.ok}}
    assert len({rows["second", seed]["process"] for seed in (0, 1)} | {rows["ok", 1]["process"]}) == 3


def test_a_worker_that_is_killed_costs_nothing(tmp_path):
    log = tmp_path / "log"
    asked = order("mixed", {"seed": range(8), "pause": 0.05, "log": str(log)})
    killed = set()
    rows = []
    for _, row in Processes(1).run([asked], lambda: False):
        rows.append(row)
        if row["seed"] in (1, 5):
            killed.add(row["process"])
            os.kill(row["process"], signal.SIGKILL)
    assert sorted(row["seed"] for row in rows) == list(range(8))
    assert {row["status"] for row in rows} == {CellStatus.ok}
    assert len(killed) == 2


def test_a_group_stays_with_its_process_while_there_are_others():
    asked = order("one_by_one", {"what": ["a", "b", "c", "d"], "seed": range(8), "pause": 0.01})
    rows = rows_of(asked, Processes(2))
    processes = {what: {row["process"] for (w, _), row in rows.items() if w == what} for what in "abcd"}
    assert len(set.union(*processes.values())) == 2
    assert sum(len(each) > 1 for each in processes.values()) <= 1  # the last one may be shared


def test_an_experiment_that_cannot_be_loaded_is_refused_in_a_line():
    asked = order("one_by_one", {"seed": 0})._replace(reference="tests.sweeps.trials:nothing")
    with pytest.raises(ValueError, match="trials:nothing must name an Experiment"):
        rows_of(asked, Processes(1))


def test_workers_that_end_as_they_start_are_an_error_not_a_loop(tmp_path):
    (tmp_path / "falls.py").write_text("import os\nos._exit(3)\n")
    asked = order("one_by_one", {"seed": 0})._replace(reference=str(tmp_path / "falls.py"))
    with pytest.raises(WorkersFail, match="exit code 3"):
        rows_of(asked, Processes(1))


def test_stopping_lets_the_running_chunks_finish_and_starts_no_other():
    asked = order("mixed", {"seed": range(40), "pause": 0.02})
    seen = []
    for _, row in Processes(2).run([asked], lambda: bool(seen)):
        seen.append(row["seed"])
    # The first chunk of the front half, of the rear half (the second process may be the first to start), or both.
    assert sorted(seen) in ([*range(4)], [*range(20, 24)], [*range(4), *range(20, 24)])


def test_closing_ends_the_processes_at_once():
    running = Processes(2).run([order("mixed", {"what": ["ok", "sleep"], "seed": [0, 1]})], lambda: False)
    _, row = next(running)
    start = time.monotonic()
    running.close()
    assert time.monotonic() - start < 5
    assert not psutil.pid_exists(row["process"])


ORPHANS = """
from tests.sweeps.test_executors_failures import order
from ntklora.sweeps.executors import Processes
for _, row in Processes(2).run([order("mixed", {"what": ["ok", "sleep"], "seed": [0, 1]})], lambda: False):
    print(row["process"], flush=True)
"""


def test_a_worker_whose_runner_is_killed_ends_by_itself_though_a_cell_runs():
    runner = subprocess.Popen([sys.executable, "-c", ORPHANS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    worker = int(runner.stdout.readline())
    children = psutil.Process(runner.pid).children()
    assert worker in {child.pid for child in children}
    runner.kill()
    runner.communicate()
    assert not psutil.wait_procs(children, timeout=5)[1]


def test_the_runner_and_a_worker_need_no_jax_for_an_experiment_without():
    code = """
import sys
from tests.sweeps.test_executors_failures import order
from ntklora.sweeps.executors import Processes
executor = Processes(1)
assert len(list(executor.run([order("mixed", {"seed": range(3)})], lambda: False))) == 3
assert "platform" not in executor.device(), executor.device()
assert "jax" not in sys.modules
assert len(list(executor.run([order("together", {"seed": range(3)})], lambda: False))) == 3
assert executor.device()["platform"], executor.device()
assert "jax" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
