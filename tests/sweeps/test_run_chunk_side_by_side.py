"""Property: cells computed side by side give the rows of cells computed one after the other."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from time import monotonic, perf_counter, sleep
from types import SimpleNamespace

import pytest

from ntklora.sweeps import CellStatus, Profile
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.run_chunk import run_chunk
from ntklora.sweeps.worker_process import WorkerProcess
from tests.sweeps.descent import rows_of
from tests.sweeps.ladder import ladder

NUMERICS = Numerics()


@pytest.fixture
def accelerated(monkeypatch):
    monkeypatch.setattr("ntklora.sweeps.experiment.is_accelerated", lambda: True)


def threaded(jobs):
    with ThreadPoolExecutor(4) as pool:
        yield from [answer.result() for answer in [pool.submit(job) for job in jobs]]


def measured(described):
    cells = described.cells(Profile.smoke)
    return list(rows_of(described, cells, range(len(cells)), NUMERICS).values())


def test_rows_are_the_same_and_cells_run_at_once(accelerated, tmp_path):
    meeting = Barrier(2)
    plain = ladder(tmp_path / "log", (2, 3))

    def meet(cell):
        meeting.wait(60)  # one after the other, the first cell would wait for ever
        return plain.run(cell)

    together = replace(plain, run=meet, side_by_side=threaded)
    assert together.at_once
    assert measured(together) == measured(plain)


def test_what_goes_wrong_stays_in_its_row(accelerated, tmp_path):
    described = replace(ladder(tmp_path / "log", (2, 7, 13)), shape=lambda cell: (), chunk=6, side_by_side=threaded)
    rows = measured(described)
    assert [row["status"] for row in rows] == [CellStatus.ok] * 2 + [CellStatus.error] * 2 + [CellStatus.nan] * 2
    assert "seven rungs" in rows[2]["reason"]


def test_on_a_processor_cells_run_one_after_the_other(tmp_path):
    plain = ladder(tmp_path / "log", (2, 3))

    def refuse(jobs):
        raise AssertionError("there is no accelerator")

    alone = replace(plain, side_by_side=refuse)
    assert not alone.at_once
    assert measured(alone) == measured(plain)


def test_seconds_of_cells_that_overlap_add_up_to_the_chunks(accelerated, tmp_path):
    plain = ladder(tmp_path / "log", (2, 3), chunk=4)

    def slow(cell):
        sleep(0.5)
        return plain.run(cell)

    described = replace(plain, run=slow, shape=lambda cell: (), side_by_side=threaded)
    cells = described.cells(Profile.smoke)
    (group,) = plan_groups(described, cells, range(len(cells)))
    began = perf_counter()
    rows = [row for chunk in group for row in run_chunk(described, chunk, NUMERICS)]
    assert len(rows) == 4
    assert 0.5 <= sum(row["seconds"] for row in rows) <= perf_counter() - began


def test_cells_that_overlap_have_the_time_of_all_that_are_left(accelerated, tmp_path):
    described = replace(ladder(tmp_path / "log"), side_by_side=threaded)
    worker = object.__new__(WorkerProcess)  # without the process
    worker.part = SimpleNamespace(chunk=SimpleNamespace(cells=(None,) * 4))
    worker.order = SimpleNamespace(limits=Limits(seconds=1.0), sweep=SimpleNamespace(experiment=described))
    worker.connection = SimpleNamespace(poll=lambda: False)
    worker._since = monotonic() - 1.5
    worker.num_done = 2
    assert worker.excess() is None
    worker.num_done = 3
    assert worker.excess().status is CellStatus.out_of_time
