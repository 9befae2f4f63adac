"""λ_max is the largest singular value for every layout, and forms no matrix of a wide weight's size."""

import tracemalloc

import numpy as np
import pytest

import ntklora as nl
from ntklora.problem.objective import dual_vector, gradient_matrices, largest_slope
from tests.solvers.instances import random_problem

KINDS = {
    "factored": {"shapes": ((12, 17),), "samples": 4, "positions": 2},
    "factored, many samples": {},
    "dense": {"layout": "dense"},
    "with fan_in first": {"layout": "transposed", "shapes": ((9, 8),), "samples": 3},
    "met both ways": {"layout": "two-sided", "shapes": ((5, 5),)},
    "three weights": {"shapes": ((20, 21), (3, 30), (5, 5)), "samples": 6},
}


@pytest.mark.parametrize("kind", KINDS)
def test_slope_is_the_largest_singular_value(kind):
    problem = random_problem(1, "squared", **KINDS[kind]).host()
    for alpha in (dual_vector(problem, problem.f0), np.random.default_rng(0).normal(size=problem.f0.shape)):
        plain = max(np.linalg.norm(gamma, 2) for gamma in gradient_matrices(problem, alpha).values())
        assert largest_slope(problem, alpha) == pytest.approx(plain, rel=1e-13)
    assert largest_slope(problem, np.zeros_like(problem.f0)) == 0.0


def test_lam_max_of_a_wide_weight_needs_no_matrix_of_its_size():
    width, samples = 4096, 8
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(samples, 1, width)), rng.normal(size=(samples, 1, 1, width))
    y = rng.normal(size=samples)
    problem = nl.Problem(nl.TangentOperator.from_factors(a, b), np.zeros(samples), y, "squared", 0.0)
    tracemalloc.start()
    top = nl.lam_max(problem)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * 8 * width**2
    # σ_max² of BᵀCA is the largest eigenvalue of (C AAᵀ C)(BBᵀ), C = diag(y)/N.
    inputs, signals = a[:, 0], b[:, 0, 0] * y[:, None] / samples
    square = np.linalg.eigvals(inputs @ inputs.T @ signals @ signals.T).real.max()
    assert top == pytest.approx(np.sqrt(square), rel=1e-12)
