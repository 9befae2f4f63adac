"""Property: what a person gets wrong with `ntklora sweep` is one line and status 2, and leaves no folder behind."""

import pytest

from tests.cli.run import main_here
from tests.cli.sweeps import write_ladder

RUN = ("run", "sweep.toml", "--out", "out", "--jobs", "1")
MISTAKES = {
    "unknown experiment": (("describe", "landscap"), "did you mean 'landscape'?"),
    "no such file of an experiment": (("describe", "nothing.py"), "nothing.py"),
    "missing file": (("plan", "nothing.toml"), "nothing.toml: cannot be read"),
    "unknown parameter": (("plan", "sweep.toml", "--set", "rung=3"), "did you mean 'rungs'?"),
    "wrong type": (("plan", "sweep.toml", "--set", "rungs=1.5"), "expected int"),
    "bad override": (("plan", "sweep.toml", "--set", "rungs"), "expected NAME=VALUE"),
    "shape that breaks": (("plan", "shapeless.toml"), "its shape of {'rungs': 1} fails: ZeroDivisionError"),
    "pilot of no groups": (("plan", "sweep.toml", "--pilot", "-1"), "--pilot"),
    "folder to be missing": (("run", "sweep.toml"), "--out DIR"),
    "piece beyond the last": ((*RUN, "--shard", "5/4"), "--shard '5/4'"),
    "piece of none": ((*RUN, "--shard", "0/4"), "--shard '0/4'"),
    "piece of words": ((*RUN, "--shard", "one/two"), "--shard 'one/two'"),
    "no processes": ((*RUN[:-1], "0"), "--jobs"),
    "no time": ((*RUN, "--seconds", "0"), "limit of seconds"),
    "no memory": ((*RUN, "--memory", "-1"), "limit of memory"),
    "two schedulers": ((*RUN[:-2], "--scheduler", "tcp://127.0.0.1:1", "--scheduler-file", "s.json"), "one of the two"),
    "processes here and a scheduler": ((*RUN, "--scheduler", "tcp://127.0.0.1:1"), "its workers decide"),
    "unusable precision": ((*RUN, "--precision", "float16"), "float32"),
    "folder of a file": (("run", "sweep.toml", "--out", "ladder.py", "--jobs", "1"), "ladder.py"),
    "folder of something else": (("run", "sweep.toml", "--out", "."), "--force"),
    "status of nothing": (("status", "nowhere"), "nowhere holds no sweep"),
    "status of something else": (("status", "."), ". holds no sweep"),
    "export of nothing": (("export", "nowhere", "x.csv"), "nowhere holds no sweep"),
    "recheck of nothing": (("recheck", "nowhere"), "nowhere holds no sweep"),
    "recheck of no cells": (("recheck", "nowhere", "-k", "0"), "-k"),
    "diff of nothing": (("diff", "nowhere", "."), "nowhere holds no sweep"),
    "script of no kind": (("script", "sweep.toml", "--out", "out"), "--slurm"),
    "script of a bad time": (("script", "sweep.toml", "--out", "out", "--slurm", "--time", "tomorrow"), "'tomorrow'"),
    "script of no workers": (("script", "sweep.toml", "--out", "out", "--slurm", "--workers", "0"), "at least 1"),
    "script of no cores": (("script", "sweep.toml", "--out", "out", "--slurm", "--cpus", "0"), "at least one core"),
    "script of a partition of lines": (
        ("script", "sweep.toml", "--out", "out", "--slurm", "--partition", "a\nb"),
        "expected a name",
    ),
    "command": (("statsu", "out"), "status"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(case, tmp_path, monkeypatch, capsys):
    write_ladder(tmp_path)
    (tmp_path / "shapeless.toml").write_text('experiment = "tests.cli.sweeps:SHAPELESS"\n')
    monkeypatch.chdir(tmp_path)
    arguments, message = MISTAKES[case]
    done = main_here(capsys, "sweep", *arguments)
    assert (done.status, done.out) == (2, ""), done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("ntklora: ")
    assert message in done.err
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == [
        "ladder.py",
        "shapeless.toml",
        "sweep.toml",
    ]
    assert not (tmp_path / "out").exists()
