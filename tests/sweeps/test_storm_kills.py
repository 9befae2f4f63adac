"""Property: kill -9 at any moment costs no finished chunk: resumed, the store has an unbroken run's rows, each once."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from ntklora.sweeps.executors import Processes
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store
from tests.sweeps.dask_cluster import dask_cluster
from tests.sweeps.storming import PIECES, SLOWLY, storm_sweep

ROOT = Path(__file__).parents[2]
CELLS = 160  # in chunks of 4: a second's work
MANY = pytest.param(50, marks=pytest.mark.storm)
PROVENANCE = ("seconds", "date", "revision", "process")


class Storm:
    """A sweep under kills: its folder, and a check that what was stored is never computed again."""

    def __init__(self, folder, cells=CELLS):
        self.folder, self.cells = folder, cells
        folder.mkdir()
        self.store, self.log = Store(folder / "trials"), folder / "log"
        self.sweep = storm_sweep(self.log, cells)
        self.read = 0  # of the log
        self.before = {}  # stored at that time

    def start(self, *options, **pipes):
        """The runner, as a process."""
        command = [sys.executable, "-m", "tests.sweeps.storming", self.store.folder, self.log, self.cells, *options]
        with (self.folder / "said").open("a") as said:
            return subprocess.Popen([*map(str, command)], cwd=ROOT, stderr=said, text=True, **pipes)

    def computed_since(self):
        """Keys of the cells whose computation began since this was last asked."""
        text = self.log.read_text() if self.log.exists() else ""
        new, self.read = text[self.read :], len(text)
        place = {(cell["what"], cell["seed"]): i for i, cell in enumerate(self.sweep.cells)}
        return [self.sweep.keys[place[what, int(seed)]] for what, seed, _ in map(str.split, new.splitlines())]

    def said(self):
        """What the runners have said last."""
        return (self.folder / "said").read_text()[-3000:]

    def check(self):
        """What was stored at the last check has not been computed since."""
        again = set(self.before) & set(self.computed_since())
        assert not again, f"{len(again)} stored cells were computed again"
        self.before = self.store.statuses()

    def finish(self, *options):
        """Let it run to the end, unless it is there, and compare with an unbroken run."""
        runner = self.start(*options, stdout=subprocess.DEVNULL)
        assert runner.wait(timeout=120) == 0, self.said()
        self.check()
        keys = [key for path in (self.store.folder / "shards").glob("[!.]*.parquet") for key in keys_in(path)]
        assert sorted(keys) == sorted(self.sweep.keys), "a cell is lost or doubled"
        unbroken = Store(self.folder / "unbroken")
        run_sweeps([Request(self.sweep, "tests.sweeps.trials:one_by_one", unbroken)], Processes(2))
        assert numbers(self.store.rows(self.sweep)) == numbers(unbroken.rows(self.sweep))
        assert not (self.store.folder / "set_aside").exists()


def keys_in(path):
    return pq.read_table(path, columns=["key"], partitioning=None)["key"].to_pylist()


def numbers(rows):
    return [{name: value for name, value in row.items() if name not in PROVENANCE} for row in rows]


def kill(runner):
    """Kill -9, and wait for the workers to notice; whether it was still running."""
    if runner.poll() is not None:
        return False
    try:
        children = psutil.Process(runner.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return False
    runner.kill()
    runner.wait()
    assert not psutil.wait_procs(children, timeout=20)[1], "workers outlive their runner"
    return runner.returncode == -signal.SIGKILL


@pytest.mark.parametrize("kills", [3, MANY])
def test_the_runner_is_killed(tmp_path, kills):
    moments = random.Random(kills)
    storm, done, sweeps = Storm(tmp_path / "0"), 0, 1
    while done < kills:
        runner = storm.start(stdout=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.2, 1.6))  # the sweep takes about 1.5 s with its start
        done += kill(runner)
        storm.check()
        if runner.returncode == 0:
            storm.finish()
            storm, sweeps = Storm(tmp_path / str(sweeps)), sweeps + 1
    storm.finish()


@pytest.mark.parametrize("kills", [3, MANY])
def test_the_runner_is_killed_while_it_writes_a_shard(tmp_path, kills):
    moments = random.Random(kills)
    storm, done, cut, sweeps = Storm(tmp_path / "0", 80), 0, 0, 1
    while done < kills:
        runner = storm.start("--slow", stdout=subprocess.PIPE)
        for _ in range(moments.randint(1, 4)):
            runner.stdout.readline()
        time.sleep(moments.uniform(0, 1.1 * PIECES * SLOWLY))
        done += kill(runner)
        runner.stdout.close()
        left = [path for path in (storm.store.folder / "shards").glob(".*") if path.name.endswith(".parquet")]
        cut = cut + len(left)
        for path in left:
            path.unlink()  # counted
        storm.check()
        assert runner.returncode in (0, -signal.SIGKILL), storm.said()
        if runner.returncode == 0:
            storm.finish()
            storm, sweeps = Storm(tmp_path / str(sweeps), 80), sweeps + 1
    storm.finish()
    assert cut >= kills // 2, f"{cut} of {kills} kills met the writing"


@pytest.mark.parametrize("kills", [3, MANY])
def test_dasks_workers_are_killed(tmp_path, kills):
    moments = random.Random(kills)
    storm, sweeps = Storm(tmp_path / "0", 240), 1
    with dask_cluster(tmp_path / "dask") as cluster:
        workers = [cluster.worker("--no-nanny") for _ in range(3)]
        options = ("--scheduler", cluster.file)
        runner = storm.start(*options, stdout=subprocess.DEVNULL)
        for _ in range(kills):
            while not storm.log.exists() and runner.poll() is None:  # the cluster is starting
                time.sleep(0.05)
            time.sleep(moments.uniform(0.1, 0.8))
            if runner.poll() is not None:
                assert runner.returncode == 0, storm.said()
                storm.finish(*options)
                storm, sweeps = Storm(tmp_path / str(sweeps), 240), sweeps + 1
                runner = storm.start(*options, stdout=subprocess.DEVNULL)
            storm.check()
            victim = workers.pop(moments.randrange(len(workers)))
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            workers.append(cluster.worker("--no-nanny"))
        assert runner.wait(timeout=120) == 0, storm.said()
        storm.finish(*options)
