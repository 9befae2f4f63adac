"""Property: the last digits of descent come at the rate of the smallest curvature, which the decay bounds [derived]."""

from functools import lru_cache

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.tail import largest_curvature, tail_curvature
from tests.certificates.dense_hessian import dense_hessian, projected_eigenvalues
from tests.certificates.random_problems import random_problem

PROBLEMS = {
    "cross-entropy, two weights": random_problem(3, "cross_entropy", k=3, shapes=((4, 5), (3, 4)), lam=0.1),
    "wide, most unseen": random_problem(4, n=3, shapes=((9, 8),), factored=True, positions=1, lam=0.1),
}


@lru_cache
def solution_of(name):
    solution = nl.solve(PROBLEMS[name])
    assert solution.gap < 1e-12
    return solution


def padded(name, extra):
    """The certified optimum's factors with `extra` columns of zeros."""
    problem, solution = PROBLEMS[name], solution_of(name)
    rank = solution.rank + extra
    return [
        problem.op.like({k: np.pad(x, ((0, 0), (0, rank - x.shape[1]))) for k, x in problem.op.as_dict(side).items()})
        for side in (solution.u, solution.v)
    ]


@pytest.mark.parametrize("extra", [0, 2])
@pytest.mark.parametrize("name", PROBLEMS)
def test_it_is_the_smallest_eigenvalue_of_the_dense_hessian_modulo_gauge(name, extra):
    problem = PROBLEMS[name]
    u, v = padded(name, extra)
    values = projected_eigenvalues(problem, u, v)
    found = tail_curvature(problem, u, v)
    assert found == pytest.approx(values[0], rel=1e-6)
    # The balance gives 2λ, an idle column λ − σ ≤ λ.
    assert found <= (1.0 if extra else 2.0) * problem.lam * (1 + 1e-9)
    assert values[-1] <= largest_curvature(problem, u, v) * (1 + 1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_unbalancing_the_factors_is_an_eigenvector_of_twice_the_decay(name):
    problem = PROBLEMS[name]
    u, v = padded(name, 0)
    us, vs = (problem.op.as_dict(side) for side in (u, v))
    rng = np.random.default_rng(0)
    parts = []
    for k in us:
        mix = rng.standard_normal((us[k].shape[1],) * 2)
        mix += mix.T
        parts.append(np.concatenate([us[k] @ mix, -vs[k] @ mix]).ravel())
    direction = np.concatenate(parts)
    image = dense_hessian(problem, u, v) @ direction
    np.testing.assert_allclose(image, 2 * problem.lam * direction, atol=1e-6 * np.abs(image).max())


@pytest.mark.parametrize("name", PROBLEMS)
def test_descent_ends_at_the_certified_rate_and_at_no_other(name):
    problem, solution = PROBLEMS[name], solution_of(name)
    u, v = padded(name, 1)
    rate = 1 / largest_curvature(problem, u, v)
    rng = np.random.default_rng(5)
    near = jax.tree.map(lambda x: x + 0.02 * rng.standard_normal(x.shape), (u, v))
    path = nl.train_factors(problem, *near, steps=30_000, learning_rate=rate)
    excess = np.asarray(path.objective) - solution.primal
    first, last = (int(np.argmax(excess < level * solution.primal)) for level in (1e-9, 1e-11))
    assert 0 < first < last
    measured = np.log(excess[first] / excess[last]) / (last - first)
    certified = -2 * np.log1p(-rate * tail_curvature(problem, u, v))
    assert measured == pytest.approx(certified, rel=0.01)
    # Controls: the first power of the contraction, or the decay in the place of mu, are refuted by the same digits.
    assert abs(0.5 * certified / measured - 1) > 0.1
    assert abs(-2 * np.log1p(-2 * rate * problem.lam) / measured - 1) > 0.1


def test_a_saddle_has_no_tail():
    assert tail_curvature(PROBLEMS["wide, most unseen"], np.zeros((9, 1)), np.zeros((8, 1))) is None
