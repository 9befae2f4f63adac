"""A cheap experiment with everything that can happen to a cell: the sweep's tests run it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ntklora.sweeps import Column, Experiment, Profile


@dataclass(frozen=True)
class Ladder:
    rungs: int
    seed: int
    log: str


def run(ladder):
    """Height of a ladder; seven rungs break it, thirteen give no number, 17 end the process, 19 ask it to stop."""
    with Path(ladder.log).open("a") as log:
        log.write(f"{ladder.rungs} {ladder.seed}\n")
    if ladder.rungs == 7:
        raise RuntimeError("seven rungs")
    if ladder.rungs == 17:
        os._exit(9)
    if ladder.rungs == 19:
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(0.5)
    draw = np.random.default_rng(ladder.seed).normal(size=ladder.rungs)
    height = np.nan if ladder.rungs == 13 else draw.sum()
    return {"height": height, "steps": draw, "rungs_seen": np.int32(ladder.rungs), "owner": None}


def ladder(log, rungs=(2, 3, 5), chunk=2, version=1):
    """The experiment over these rungs and two seeds, which writes a line to `log` for each cell it computes."""
    return Experiment(
        name="ladder",
        version=version,
        question="How tall is a ladder?",
        parameters=Ladder,
        columns=(
            Column("height", float, "sum of the steps, in metres"),
            Column("steps", list[float], "each step, in metres"),
            Column("rungs_seen", int, "rungs"),
            Column("owner", str, "nobody"),
        ),
        profiles={Profile.smoke: ({"rungs": tuple(rungs), "seed": (0, 1), "log": str(log)},)},
        run=run,
        chunk=chunk,
        shape=lambda ladder: ladder.rungs,
    )


def in_worker():
    """What a worker is told to look for; where the log is, the cell says."""
    return ladder("")


REFERENCE = "tests.sweeps.ladder:in_worker"
