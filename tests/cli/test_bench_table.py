"""`ntklora bench`: every job gives rows, in strict JSON and as a table; what it cannot do is said."""

import pytest

from ntklora.bench.jobs import JOBS
from ntklora.bench.record import Record
from tests.cli.run import command, main_here


def test_every_job_runs_in_its_quick_case():
    done = command("bench", "--quick", "--json")
    assert done.status == 0, done.err
    document = done.document
    assert document["failed"] == {}
    assert {record["job"] for record in document["records"]} == set(JOBS)
    assert set(document["matmul_gflops"]) == {"float32", "float64"}
    for record in document["records"]:
        assert set(record) == set(Record._fields)
        assert record["seconds"] >= 0


def test_an_unknown_job_names_the_nearest(capsys):
    done = main_here(capsys, "bench", "trainin")
    assert done.status == 2
    assert "did you mean 'training'" in done.err


@pytest.fixture
def broken(monkeypatch):
    def break_down(quick):
        raise MemoryError("no room for the baseline")

    def give_a_row(quick):
        return [Record("training", "the case", "the baseline", 1.0, 2.0, 2.0, 0.0, 0.0, None, None, None, "the note")]

    monkeypatch.setattr("ntklora.cli.bench.JOBS", {"training": give_a_row, "ntk": break_down})


def test_a_job_that_breaks_is_named_and_the_others_are_shown(capsys, broken):
    done = main_here(capsys, "bench", "--quick")
    assert done.status == 3
    assert "ntk failed: MemoryError: no room for the baseline" in done.out
    assert "the case" in done.out
