"""Cells to which everything happens that can happen to a cell, in worker processes: the tests of execution run them.

A line in `log` for each cell that is computed: its name, its seed, the process.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ntklora.environment import num_threads
from ntklora.sweeps import Column, Experiment, Vmapped

MIB = 2**20


@dataclass(frozen=True)
class Trial:
    what: str = "ok"
    seed: int = 0
    log: str = ""
    pause: float = 0.0


def happen(trial):
    """Log the trial, then do what it says."""
    if trial.log:
        with Path(trial.log).open("a") as log:
            log.write(f"{trial.what} {trial.seed} {os.getpid()}\n")
    time.sleep(trial.pause)
    if trial.what == "raise":
        raise RuntimeError("as asked")
    if trial.what == "exit":
        os._exit(9)
    if trial.what == "sleep":
        time.sleep(60)
    if trial.what == "hog":
        ballast = np.ones(160 * MIB, np.uint8)
        time.sleep(60)
        del ballast
    if trial.what == "second" and happen.before:  # falls where another cell was computed before
        os._exit(9)
    if trial.what == "interrupt" and trial.seed == 2:  # Ctrl-C twice, while the third cell runs
        for _ in range(2):
            time.sleep(0.3)
            os.kill(os.getppid(), signal.SIGINT)
        time.sleep(60)
    if trial.what == "threads":
        return float(num_threads())
    if trial.what == "lose":  # take the Dask worker along, or whoever else started the process
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    happen.before = True
    return np.random.default_rng(trial.seed).normal() if trial.what != "nan" else np.nan


happen.before = False

COLUMNS = (Column("value", float, "a normal draw"), Column("process", int, "that computed it"))


def run(trial):
    return {"value": happen(trial), "process": os.getpid()}


def finish(trial, drawn, outputs):
    return {"value": float(outputs), "process": os.getpid()}


def shape(trial):
    return trial.what


experiment = Experiment("trials", 1, "What happens?", Trial, COLUMNS, {}, run, chunk=4, shape=shape)


def one_by_one():
    """The cells of a chunk one after another."""
    return experiment


def mixed():
    """All in one group."""
    return Experiment("trials", 1, "What happens?", Trial, COLUMNS, {}, run, chunk=4)


def together():
    """The cells of a chunk at once, with JAX."""
    vmapped = Vmapped(lambda trial: (happen(trial), None), lambda shape, value: 2.0 * value, finish)
    return Experiment("trials_together", 1, "What happens?", Trial, COLUMNS, {}, vmapped, chunk=4)


def traced():
    """At once, in a group for each `what`; whenever JAX traces the computation, a line in the file named by TRACES."""

    def compute(shape, value):
        with Path(os.environ["TRACES"]).open("a") as traces:
            traces.write(f"{shape}\n")
        return 2.0 * value

    vmapped = Vmapped(lambda trial: (happen(trial), None), compute, finish)
    return Experiment("trials_traced", 1, "What happens?", Trial, COLUMNS, {}, vmapped, chunk=4, shape=shape)
