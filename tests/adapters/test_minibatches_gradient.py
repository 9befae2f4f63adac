"""Property: minibatches are unbiased, a whole batch is descent, and the objective reported is the whole one."""

from itertools import combinations

import jax
import numpy as np
import optax
import pytest

from ntklora.adapters.minibatches import restrict_to_samples, train_minibatches
from ntklora.adapters.training import train_factors
from ntklora.problem.objective import factor_gradients, objective
from tests.solvers.instances import random_factors, random_problem

KEY = jax.random.key(0)


@pytest.mark.parametrize(
    ("layout", "loss"),
    [("factored", "squared"), ("dense", "logistic"), ("transposed", "cross_entropy"), ("two-sided", "squared")],
)
def test_the_mean_over_all_batches_is_the_whole(layout, loss):
    """Value and gradient, over every subset of two of four samples."""
    problem = random_problem(1, loss, layout=layout, samples=4, shapes=((6, 6),))
    u, v = (problem.op.like(x) for x in random_factors(2, problem, 2))
    batches = [restrict_to_samples(problem, np.array(pair)) for pair in combinations(range(4), 2)]
    assert {(batch.num_samples, batch.num_outputs) for batch in batches} == {(2, problem.num_outputs)}
    np.testing.assert_allclose(np.mean([objective(b, u, v) for b in batches]), objective(problem, u, v), rtol=1e-12)
    for side in (0, 1):
        slopes = [factor_gradients(batch, u, v)[side]["w"] for batch in batches]
        np.testing.assert_allclose(np.mean(slopes, 0), factor_gradients(problem, u, v)[side]["w"], rtol=1e-10)


def test_batches_of_all_samples_are_gradient_descent():
    problem = random_problem(3, "cross_entropy", shapes=((6, 5), (3, 4)))
    u, v = random_factors(4, problem, 2)
    whole = train_minibatches(problem, u, v, KEY, steps=12, batch_size=10, optimizer=optax.sgd(0.1))
    path = train_factors(problem, u, v, steps=12, learning_rate=0.1)
    np.testing.assert_allclose(whole.objective, path.objective, rtol=1e-11)
    np.testing.assert_allclose(whole.u["w1"], path.u["w1"], rtol=1e-9)


def test_a_constant_step_stays_away_and_a_decaying_one_arrives():
    """Constant for a quarter of the path, then decaying to zero."""
    problem = random_problem(5, lam=0.3)
    u, v = random_factors(6, problem, 3)
    best = train_factors(problem, u, v, steps=3000).objective[-1]
    rates = optax.join_schedules([lambda step: 0.02, optax.cosine_decay_schedule(0.02, 6000)], [2000])
    path = train_minibatches(problem, u, v, KEY, steps=8000, batch_size=2, optimizer=optax.sgd(rates))
    np.testing.assert_allclose(path.objective[-1], objective(problem, path.u, path.v), rtol=1e-12)
    constant, decayed = (
        float(path.objective[stretch].mean()) - best for stretch in (slice(1500, 2000), slice(-50, None))
    )
    assert 0 < decayed < 0.1 * constant


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "1 to N = 10"),
        ({"batch_size": 11}, "1 to N = 10"),
        ({"steps": -1}, "steps must be a whole number >= 0"),
    ],
)
def test_misuse_is_named(options, message):
    problem = random_problem(3)
    given = {"steps": 1, "batch_size": 2, "optimizer": optax.sgd(0.1), **options}
    with pytest.raises(ValueError, match=message):
        train_minibatches(problem, np.zeros((6, 1)), np.ones((5, 1)), KEY, **given)
