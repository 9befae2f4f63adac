"""Property: the job scripts run, Slurm's part played here: the sweep is in its folder; an interruption is passed on."""

import os
import shlex
import signal
import stat
import subprocess
import sys
import time

import pytest

from tests.cli.run import ROOT, main_here

EXPERIMENT = """
import time
from dataclasses import dataclass

from ntklora.sweeps import Column, Experiment


@dataclass(frozen=True)
class Ladder:
    rungs: int
    pause: float = 0.0


def run(ladder):
    time.sleep(ladder.pause)
    return {"height": 0.3 * ladder.rungs}


experiment = Experiment("ladder", 1, "How tall?", Ladder, (Column("height", float, "metres"),), {}, run, chunk=2)
"""
CELLS = 24  # many more than two workers hold at a time
SPEC = f'experiment = "ladder.py"\n[grid]\nrungs = {{ start = 0, stop = {CELLS} }}\n'
SRUN = """#!/bin/bash
trap 'kill $(jobs -p) 2>/dev/null' EXIT
for i in 1 2; do "$@" & done
wait
"""


@pytest.fixture
def cluster(tmp_path):
    """A folder with a specification, and an environment in which `srun` starts two of what it is given."""
    (tmp_path / "ladder.py").write_text(EXPERIMENT)
    (tmp_path / "sweep.toml").write_text(SPEC)
    (tmp_path / "bin").mkdir()
    srun = tmp_path / "bin" / "srun"
    srun.write_text(SRUN)
    srun.chmod(srun.stat().st_mode | stat.S_IXUSR)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return tmp_path, {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SLURM_JOB_ID": "17"}


def script(capsys, folder, *options):
    done = main_here(capsys, "sweep", "script", folder / "sweep.toml", "--out", folder / "out", "--slurm", *options)
    assert done.status == 0, done.err
    path = folder / "job.sh"
    path.write_text(done.out)
    assert subprocess.run(["bash", "-n", path], capture_output=True, text=True).stderr == ""
    return path


def stored(capsys, folder):
    return main_here(capsys, "sweep", "status", folder / "out", "--json").document["ok"]


def test_one_job_with_scheduler_and_workers(cluster, capsys):
    folder, env = cluster
    path = script(capsys, folder, "--workers", 2, "--memory", 3, "--cpus", 2)
    text = path.read_text()
    assert text.startswith("#!/bin/bash\n#SBATCH --job-name=ladder\n#SBATCH --ntasks=2\n#SBATCH --cpus-per-task=2\n")
    assert "--mem-per-cpu=1536M" in text
    done = subprocess.run(["bash", path], env=env, cwd="/", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert stored(capsys, folder) == CELLS
    assert not list(folder.glob("*.scheduler.json"))


def test_pieces_of_an_array_make_the_whole(cluster, capsys):
    folder, env = cluster
    path = script(capsys, folder, "--array", 2, "--set", "pause=0.0")
    assert "#SBATCH --array=1-2\n" in path.read_text()
    for piece in (1, 2):
        assert stored(capsys, folder) == CELLS // 2 if piece == 2 else not (folder / "out").exists()
        env["SLURM_ARRAY_TASK_ID"] = str(piece)
        done = subprocess.run(["bash", path], env=env, cwd="/", capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert stored(capsys, folder) == CELLS


def test_slurms_notice_interrupts_the_run_which_keeps_what_is_done(cluster, capsys):
    folder, env = cluster
    path = script(capsys, folder, "--array", 1, "--set", "pause=0.25")
    env["SLURM_ARRAY_TASK_ID"] = "1"
    # What runs these tests in the background may have told them to ignore interrupts, and bash cannot unlearn that.
    job = subprocess.Popen(
        ["bash", path],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(600):
        if list((folder / "out" / "shards").glob("*.parquet")):
            break
        time.sleep(0.05)
    os.kill(job.pid, signal.SIGINT)
    _, err = job.communicate(timeout=60)
    assert job.returncode == 130, err
    assert "Traceback" not in err
    assert 2 <= stored(capsys, folder) < CELLS
    command = err.splitlines()[-1].partition("to go on: ")[2]
    assert command.startswith("python -m ntklora sweep run ")
    again = [sys.executable, *shlex.split(command)[1:], "--json"]
    done = subprocess.run(again, env=env, cwd="/", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert stored(capsys, folder) == CELLS
