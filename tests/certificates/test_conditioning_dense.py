"""Property: the relative curvature is the dense Hessian's, modulo gauge, and has no units."""

import numpy as np
import pytest

import ntklora as nl
from tests.certificates.dense_hessian import dense_hessian, projected_eigenvalues


def by_dense_eigenvalues(problem, u, v):
    return projected_eigenvalues(problem, u, v)[0] / np.linalg.norm(dense_hessian(problem, u, v), 2)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("perturbed", [False, True])
def test_it_is_that_of_the_dense_hessian(rank, perturbed):
    problem = nl.gaussian_problem((4, 5), num_samples=6, seed=rank)
    problem = nl.random_perturbation(problem, 0.1, seed=0) if perturbed else problem
    rng = np.random.default_rng(rank)
    u, v = rng.standard_normal((4, rank)), rng.standard_normal((5, rank))
    assert nl.relative_curvature(problem, u, v) == pytest.approx(by_dense_eigenvalues(problem, u, v), rel=1e-9)


def test_a_column_of_zeros_counts():
    problem = nl.gaussian_problem((4, 5), num_samples=6, seed=0)
    rng = np.random.default_rng(0)
    u, v = (np.pad(rng.standard_normal((size, 1)), ((0, 0), (0, 1))) for size in (4, 5))
    assert nl.relative_curvature(problem, u, v) == pytest.approx(by_dense_eigenvalues(problem, u, v), rel=1e-9)


def test_a_wider_layer_that_the_data_do_not_see_changes_nothing():
    narrow, wide = (nl.plant_worst_minimum(2, curvature=0.3, seed=0, shape=shape) for shape in ((3, 3), (6, 8)))
    one, other = (nl.relative_curvature(planted.problem, planted.u, planted.v) for planted in (narrow, wide))
    assert one == pytest.approx(other, rel=1e-10)
