"""Property: the bound of T2-worst falls from 1 to 0, and its balanced point is where it says."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ntklora.theory import balanced_curvature, worst_case_applies, worst_excess


def test_the_bound_falls_from_one_to_zero():
    bounds = [worst_excess(curvature) for curvature in np.linspace(0, 1, 101)]
    assert bounds[0] == 1.0
    assert bounds[-1] == 0.0
    assert np.diff(bounds).max() < 0


@pytest.mark.parametrize("curvature", [1e-3, 0.1, 0.5, 0.9])
def test_the_bound_is_the_largest_that_its_pieces_allow(curvature):
    """The pieces of the sketch, with `h` free: E rises in h, and h is at most 2/κ."""

    def excess(h):
        q, loss = 1 - 1 / (h - 1), 1 / h
        return q * (1 + q * loss) / (1 + loss)

    best = minimize_scalar(lambda h: -excess(h), bounds=(2, 2 / curvature), method="bounded", options={"xatol": 1e-12})
    assert worst_excess(curvature) == pytest.approx(-best.fun, rel=1e-6)


@pytest.mark.parametrize("balance", [1e-3, 0.1, 1.0, 30.0])
def test_the_balanced_curvature_maximizes_the_smaller_of_both(balance):
    curvature = balanced_curvature(balance)
    assert curvature == pytest.approx(balance * worst_excess(curvature), rel=1e-12)
    values = [min(x / balance, worst_excess(x)) for x in np.linspace(0, 1, 2001)]
    assert max(values) <= worst_excess(curvature) + 1e-12


def test_it_applies_below_another_r_squared_samples():
    assert [max(d for d in range(100) if worst_case_applies(rank, d)) for rank in (1, 2, 3)] == [2, 8, 17]


@pytest.mark.parametrize(
    "call", [lambda: worst_excess(-1e-3), lambda: worst_excess(1.1), lambda: balanced_curvature(0)]
)
def test_impossible_numbers_are_refused(call):
    with pytest.raises(ValueError, match=r"curvature is|balance is"):
        call()
