"""Property: cells computed side by side give the rows of cells computed one after the other."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Lock
from time import sleep

import pytest

from ntklora.shared import shared
from ntklora.sweeps import CellStatus, Profile
from ntklora.sweeps.numerics import Numerics
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


def test_a_shared_value_is_computed_once_by_threads_that_ask_at_once():
    computed, counting = [], Lock()

    @shared(maxsize=2)
    def slow(x, *, y=0):
        with counting:
            computed.append((x, y))
        sleep(0.1)
        return x + y

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(slow, x, y=10) for x in (1, 2, 1, 2, 1, 2)]
        assert [answer.result() for answer in answers] == [11, 12] * 3
    assert sorted(computed) == [(1, 10), (2, 10)]
    assert slow(3) == 3  # the oldest makes room
    assert slow(1, y=10) == 11
    assert sorted(computed) == [(1, 10), (1, 10), (2, 10), (3, 0)]
    slow.cache_clear()
    assert slow(3) == 3
    assert computed.count((3, 0)) == 2


def test_an_exception_is_not_shared():
    calls = []

    @shared(maxsize=1)
    def falls_once():
        calls.append(None)
        if len(calls) == 1:
            raise RuntimeError("fell")
        return len(calls)

    with pytest.raises(RuntimeError, match="fell"):
        falls_once()
    assert falls_once() == falls_once() == 2
