"""`ntklora bench`: every job gives rows, in strict JSON and as a table; what it cannot do is said."""

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


def give_a_row():
    return [Record("training", "the case", "the baseline", 1.0, 2.0, 2.0, 0.0, 0.0, None, None, None, "the note")]


def test_a_job_that_breaks_is_named_and_the_others_are_shown(capsys, monkeypatch):
    def break_down():
        raise MemoryError("no room for the baseline")

    jobs = {"training": lambda quick: [break_down, give_a_row], "ntk": lambda quick: [break_down]}
    monkeypatch.setattr("ntklora.cli.bench.JOBS", jobs)
    done = main_here(capsys, "bench", "--quick")
    assert done.status == 3
    for name in jobs:
        assert f"{name} failed: MemoryError: no room for the baseline" in done.out
    assert "the case" in done.out
    assert "bench: 3/3 cases, 2 failed" in done.err


def test_after_an_interruption_what_was_measured_is_shown(capsys, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    jobs = {"training": lambda quick: [give_a_row, interrupt], "ntk": lambda quick: [give_a_row]}
    monkeypatch.setattr("ntklora.cli.bench.JOBS", jobs)
    done = main_here(capsys, "bench", "--quick", "--json")
    assert done.status == 130
    assert done.document["interrupted"]
    assert [record["case"] for record in done.document["records"]] == ["the case"]
