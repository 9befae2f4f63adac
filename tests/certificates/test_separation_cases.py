"""Separable data have no minimizer without weight decay; everything else has."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.separation import has_minimizer
from ntklora.problem.objective import training_loss
from tests.certificates.descent import descend
from tests.certificates.random_problems import random_problem


@pytest.mark.parametrize(("loss", "k"), [("logistic", 1), ("cross_entropy", 3)])
def test_existence_agrees_with_descent(loss, k):
    # Six coordinates: few samples are separable, many are not; descent then runs off to infinity, or stays.
    found = set()
    for n in (4, 8, 12, 40):
        for seed in range(3):
            problem = random_problem(seed, loss, n=n, k=k, shapes=((2, 3),), lam=0.0)
            us, vs = descend(problem, 2, np.random.default_rng(seed))
            loss_there = training_loss(problem, problem.f0 + problem.op.apply_factors(us, vs))
            assert has_minimizer(problem) == (loss_there > 1e-6)
            found.add(has_minimizer(problem))
    assert found == {True, False}


def test_weight_decay_and_squared_loss_always_have_one():
    assert has_minimizer(random_problem(0, "logistic", n=3, lam=1e-3))
    assert has_minimizer(random_problem(0, "squared", n=3, lam=0.0))


def test_one_direction_that_raises_one_margin_is_enough():
    # Two samples that contradict each other and one that is free: the infimum is not attained.
    g = np.zeros((3, 1, 1, 2))
    g[:2, 0, 0, 0], g[2, 0, 0, 1] = 1.0, 1.0
    y = np.array([1.0, -1.0, 1.0])
    problem = nl.Problem(nl.TangentOperator.from_dense(g), np.zeros(3), y, "logistic", 0.0)
    assert not has_minimizer(problem)
