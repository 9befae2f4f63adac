"""Property: what a call returns fits on a screen: arrays are shown by dtype and shape, verdicts in words."""

import jax
import numpy as np
import pytest

import ntklora as nl

KEY = jax.random.key(0)
PROBLEM = nl.gaussian_problem((12, 11), num_samples=5, seed=0)
RECORDS = {
    "solution": lambda: nl.solve(PROBLEM),
    "gap": lambda: nl.duality_gap(PROBLEM, np.zeros((12, 11))),
    "endpoints": lambda: nl.find_endpoints(PROBLEM, 2, KEY, starts=16),
    "landscape": lambda: nl.survey_landscape(PROBLEM, 2, KEY, starts=16),
    "LoRA": lambda: nl.train_lora(PROBLEM, 2, KEY, steps=50),
    "full": lambda: nl.train_full(PROBLEM, steps=50),
    "planted": lambda: nl.plant_spurious_minimum(2, 5, seed=0),
    "worst": lambda: nl.plant_worst_minimum(2, curvature=0.5, seed=0),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_shown_without_its_arrays(name):
    record = RECORDS[name]()
    shown = repr(record)
    assert shown.startswith(type(record).__name__)
    assert len(shown) < 1500
    assert "array(" not in shown.lower()


def test_a_landscape_says_what_was_found():
    landscape = RECORDS["landscape"]()
    shown = repr(landscape)
    for kind, count in landscape.counts.items():
        assert (f"{count} {kind}" in shown) == (count > 0)
    assert f"certified optimum {landscape.solution.primal:.6g}" in shown
