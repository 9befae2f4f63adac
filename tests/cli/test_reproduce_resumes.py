"""Property: `reproduce` computes what is missing, draws, reports, and a person may stop it at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ntklora.sweeps import catalogue
from tests.cli.run import ROOT, main_here
from tests.cli.standing import stand

EXPERIMENT = """
import time
from dataclasses import dataclass
from pathlib import Path

from ntklora.sweeps import Column, Experiment, Profile


@dataclass(frozen=True)
class Ladder:
    seed: int


def run(ladder):
    with Path({log!r}).open("a") as log:
        log.write(f"{{ladder.seed}}\\n")
    time.sleep({pause})
    if ladder.seed in {bad}:
        raise RuntimeError("a bad seed")
    return {{"height": float(ladder.seed)}}


columns = (Column("height", float, "metres"),)
grids = {{Profile.smoke: ({{"seed": range(6)}},)}}
experiment = Experiment("ladder", 1, "How tall?", Ladder, columns, grids, run, chunk=2)
"""
HERE = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from ntklora.sweeps import catalogue
from tests.cli.standing import stand
catalogue.shipped_folder = lambda name: Path({shipped!r}) / name
stand(setattr)
from ntklora.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A world with one experiment, one claim and no figure; `write(bad, pause)` writes the experiment."""
    folder = tmp_path / "shipped"
    for name in ("experiments", "paper_figures"):
        (folder / name).mkdir(parents=True)

    def write(bad=(), pause=0.0):
        text = EXPERIMENT.format(log=str(tmp_path / "log"), bad=bad, pause=pause)
        (folder / "experiments" / "ladder.py").write_text(text)
        for listing in (catalogue.all_experiments, catalogue.all_figures):
            listing.cache_clear()

    write()
    monkeypatch.setattr(catalogue, "shipped_folder", lambda name: folder / name)
    stand(monkeypatch.setattr)
    yield write
    for listing in (catalogue.all_experiments, catalogue.all_figures):
        listing.cache_clear()


def computed(tmp_path):
    return (tmp_path / "log").read_text().split()


def test_the_last_line_names_the_report_and_a_second_run_computes_nothing(shipped, tmp_path, capsys):
    out = tmp_path / "results"
    for _ in range(2):
        done = main_here(capsys, "reproduce", "--jobs", 1, "--profile", "smoke", "--out", out)
        assert done.status == 0
        assert done.out.splitlines()[-1] == f"report: {out / 'report.html'}"
    assert len(computed(tmp_path)) == 6
    assert "Ladders stand." in (out / "report.html").read_text()
    assert (out / "ladder" / "spec.json").exists()
    main_here(capsys, "reproduce", "--jobs", 1, "--profile", "smoke", "--out", out, "--force")
    assert len(computed(tmp_path)) == 12


def test_failed_cells_give_status_3_and_are_tried_again(shipped, tmp_path, capsys):
    shipped(bad=(2, 5))
    done = main_here(capsys, "reproduce", "--jobs", 1, "--profile", "smoke", "--out", tmp_path / "results", "--json")
    assert done.status == 3
    assert done.document["experiments"]["ladder"] == {"cells": 6, "computed": 6, "failed": 2}
    shipped(bad=())
    done = main_here(capsys, "reproduce", "--jobs", 1, "--profile", "smoke", "--out", tmp_path / "results", "--json")
    assert (done.status, done.document["experiments"]["ladder"]["computed"]) == (0, 2)


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_keeps_what_is_done_and_prints_the_command_that_goes_on(shipped, tmp_path, signals):
    """Once: the running chunk of two is finished. Twice: it is left, and its finished cells are kept."""
    shipped(pause=0.3 if signals == 1 else 2.0)
    code = HERE.format(root=str(ROOT), shipped=str(tmp_path / "shipped"))
    command = ["reproduce", "--jobs", "1", "--profile", "smoke", "--out", str(tmp_path / "out")]
    arguments = [sys.executable, "-c", code, *command]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    log = Path(tmp_path / "log")
    begun = 3 if signals == 1 else 2
    for _ in range(1200):
        if log.exists() and len(computed(tmp_path)) >= begun:
            break
        time.sleep(0.05)
    for _ in range(signals):
        os.kill(running.pid, signal.SIGINT)
        time.sleep(0.2)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert "Ctrl-C again stops at once" in err
    assert "reproduce --jobs 1 --profile smoke --out" in err.splitlines()[-1]
    assert out == ""
    done = computed(tmp_path)
    assert len(done) == (4 if signals == 1 else 2)
    shipped()
    assert subprocess.run(arguments, capture_output=True).returncode == 0
    again = computed(tmp_path)[len(done) :]
    assert again == (["4", "5"] if signals == 1 else ["1", "2", "3", "4", "5"])
