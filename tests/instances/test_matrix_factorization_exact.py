"""Matrix factorization as a Problem: the loss, its gradient and its optimum are those of the matrices."""

import numpy as np
import pytest

from ntklora.instances.matrix_factorization import matrix_factorization
from ntklora.problem.objective import dual_vector, full_objective, gradient_matrices, lam_max, objective

RNG = np.random.default_rng(0)
TARGET = RNG.standard_normal((4, 6))
ROOT = RNG.standard_normal((6, 5))
COVARIANCE = ROOT @ ROOT.T  # singular: rank 5 of 6


@pytest.mark.parametrize("covariance", [None, COVARIANCE], ids=["isotropic", "covariance"])
def test_loss_and_gradient_are_those_of_the_matrices(covariance):
    problem = matrix_factorization(TARGET, covariance=covariance)
    sigma = np.eye(6) if covariance is None else covariance
    delta = RNG.standard_normal((4, 6))
    expected = 0.5 * np.trace((delta - TARGET) @ sigma @ (delta - TARGET).T)
    np.testing.assert_allclose(full_objective(problem, delta), expected, rtol=1e-12)
    z = problem.f0 + problem.op.apply(delta)
    gamma = gradient_matrices(problem, dual_vector(problem, z))["w"]
    np.testing.assert_allclose(gamma, (delta - TARGET) @ sigma, rtol=1e-10, atol=1e-12)


def test_factors_and_weight_decay():
    u, v = RNG.standard_normal((4, 2)), RNG.standard_normal((6, 2))
    problem = matrix_factorization(TARGET, lam=0.3)
    expected = 0.5 * np.sum((u @ v.T - TARGET) ** 2) + 0.15 * (np.sum(u**2) + np.sum(v**2))
    np.testing.assert_allclose(objective(problem, u, v), expected, rtol=1e-12)
    np.testing.assert_allclose(lam_max(problem), np.linalg.norm(TARGET, 2), rtol=1e-12)


@pytest.mark.parametrize(
    ("covariance", "message"),
    [
        (np.eye(5), "expected a symmetric \\(6, 6\\)"),
        (np.triu(np.ones((6, 6))), "expected a symmetric"),
        (np.diag([1.0, 1, 1, 1, 1, -0.5]), "eigenvalue -0.5"),
    ],
)
def test_impossible_covariances_are_refused(covariance, message):
    with pytest.raises(ValueError, match=message):
        matrix_factorization(TARGET, covariance=covariance)
