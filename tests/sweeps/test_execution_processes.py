"""Property: several processes compute what one does, cell by cell, and lose nothing when one dies or Ctrl-C comes."""

from ntklora.sweeps import CellStatus, Profile
from ntklora.sweeps.runner import Request, run_sweeps
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps.ladder import find, ladder

PROVENANCE = ("seconds", "date", "revision")


def numbers(rows):
    return [{name: value for name, value in row.items() if name not in PROVENANCE} for row in rows]


def run(experiment, store, jobs):
    sweep = Sweep.of_profile(experiment, Profile.smoke)
    tally = run_sweeps([Request(sweep, "ladder", store)], jobs=jobs, find=find)["ladder"]
    return tally, store.rows(sweep)


def test_the_same_rows_whatever_the_number_of_processes(tmp_path):
    experiment = ladder(tmp_path / "log", rungs=(2, 7, 3, 5))
    tally, rows = run(experiment, Store(tmp_path / "two"), 2)
    assert tally == (8, 8, 2, False)
    assert len((tmp_path / "log").read_text().splitlines()) == 8
    _, alone = run(experiment, Store(tmp_path / "one"), 1)
    assert numbers(rows) == numbers(alone)


def test_a_process_that_dies_costs_its_cell_only(tmp_path):
    experiment = ladder(tmp_path / "log", rungs=(17, 2, 3))
    tally, rows = run(experiment, Store(tmp_path / "ladder"), 2)
    assert tally == (6, 6, 2, False)
    assert [row["status"] for row in rows] == [CellStatus.error] * 2 + [CellStatus.ok] * 4
    assert rows[0]["reason"] == "the process that computed it ended (exit code 9)"


def test_ctrl_c_keeps_what_runs_and_the_next_run_goes_on(tmp_path):
    experiment = ladder(tmp_path / "log", rungs=(19, 2, 3, 5, 6, 8, 9, 10, 11))
    tally, rows = run(experiment, Store(tmp_path / "ladder"), 2)
    assert tally.interrupted
    assert 1 <= tally.computed == len(rows) < 18
    assert all(row["status"] == CellStatus.ok for row in rows)
    rest = Sweep(experiment, [cell for cell in experiment.cells(Profile.smoke) if cell["rungs"] != 19])
    tally = run_sweeps([Request(rest, "ladder", Store(tmp_path / "ladder"))], jobs=2, find=find)["ladder"]
    assert not tally.interrupted
    assert len(Store(tmp_path / "ladder").rows(rest)) == len(rest.cells)
