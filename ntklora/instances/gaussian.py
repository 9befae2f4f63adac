"""Gaussian features with Gaussian targets: the generic instance of the landscape theorems, no network behind it."""

from __future__ import annotations

import numpy as np

from ntklora.data.gaussian import gaussian_features
from ntklora.problem.objective import lam_max
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator


def gaussian_problem(
    shape: tuple[int, int],
    *,
    num_samples: int,
    seed: int,
    num_outputs: int = 1,
    loss: str = "squared",
    lam_ratio: float = 0.01,
) -> Problem:
    """Features `G_ij` with independent standard normal entries, `f0 = 0`, `λ = lam_ratio · λ_max`.

    Targets: standard normal for squared loss, fair random labels otherwise.

    >>> import ntklora as nl
    >>> problem = gaussian_problem((4, 3), num_samples=5, seed=0)
    >>> problem.op.shapes, round(float(problem.lam / nl.lam_max(problem)), 9)
    ({'w': (4, 3)}, 0.01)
    """
    rng = np.random.default_rng([seed, 1])
    y: np.ndarray
    if loss == "squared":
        y = rng.standard_normal((num_samples, num_outputs))
    elif loss == "logistic":
        y = rng.choice([-1.0, 1.0], num_samples)
    else:
        y = rng.integers(num_outputs, size=num_samples)
    op = TangentOperator.from_dense(gaussian_features(num_samples, num_outputs, shape, seed))
    problem = Problem(op, np.zeros((num_samples, num_outputs)), y, loss, 0.0)
    return problem.with_lam(lam_ratio * lam_max(problem))


def random_perturbation(problem: Problem, size: float, seed: int) -> Problem:
    """The problem with a random PSD perturbation `P^l = size · W Wᵀ/(2(m+n))`, `W` a square Gaussian matrix.

    Its distribution has a density on the PSD matrices, so "almost every P" [paper, T2] holds for what is drawn;
    `‖P‖_op ≈ 2·size`.
    """
    rng = np.random.default_rng([seed, 2])
    perturbation = {}
    for name, (m, n) in problem.shapes.items():
        w = rng.standard_normal((m + n, m + n))
        perturbation[name] = size * (w @ w.T) / (2 * (m + n))
    return problem.with_perturbation(perturbation)
