"""Property: from a specification to rows, counts, files and comparisons; failures are status 3 and can be run again."""

import csv
import subprocess
import sys

import pytest

from tests.cli.run import ROOT, main_here
from tests.cli.sweeps import write_ladder

OUTSIDERS = {"jax", "matplotlib", "xarray"}


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """A folder with a specification, the current one; `sweep(...)` runs a command there."""
    write_ladder(tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main_here(capsys, "sweep", *arguments)


def run(here, *options, out="out"):
    return here("run", "sweep.toml", "--out", out, "--jobs", 1, *options)


def test_run_status_and_run_again(here):
    done = run(here)
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == "out: 6 cells, 6 computed now, 0 failed"
    assert run(here).out.splitlines()[-1] == "out: 6 cells, 0 computed now, 0 failed"
    status = here("status", "out", "--json")
    assert (status.status, status.document["ok"], status.document["missing"]) == (0, 6, 0)
    assert "6 ok, 0 missing, 0 failed" in here("status", "out").out


def test_failures_are_status_3_with_their_reason_until_they_are_retried(here, tmp_path):
    done = run(here, "--set", "broken=[2, -1]", "--json")
    assert done.status == 3
    counts = {"cells": 12, "computed": 12, "failed": 2}
    assert {name: done.document[name] for name in counts} == counts
    (reason,) = done.document["reasons"]
    assert reason["cells"] == 2
    assert reason["example"] == {"rungs": 2, "seed": 0, "broken": 2}
    assert "it breaks" in reason["reason"]
    status = here("status", "out")
    assert status.status == 3
    assert "2 error: RuntimeError: it breaks" in status.out
    again = run(here, "--set", "broken=[2, -1]", "--json")  # failed rows are not missing
    assert (again.status, again.document["computed"]) == (3, 0)
    text = (tmp_path / "ladder.py").read_text()
    (tmp_path / "ladder.py").write_text(text.replace('raise RuntimeError("it breaks")', "pass"))
    mended = run(here, "--set", "broken=[2, -1]", "--retry-failed", "--json")
    assert (mended.status, mended.document["computed"], mended.document["failed"]) == (0, 2, 0)


def test_another_sweep_is_refused_unless_forced_or_extended(here):
    run(here)
    wider = ("--set", "seed={start=0, stop=3}")
    refused = run(here, *wider)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.count("\n") == 1
    assert "another sweep (seed = 0, 1, not 0, 1, 2)" in refused.err
    extended = run(here, *wider, "--extend", "--json")
    assert (extended.status, extended.document["cells"], extended.document["computed"]) == (0, 9, 3)
    assert run(here, "--force", "--json").document["computed"] == 6


def test_pieces_make_the_whole(here):
    for piece, computed in (("1/2", 4), ("2/2", 2)):
        done = run(here, "--shard", piece, "--json")
        assert (done.status, done.document["cells"], done.document["computed"]) == (0, computed, computed)
    assert run(here, out="whole").status == 0
    same = here("diff", "out", "whole", "--json")
    assert (same.status, same.document["equal"]) == (0, 6)


def test_limits_make_rows_not_ends(here, tmp_path):
    text = (tmp_path / "ladder.py").read_text()
    slow = text.replace('raise RuntimeError("it breaks")', "import time; time.sleep(60)")
    (tmp_path / "ladder.py").write_text(slow)
    done = run(here, "--set", "broken=3", "--set", "seed=0", "--seconds", 1, "--json")
    assert (done.status, done.document["failed"]) == (3, 1)
    assert done.document["reasons"][0]["status"] == "out_of_time"


def test_export_holds_every_cell_whatever_became_of_it(here, tmp_path):
    run(here, "--set", "broken=2")
    assert here("export", "out", "rows.csv").status == 0
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["rungs"], row["seed"], row["status"]) for row in rows] == [
        ("1", "0", "0"),
        ("1", "1", "0"),
        ("2", "0", "1"),
        ("2", "1", "1"),
        ("3", "0", "0"),
        ("3", "1", "0"),
    ]
    for name in ("rows.parquet", "rows.nc"):
        done = here("export", "out", name, "--json")
        assert (done.status, done.document["cells"], done.document["error"]) == (0, 6, 2)
        assert (tmp_path / name).stat().st_size
    refused = here("export", "out", "rows.xls")
    assert (refused.status, refused.err.count("\n")) == (2, 1)
    assert ".parquet, .csv, .nc" in refused.err


