"""Plateaus are the valleys of the decrease per step that are left again, and the row measures them where they are."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.chunk import Chunk
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.run_chunk import run_chunk

EXPERIMENT = all_experiments()["plateaus"]
NAMES = EXPERIMENT.run.finish.__globals__


def found(*values):
    return NAMES["plateaus"](np.array(values, float))


def test_valleys_need_a_fourfold_rise_after_them():
    assert found(9, 8, 7, 5, 2, 1)[0] == []  # the tail is none
    assert found(2, 1, 3, 2, 3.9)[0] == []
    assert found(2, 1, 3, 4)[0] == [1]
    assert found(1, 4, 9)[0] == [0]  # the start may be one


def test_a_second_valley_needs_a_fall_to_a_fourth_before_it():
    assert found(1, 8, 3, 12, 1)[0] == [0]
    assert found(1, 8, 2, 9, 1)[0] == [0, 2]
    assert found(8, 1, 8, 0.5, 0.25, 3, 0.1)[0] == [1, 4]


def test_lengths_count_the_slow_steps_around_and_the_fastest_is_the_fastest():
    valleys, lengths, fastest = found(50, 4, 2, 1, 4, 5, 40, 9)
    assert (valleys, lengths, fastest) == ([3], [4], 0)
    assert found(1, 2, 9, 9)[1] == [2]


def test_a_small_start_has_its_first_plateau_at_the_saddle_zero():
    cell = {"family": "gaussian", "num_samples": 6, "lam_ratio": 0.1, "num_steps": 3000, "rank": 3, "seed": 1}
    cell["start"] = 1e-3
    (row,) = run_chunk(EXPERIMENT, Chunk((cell,)), Numerics())
    assert row["status"] == 0, row["reason"]
    problem = nl.gaussian_problem((6, 6), num_samples=6, seed=1, lam_ratio=0.1)
    primal = nl.solve(problem).primal
    assert row["saddle_ranks"][0] == row["plateau_ranks"][0] == 0
    # At δ = 0 the excess and the curvature (λ − λ_max)/λ are known.
    zeros = np.zeros((6, 1)), np.zeros((6, 1))
    assert row["saddle_excess"][0] == pytest.approx(float(nl.objective(problem, *zeros)) / primal - 1)
    assert row["plateau_curvatures"][0] == pytest.approx(1 - 1 / 0.1, rel=1e-3)
    assert row["plateau_distances"][0] < 0.01 < 0.05 < row["fastest_distance"]
    assert row["negative_until"] < row["steps_fine"]
    assert row["excess"][-1] <= row["excess"][0]
    assert len(row["steps"]) == len(row["curvature"]) == len(row["distance"]) == len(row["nearest_rank"])
