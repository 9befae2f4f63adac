"""Rows of steps to the optimum are what the library gives for their cells alone; levels and rates are read right."""

import numpy as np
import optax
import pytest

import ntklora as nl
from ntklora.sweeps import stream_key
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import cells_of
from ntklora.sweeps.run_chunk import run_chunk

EXPERIMENT = all_experiments()["steps_to_optimum"]
NAMES = EXPERIMENT.run.finish.__globals__
COMMON = {"family": "gaussian", "num_samples": 6, "num_steps": 400, "lam_ratio": 0.3}


def rows(numerics, grid):
    asked = cells_of(EXPERIMENT.parameters, ({**COMMON, **grid},))
    return [
        row
        for group in plan_groups(EXPERIMENT, asked, range(len(asked)))
        for chunk in group
        for row in run_chunk(EXPERIMENT, chunk, numerics)
    ]


def test_rows_are_those_of_the_library():
    problem = nl.gaussian_problem((6, 6), num_samples=6, seed=1, lam_ratio=0.3)
    primal = nl.solve(problem).primal
    for row in rows(Numerics(), {"seed": 1, "rank": 3, "method": ("lora", "momentum")}):
        key = stream_key("starts", 1, rank=3)
        match row["method"]:
            case "lora":
                path = nl.train_lora(problem, 3, key, steps=400, learning_rate=row["learning_rate"])
            case "momentum":
                path = nl.train_lora(problem, 3, key, steps=400, optimizer=optax.sgd(row["learning_rate"], 0.9))
        excess = np.asarray(path.objective) / primal - 1
        for name, level in (("steps_coarse", 1e-3), ("steps_fine", 1e-6)):
            first = int(np.argmax(excess <= level)) if (excess <= level).any() else None
            assert row[name] == first, row["method"]
        assert row["excess"] == pytest.approx(excess[-1], rel=1e-6, abs=1e-13)
        assert (row["certified_rate"] is not None) == (row["method"] == "lora")


def test_levels_and_rates_are_read_from_the_curve():
    excess = 3.0 * 0.9 ** np.arange(400.0)
    assert NAMES["first_below"](excess, 3.0) == 0
    assert NAMES["first_below"](excess, 2.0) == 4  # 0.9⁴ = 0.656
    assert NAMES["first_below"](excess, 1e-30) is None
    assert NAMES["tail_rate"](excess, 0.0) == pytest.approx(-np.log(0.9))
    assert NAMES["tail_rate"](excess, 1e-11) is None  # the certificate is no finer than what is read
    assert NAMES["tail_rate"](excess[:180], 0.0) is None


def test_single_precision_gives_the_same_levels_coarsely():
    grid = {"seed": 1, "rank": 3, "method": "lora"}
    (double,), (single,) = rows(Numerics(), grid), rows(Numerics("float32"), grid)
    assert single["status"] == 0, single["reason"]
    assert single["primal"] == double["primal"]
    assert single["steps_coarse"] == pytest.approx(double["steps_coarse"], abs=1)
