"""Property: what descent does to the balance uᵀu − vᵀv is an exact identity, step by step [derived].

    uᵀu − vᵀv  ←  (1 − ηλ)² (uᵀu − vᵀv) + η² (vᵀΓᵀΓv − uᵀΓΓᵀu)

so the flow's decay e^{−2λt} is met with an error of second order in each step; at a stationary point both terms combine
to 1 − 2ηλ, the factor of the Hessian's eigenvalue 2λ.
"""

import numpy as np
import pytest

from ntklora.adapters.training import train_factors
from ntklora.problem.objective import dual_vector, gradient_matrices
from tests.solvers.instances import random_factors, random_problem


def imbalance(u, v):
    return np.asarray(u).T @ u - np.asarray(v).T @ v


def stepped(problem, u, v, rate):
    path = train_factors(problem, u, v, steps=1, learning_rate=rate)
    return imbalance(path.u, path.v)


@pytest.mark.parametrize("rate", [1e-3, 0.3])
def test_the_identity_holds_at_every_step(rate):
    problem = random_problem(1, "cross_entropy", lam=0.3)
    u, v = (x["w"] for x in random_factors(2, problem, 3))
    for _ in range(3):
        gamma = gradient_matrices(problem, dual_vector(problem, problem.f0 + problem.op.apply_factors(u, v)))["w"]
        second = v.T @ gamma.T @ gamma @ v - u.T @ gamma @ gamma.T @ u
        expected = (1 - rate * problem.lam) ** 2 * imbalance(u, v) + rate**2 * second
        np.testing.assert_allclose(stepped(problem, u, v, rate), expected, rtol=1e-10, atol=1e-12)
        path = train_factors(problem, u, v, steps=1, learning_rate=rate)
        u, v = np.asarray(path.u), np.asarray(path.v)


def test_a_step_misses_the_flow_by_the_square_of_its_size():
    problem = random_problem(1, "cross_entropy", lam=0.3)
    u, v = (x["w"] for x in random_factors(2, problem, 3))
    errors = []
    for rate in (1e-3, 5e-4, 2.5e-4):
        flow = np.exp(-2 * problem.lam * rate) * imbalance(u, v)
        errors.append(np.linalg.norm(stepped(problem, u, v, rate) - flow))
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(slopes, 2.0, atol=0.01)
