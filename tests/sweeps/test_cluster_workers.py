"""Property: Dask's workers give the rows of this process, keep a cell's limits, and may be lost."""

import os
import signal
import time

import psutil
import pytest

from ntklora.sweeps import CellStatus, Limits
from ntklora.sweeps.cluster import DaskCluster
from ntklora.sweeps.crew import WorkersFail
from ntklora.sweeps.executors import ThisProcess
from tests.sweeps.dask_cluster import dask_cluster
from tests.sweeps.test_executors_failures import order, rows_of, statuses


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        for _ in range(2):
            cluster.worker("--nanny")
        cluster.wait_for(2)
        yield cluster


def values(rows):
    return {key: row["value"] for key, row in rows.items()}


@pytest.mark.parametrize("name", ["one_by_one", "together"])
def test_two_workers_give_the_rows_of_this_process_bit_for_bit(cluster, name):
    grid = {"what": ["a", "b", "c"], "seed": range(6)}
    rows = rows_of(order(name, grid), DaskCluster(scheduler_file=cluster.file))
    assert values(rows) == values(rows_of(order(name, grid), ThisProcess()))
    assert len({row["process"] for row in rows.values()}) == 2


def test_limits_and_crashes_cost_a_cell_there_too(cluster):
    asked = order("mixed", {"what": ["ok", "exit", "sleep", "raise"], "seed": [0, 1]}, limits=Limits(seconds=2.0))
    rows = rows_of(asked, DaskCluster(scheduler_file=cluster.file))
    assert statuses(rows) == {
        "ok": {CellStatus.ok},
        "exit": {CellStatus.died},
        "sleep": {CellStatus.out_of_time},
        "raise": {CellStatus.error},
    }


def test_a_worker_that_is_killed_gives_its_chunk_to_another(cluster):
    extra = cluster.worker("--no-nanny", "--name", "doomed")
    asked = order("mixed", {"seed": range(24), "pause": 0.1})
    rows = []
    for _, row in DaskCluster(scheduler_file=cluster.file).run([asked], lambda: False):
        rows.append(row)
        if len(rows) == 4:
            os.kill(extra.pid, signal.SIGKILL)
    assert sorted(row["seed"] for row in rows) == list(range(24))
    assert {row["status"] for row in rows} == {CellStatus.ok}


def test_a_cell_that_keeps_killing_workers_is_found(cluster, monkeypatch):
    monkeypatch.setattr("ntklora.sweeps.cluster._LOSSES", 1)
    asked = order("mixed", {"what": ["ok"], "seed": range(3)}, {"what": ["lose"], "seed": 0})
    rows = rows_of(asked, DaskCluster(scheduler_file=cluster.file))
    assert statuses(rows) == {"ok": {CellStatus.ok}, "lose": {CellStatus.died}}
    assert rows["lose", 0]["reason"] == "1 Dask workers were lost while they computed it"


def test_stopping_lets_the_running_chunks_finish_and_starts_no_other(cluster):
    seen = []
    asked = order("mixed", {"seed": range(40), "pause": 0.02})
    for _, row in DaskCluster(scheduler_file=cluster.file).run([asked], lambda: bool(seen)):
        seen.append(row["seed"])
    first, second = set(range(4)), set(range(20, 24))  # chunks
    assert set(seen) in (first, second, first | second)
    assert len(seen) == len(set(seen))


def test_closing_ends_what_runs_there_at_once(cluster, tmp_path):
    log = tmp_path / "log"
    asked = order("one_by_one", {"what": ["ok", "sleep"], "seed": range(4), "log": str(log)})
    running = DaskCluster(scheduler_file=cluster.file).run([asked], lambda: False)
    next(running)
    while "sleep" not in log.read_text():
        time.sleep(0.05)
    (sleeping,) = (int(line.split()[2]) for line in log.read_text().splitlines() if line.startswith("sleep"))
    running.close()
    for _ in range(100):
        if not psutil.pid_exists(sleeping):
            return
        time.sleep(0.05)
    raise AssertionError("a cell goes on for nobody")


def test_a_scheduler_that_is_lost_is_said_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr("ntklora.sweeps.cluster._CONNECTING", 2.0)
    with dask_cluster(tmp_path / "dask") as alone:
        alone.worker("--no-nanny")
        running = DaskCluster(scheduler_file=alone.file).run([order("mixed", {"seed": range(40)})], lambda: False)
        assert next(running)
        alone.lose_scheduler()
        with pytest.raises(WorkersFail, match="the Dask scheduler is gone") as lost:
            list(running)
        assert "\n" not in str(lost.value)


def test_nobody_there_is_said_in_a_line(tmp_path, monkeypatch):
    monkeypatch.setattr("ntklora.sweeps.cluster._CONNECTING", 0.5)
    asked = order("mixed", {"seed": 0})
    with pytest.raises(ValueError, match="no Dask scheduler answers at"):
        rows_of(asked, DaskCluster("tcp://127.0.0.1:9"))
    with pytest.raises(ValueError, match="no Dask scheduler has written this file"):
        rows_of(asked, DaskCluster(scheduler_file=tmp_path / "none.json"))
