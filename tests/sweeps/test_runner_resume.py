"""Property: a run computes exactly what the store lacks, and no bad cell ends it."""

import os
import signal
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from ntklora.sweeps import CellStatus, Profile
from ntklora.sweeps.interruption import graceful_interruption
from ntklora.sweeps.reference import load_file
from ntklora.sweeps.runner import run_experiment
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep
from tests.sweeps import ladder as ladders
from tests.sweeps.ladder import ladder

PROVENANCE = ("seconds", "date", "revision")
HALVES = """
from dataclasses import dataclass
from ntklora.sweeps import Column, Experiment, Profile

@dataclass(frozen=True)
class Whole:
    number: int

experiment = Experiment(
    name="halves",
    version={version},
    question="What is half of it?",
    parameters=Whole,
    columns=(Column("half", float, "its half"),),
    profiles={{Profile.smoke: ({{"number": (1, 2)}},)}},
    run=lambda whole: {{"half": whole.number / 2}},
)
"""


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "ladder")


def computed(log):
    return log.read_text().splitlines() if log.exists() else []


def numbers(rows):
    return [{name: value for name, value in row.items() if name not in PROVENANCE} for row in rows]


def test_a_resumed_run_equals_an_unbroken_one_and_computes_nothing_twice(log, store, tmp_path):
    experiment = ladder(log)
    cells = experiment.cells(Profile.smoke)
    run_experiment(experiment, cells[:3], store)
    tally = run_experiment(experiment, cells, store)
    assert (tally.requested, tally.computed, tally.failed) == (6, 3, 0)
    assert sorted(computed(log)) == sorted(set(computed(log)))
    assert run_experiment(experiment, cells, store).computed == 0
    unbroken = Store(tmp_path / "unbroken")
    run_experiment(experiment, cells, unbroken)
    assert numbers(store.rows(Sweep(experiment, cells))) == numbers(unbroken.rows(Sweep(experiment, cells)))


def test_failing_cells_are_rows_and_the_run_goes_on(log, store):
    experiment = ladder(log, rungs=(7, 13, 2))
    cells = experiment.cells(Profile.smoke)
    tally = run_experiment(experiment, cells, store)
    assert (tally.computed, tally.failed) == (6, 4)
    rows = store.rows(Sweep(experiment, cells))
    assert [row["status"] for row in rows] == [CellStatus.error] * 2 + [CellStatus.nan] * 2 + [CellStatus.ok] * 2
    assert rows[0]["reason"].startswith("RuntimeError: seven rungs [ladder.py:")
    assert rows[2]["reason"] == "NaN in height"
    assert rows[4]["reason"] is None
    assert run_experiment(experiment, cells, store) == (6, 0, 4, False, 0)
    assert run_experiment(experiment, cells, store, retry_failed=True).computed == 4


def test_force_computes_everything_again_and_the_later_rows_count(log, store):
    experiment = ladder(log)
    cells = experiment.cells(Profile.smoke)
    run_experiment(experiment, cells[:3], store)
    before = store.rows(Sweep(experiment, cells))
    assert run_experiment(experiment, cells, store, force=True).computed == 6
    after = store.rows(Sweep(experiment, cells))
    assert all(old["date"] < new["date"] for old, new in zip(before, after, strict=False))
    assert len(after) == 6


def test_rows_of_another_version_are_not_seen(log, store):
    old, new = ladder(log), ladder(log, version=2)
    cells = old.cells(Profile.smoke)
    run_experiment(old, cells, store)
    assert store.rows(Sweep(new, cells)) == []
    assert run_experiment(new, cells, store).computed == 6
    assert len(store.rows(Sweep(old, cells))) == len(store.rows(Sweep(new, cells))) == 6


@pytest.mark.parametrize(
    "damage", [lambda shard: shard.write_bytes(shard.read_bytes()[:100]), lambda s: s.write_bytes(b"")]
)
def test_an_unreadable_shard_is_named_set_aside_and_recomputed(log, store, damage, capsys):
    experiment = ladder(log)
    cells = experiment.cells(Profile.smoke)
    run_experiment(experiment, cells, store)
    expected = numbers(store.rows(Sweep(experiment, cells)))
    shard = next((store.folder / "shards").glob("*.parquet"))
    damage(shard)
    with pytest.raises(ValueError, match=shard.name):
        store.rows(Sweep(experiment, cells))
    assert run_experiment(experiment, cells, store).computed == 2
    assert f"shard {shard.name} is not what was written" in capsys.readouterr().err
    assert (store.folder / "set_aside" / shard.name).exists()
    assert [each["shard"] for each in store.runs()[-1]["set_aside"]] == [shard.name]
    assert numbers(store.rows(Sweep(experiment, cells))) == expected