def test_diff_names_what_differs(here, tmp_path):
    run(here)
    text = (tmp_path / "ladder.py").read_text()
    (tmp_path / "ladder.py").write_text(text.replace("+ ladder.seed", "+ 1.5 * ladder.seed"))
    run(here, "--set", "rungs=[2, 3]", out="other")
    done = here("diff", "out", "other", "--json")
    assert done.status == 1
    assert (done.document["same"], done.document["common"], done.document["equal"]) == (False, 4, 2)
    assert len(done.document["only_in_a"]) == 2
    assert [each["column"] for each in done.document["columns"]] == ["height"]
    shown = here("diff", "out", "other")
    assert shown.status == 1
    assert "height differs in 2 cells" in shown.out


def test_recheck_computes_again_and_says_how_it_compared(here, tmp_path):
    run(here, "--set", "broken=2")
    done = here("recheck", "out", "-k", 3, "--jobs", 1, "--json")
    assert done.status == 0, done.err
    assert (done.document["cells"], done.document["agree"], done.document["differ"]) == (3, 3, 0)
    text = (tmp_path / "ladder.py").read_text()
    (tmp_path / "ladder.py").write_text(text.replace("0.3 * ladder.rungs +", "0.31 * ladder.rungs +"))
    differing = here("recheck", "out", "--jobs", 1)
    assert differing.status == 1
    assert differing.out.count("DIFFERS") == 4
    assert "height, relative difference 0.0" in differing.out


def test_there_must_be_something_to_recheck(here):
    run(here, "--set", "rungs=2", "--set", "broken=2")
    done = here("recheck", "out", "--jobs", 1)
    assert (done.status, done.out) == (2, "")
    assert "no cell has succeeded" in done.err


def test_plan_counts_what_is_there_and_writes_nothing(here, tmp_path):
    run(here, "--shard", "1/2")
    before = sorted(tmp_path.rglob("*"))
    plan = here("plan", "sweep.toml", "--out", "out", "--pilot", 1, "--jobs", 2, "--json")
    assert plan.status == 0, plan.err
    expected = {"cells": 6, "missing": 2, "groups": 1, "compilations": 1, "chunks": 1, "stored": {"ok": 4}}
    assert {name: plan.document[name] for name in expected} == expected
    assert plan.document["seconds"]["low"] <= plan.document["seconds"]["estimate"] <= plan.document["seconds"]["high"]
    assert plan.document["memory_gib"]["process"] > 0
    assert "pilot" not in here("plan", "sweep.toml", "--pilot", 0, "--json").document
    failing = here("plan", "sweep.toml", "--set", "broken=1")
    assert failing.status == 3
    assert "a cell of the pilot failed: error: RuntimeError: it breaks" in failing.out
    assert sorted(path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts) == [
        path for path in before if "__pycache__" not in path.parts
    ]


def test_describe_prints_a_specification_to_start_from(here, tmp_path):
    listed = here("describe", "--json").document["experiments"]
    assert "landscape" in listed
    described = here("describe", "ladder.py")
    assert "# How many. (int, required)" in described.out
    (tmp_path / "mine.toml").write_text(described.out.replace("# rungs =", "rungs = 4"))
    assert here("plan", "mine.toml", "--pilot", 0, "--json").document["cells"] == 1
    names = [each["name"] for each in here("describe", "ladder.py", "--json").document["parameters"]]
    assert names == ["rungs", "seed", "broken"]


def test_commands_that_only_read_import_no_jax(here):
    run(here)
    commands = (
        ["describe", "ladder.py"],
        ["plan", "sweep.toml", "--pilot", "0"],
        ["status", "out"],
        ["export", "out", "rows.csv"],
        ["diff", "out", "out"],
        ["script", "sweep.toml", "--out", "out", "--slurm"],
    )
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from ntklora.cli.main import main
for command in {commands!r}:
    status = main(["sweep", *command])
    assert status == 0, (command, status)
    assert not {OUTSIDERS!r} & set(sys.modules), command
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
