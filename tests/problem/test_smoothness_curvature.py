"""Property: the curvature of the loss is the largest eigenvalue of its dense Hessian, never above the smoothness."""

import numpy as np
import pytest
from scipy.special import softmax

from ntklora.problem.smoothness import loss_curvature, loss_smoothness
from tests.solvers.instances import random_problem


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_it_is_that_of_the_dense_hessian(loss):
    problem = random_problem(1, loss, shapes=((3, 4),))
    z = 2.0 * np.random.default_rng(2).standard_normal(problem.f0.shape)
    rows = problem.op.dense().reshape(*z.shape, -1)
    q = softmax(z, axis=1)
    second = [np.eye(2)] * 10 if loss == "squared" else [np.diag(p) - np.outer(p, p) for p in q]
    top = np.linalg.eigvalsh(sum(g.T @ h @ g for g, h in zip(rows, second)) / 10)[-1]
    assert loss_curvature(problem, z) == pytest.approx(top, rel=0.02)  # the power iteration's slack
    smoothness = float(loss_smoothness(problem))
    assert top <= 1.02 * smoothness
    assert (top > 0.98 * smoothness) == (loss == "squared")
