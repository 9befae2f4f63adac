"""Property: the pilot times first and later cells apart, and the estimate of a known cost is that cost."""

import pytest

from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.pilot import Estimate, Pilot, Timing, estimate, run_pilot
from ntklora.sweeps.spec import read_specification

EXPERIMENT = """
import time
from dataclasses import dataclass

import numpy as np

from ntklora.sweeps import Column, Experiment

seen = set()


@dataclass(frozen=True)
class Ladder:
    rungs: int
    seed: int = 0


def run(ladder):
    if ladder.rungs == 3:
        raise RuntimeError("three rungs")
    time.sleep(0.02 * ladder.rungs + (0.5 if ladder.rungs not in seen else 0.0))
    seen.add(ladder.rungs)
    held = np.ones(20_000_000)  # 0.15 GiB
    return {"height": float(held[0])}


experiment = Experiment(
    "ladder", 1, "How tall?", Ladder, (Column("height", float, "metres"),), {}, run,
    shape=lambda ladder: ladder.rungs, chunk=4,
)
"""


@pytest.fixture
def specified(tmp_path):
    (tmp_path / "ladder.py").write_text(EXPERIMENT)

    def specify(grid):
        path = tmp_path / "sweep.toml"
        path.write_text(f'experiment = "ladder.py"\n[grid]\n{grid}\n')
        specification = read_specification(path)
        sweep = specification.sweep
        return specification, plan_groups(sweep.experiment, sweep.cells, range(len(sweep.cells)))

    return specify


def test_first_and_later_cells_are_timed_apart_and_nothing_is_written(specified, tmp_path):
    specification, groups = specified("rungs = [1, 2, 4, 5]\nseed = { start = 0, stop = 20 }")
    before = sorted(tmp_path.iterdir())
    pilot = run_pilot(specification.sweep, specification.reference, specification.limits, groups, 2)
    assert [timing.group for timing in pilot.timings] == [0, 3]
    for timing, rungs in zip(pilot.timings, (1, 5), strict=True):
        assert timing.first >= 0.5 + 0.02 * rungs
        assert len(timing.later) == 2
        assert all(0.02 * rungs <= seconds < timing.first for seconds in timing.later)
    assert pilot.failures == ()
    assert pilot.start > 0
    assert 0.15 < pilot.memory < 1.0
    assert sorted(path for path in tmp_path.iterdir() if path.name != "__pycache__") == before


def test_cells_that_fail_are_named(specified):
    specification, groups = specified("rungs = [3]")
    pilot = run_pilot(specification.sweep, specification.reference, specification.limits, groups, 3)
    assert len(pilot.failures) == 1
    assert "error: RuntimeError: three rungs" in pilot.failures[0]


def test_the_estimate_of_known_costs(specified):
    specification, groups = specified("rungs = [1, 2, 4, 5]\nseed = { start = 0, stop = 20 }")
    pilot = Pilot((Timing(0, 10.0, (1.0, 3.0)), Timing(3, 5.0, (2.0, 2.0))), 3.0, 0.5, (), 1)
    mean, low, high = (10 + 19 * 2) + (5 + 19 * 2), (10 + 19 * 1) + (5 + 19 * 2), (10 + 19 * 3) + (5 + 19 * 2)
    others = {"mean": (48 + 43) / 2, "low": min(29, 43), "high": max(67, 43)}
    whole = Estimate(mean + 2 * others["mean"], low + 2 * others["low"], high + 2 * others["high"])
    for processes in (1, 2):
        guess = estimate(specification.sweep, groups, pilot, processes)
        assert guess == pytest.approx([3.0 + seconds / processes for seconds in whole])
    undivided = estimate(specification.sweep, groups, pilot, 1000)  # chunks of four cells
    assert undivided == pytest.approx([3.0 + 10 + 3 * 2, 3.0 + max(10 + 3 * 1, 5 + 3 * 2), 3.0 + 10 + 3 * 3])
