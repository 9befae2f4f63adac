"""Property: worker processes and pieces store what one process does, and keep what is done when they are stopped."""

import os
import shutil

import pytest

from ntklora.sweeps import CellStatus, Limits, Profile
from ntklora.sweeps.chunk import Shard
from ntklora.sweeps.executors import Processes, ThisProcess
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.ladder import REFERENCE, ladder
from tests.sweeps.trials import experiment as trials
from tests.sweeps.trials import together

PROVENANCE = ("seconds", "date", "revision")
GRID = {"what": ["a", "b", "c"], "seed": range(7)}


def numbers(rows):
    return [{name: value for name, value in row.items() if name not in (*PROVENANCE, "process")} for row in rows]


def run(experiment, store, executor, **options):
    sweep = Sweep.of_profile(experiment, Profile.smoke)
    tally = run_sweeps([Request(sweep, REFERENCE, store)], executor, **options)["ladder"]
    return tally, store.rows(sweep)


def test_the_same_rows_whatever_the_number_of_processes(tmp_path):
    experiment = ladder(tmp_path / "log", rungs=(2, 7, 3, 5))
    tally, rows = run(experiment, Store(tmp_path / "two"), Processes(2))
    assert tally == (8, 8, 2, False, 0)
    assert len((tmp_path / "log").read_text().splitlines()) == 8
    _, alone = run(experiment, Store(tmp_path / "one"), ThisProcess())
    assert numbers(rows) == numbers(alone)


def test_a_process_that_dies_costs_its_cell_only(tmp_path):
    tally, rows = run(ladder(tmp_path / "log", rungs=(17, 2, 3)), Store(tmp_path / "ladder"), Processes(2))
    assert tally == (6, 6, 2, False, 0)
    assert [row["status"] for row in rows] == [CellStatus.died] * 2 + [CellStatus.ok] * 4
    assert rows[0]["reason"] == "the process that computed it ended (exit code 9)"


def test_one_ctrl_c_stores_the_running_chunks_and_the_next_run_goes_on(tmp_path):
    experiment = ladder(tmp_path / "log", rungs=(19, 2, 3, 5, 6, 8, 9, 10, 11), chunk=1)
    store = Store(tmp_path / "ladder")
    tally, rows = run(experiment, store, Processes(1))
    assert tally.interrupted
    assert tally.computed == len(rows) == 1
    rest = Sweep(experiment, [cell for cell in experiment.cells(Profile.smoke) if cell["rungs"] != 19])
    tally = run_sweeps([Request(rest, REFERENCE, store)], Processes(2), extend=True)["ladder"]
    assert not tally.interrupted
    assert len(store.rows(rest)) == tally.computed == 16


def trial_request(folder, *grids):
    return Request(Sweep(trials, grids), "tests.sweeps.trials:one_by_one", Store(folder))


def test_a_second_ctrl_c_stops_at_once_and_stores_the_finished_cells_of_a_chunk(tmp_path):
    request = trial_request(tmp_path / "trials", {"what": ["interrupt"], "seed": range(4)})
    with pytest.raises(KeyboardInterrupt):
        run_sweeps([request], Processes(1))
    rows = request.store.rows(request.sweep)
    assert [row["seed"] for row in rows] == [0, 1]
    assert request.store.missing(request.sweep) == [2, 3]


@pytest.mark.parametrize("name", ["one_by_one", "together"])
def test_pieces_and_a_resumed_run_give_the_rows_of_an_unbroken_one_bit_for_bit(tmp_path, name):
    request = trial_request(tmp_path / "whole", GRID)
    if name == "together":
        request = Request(Sweep(together(), [GRID]), "tests.sweeps.trials:together", Store(tmp_path / "whole"))
    jobs = 2 if name == "one_by_one" else 1
    (tally,) = run_sweeps([request], Processes(jobs)).values()
    assert tally == (21, 21, 0, False, 0)
    expected = numbers(request.store.rows(request.sweep))
    pieces, resumed = (request._replace(store=Store(tmp_path / each)) for each in ("pieces", "resumed"))
    (second,) = run_sweeps([pieces], Processes(1), shard=Shard(2, 2)).values()
    shutil.copytree(pieces.store.folder, resumed.store.folder)
    (first,) = run_sweeps([pieces], Processes(1), shard=Shard(1, 2)).values()
    assert first.requested == first.computed == 21 - second.computed
    assert abs(first.computed - second.computed) <= trials.chunk
    assert numbers(pieces.store.rows(request.sweep)) == expected
    (tally,) = run_sweeps([resumed], Processes(jobs)).values()
    assert tally.computed == first.computed
    assert numbers(resumed.store.rows(request.sweep)) == expected


def test_a_runs_limits_take_the_place_of_the_experiments(tmp_path):
    request = trial_request(tmp_path / "trials", {"what": ["ok", "sleep"], "seed": 0})
    tally = run_sweeps([request], Processes(2), limits=Limits(seconds=2.0))["trials"]
    assert tally.failed == 1
    assert not tally.whole
    assert [row["status"] for row in request.store.rows(request.sweep)] == [CellStatus.ok, CellStatus.out_of_time]


def test_nothing_missing_starts_no_process_and_writes_no_run(tmp_path):
    request = trial_request(tmp_path / "trials", {"seed": range(3)})
    run_sweeps([request], Processes(1))

    class Nobody:
        def run(self, orders, stopping):
            raise AssertionError("asked to compute")

    assert run_sweeps([request], Nobody())["trials"] == (3, 0, 0, False, 0)
    (entry,) = request.store.runs()
    assert entry["computed"] == entry["asked"] == 3
    assert set(entry["device"]) == {"processor", "threads", "blas_threads"}  # no JAX


def test_two_runners_on_one_folder_are_one_too_many(tmp_path):
    request = trial_request(tmp_path / "trials", {"seed": range(3)})

    class Meanwhile(Processes):
        def run(self, orders, stopping):
            with pytest.raises(ValueError, match=f"another run computes here .process {os.getpid()}") as refused:
                run_sweeps([request], Processes(1))
            assert "\n" not in str(refused.value)
            return super().run(orders, stopping)

    assert run_sweeps([request], Meanwhile(1))["trials"].whole


def test_another_writers_other_numbers_are_set_aside_and_said(tmp_path, capsys):
    request = trial_request(tmp_path / "trials", {"seed": range(3)})

    class Meanwhile(ThisProcess):
        def run(self, orders, stopping):
            for ticket, row in super().run(orders, stopping):
                other = {**row, "value": row["value"] + 1.0, "process": 0}
                request.store.write(trials, [other])
                yield ticket, row

    tally = run_sweeps([request], Meanwhile())["trials"]
    assert tally.contradicted == 3
    assert not tally.whole
    assert "value" in capsys.readouterr().err
    assert list((tmp_path / "trials" / "set_aside").iterdir())