@pytest.mark.parametrize("asking", [signal.SIGINT, signal.SIGTERM])
def test_one_interruption_finishes_the_running_chunk_and_the_next_run_goes_on(log, store, asking):
    experiment = ladder(log)
    cells = experiment.cells(Profile.smoke)

    def run(cell):
        if asdict(cell) == cells[0]:
            os.kill(os.getpid(), asking)
        return experiment.run(cell)

    interrupting = ladder(log)
    object.__setattr__(interrupting, "run", run)
    tally = run_experiment(interrupting, cells, store)
    assert tally.interrupted
    assert len(store.rows(Sweep(experiment, cells))) == tally.computed == 2
    assert run_experiment(experiment, cells, store).computed == 4
    assert len(computed(log)) == 6


@pytest.mark.parametrize("asking", [signal.SIGINT, signal.SIGTERM])
def test_two_interruptions_stop_at_once_and_keep_finished_cells(log, store, asking):
    experiment = ladder(log, chunk=8)
    cells = experiment.cells(Profile.smoke)

    def run(cell):
        if asdict(cell) == cells[2]:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), asking)
        return experiment.run(cell)

    interrupting = ladder(log, chunk=8)
    object.__setattr__(interrupting, "run", run)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(interrupting, cells, store)
    assert len(store.rows(Sweep(experiment, cells))) == 2


def test_a_handler_that_python_did_not_set_stays(monkeypatch):
    usual = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(signal, "getsignal", lambda each: None if each == signal.SIGTERM else usual[each])
    with graceful_interruption():
        monkeypatch.undo()
        assert signal.getsignal(signal.SIGTERM) == usual[signal.SIGTERM]
        assert signal.getsignal(signal.SIGINT) != usual[signal.SIGINT]
    assert {each: signal.getsignal(each) for each in usual} == usual


def test_a_row_holds_what_was_measured_in_plain_values(log, store):
    experiment = ladder(log)
    cells = experiment.cells(Profile.smoke)
    run_experiment(experiment, cells, store)
    row = store.rows(Sweep(experiment, cells))[0]
    draw = np.random.default_rng(0).normal(size=2)
    assert row["steps"] == draw.tolist()
    assert row["height"] == draw.sum()
    assert row["rungs_seen"] == 2
    assert row["owner"] is None


def test_the_manifest_says_where_the_numbers_come_from(log, store):
    experiment = ladder(log)
    run_experiment(experiment, experiment.cells(Profile.smoke), store)
    (run,) = store.runs()
    assert run["computed"] == run["asked"] == 6
    assert run["date"] < run["finished"]
    assert {"revision", "versions", "device", "xla_flags", "command"} <= set(run)
    assert (run["version"], run["source"]) == (1, sha256(Path(ladders.__file__).read_bytes()).hexdigest()[:12])


def test_a_run_says_that_the_experiments_file_has_changed_under_the_same_version(tmp_path, capsys):
    path, store = tmp_path / "halves.py", Store(tmp_path / "store")
    said = []
    for text, version in ((HALVES, 1), (HALVES, 1), (HALVES + "# a comment", 1), (HALVES, 2)):
        path.write_text(text.format(version=version))
        experiment = load_file(path).experiment
        run_experiment(experiment, experiment.cells(Profile.smoke), store)
        said.append("its file has changed since the last run; rows of version 1" in capsys.readouterr().err)
    assert said == [False, False, True, False]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"height": 1.0}, "declares"),
        ({"height": 1.0, "steps": [1.0], "rungs_seen": 1.5, "owner": None}, "which is no int"),
        ({"height": "tall", "steps": [1.0], "rungs_seen": 1, "owner": None}, "could not convert"),
    ],
)
def test_a_row_that_is_not_as_declared_is_a_failed_cell(log, store, row, message):
    experiment = ladder(log)
    object.__setattr__(experiment, "run", lambda cell: row)
    cells = experiment.cells(Profile.smoke)[:1]
    run_experiment(experiment, cells, store)
    assert message in store.rows(Sweep(experiment, cells))[0]["reason"]
