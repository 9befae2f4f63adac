"""Property: optax's descent, momentum and Adam train as their formulas say; Adam alone sees the coordinates."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ntklora.adapters.training import train_factors
from ntklora.problem.objective import factor_gradients
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from tests.solvers.instances import random_factors, random_problem

PROBLEM = random_problem(1, "logistic", layout="dense")
START = tuple(x["w"] for x in random_factors(2, PROBLEM, 2))
RATE = 0.05


def heavy_ball(start, steps):
    """`m ← 0.9 m + g, Q ← Q − η m`."""
    at, moment = start, [0.0, 0.0]
    for _ in range(steps):
        slopes = [side["w"] for side in factor_gradients(PROBLEM, *at)]
        moment = [0.9 * m + g for m, g in zip(moment, slopes)]
        at = tuple(x - RATE * m for x, m in zip(at, moment))
    return at


def adam(start, steps):
    """Kingma & Ba, algorithm 1."""
    at, first, second = start, [0.0, 0.0], [0.0, 0.0]
    for k in range(1, steps + 1):
        slopes = [side["w"] for side in factor_gradients(PROBLEM, *at)]
        first = [0.9 * m + 0.1 * g for m, g in zip(first, slopes)]
        second = [0.999 * s + 0.001 * g**2 for s, g in zip(second, slopes)]
        at = tuple(
            x - RATE * (m / (1 - 0.9**k)) / (np.sqrt(s / (1 - 0.999**k)) + 1e-8) for x, m, s in zip(at, first, second)
        )
    return at


@pytest.mark.parametrize(
    ("optimizer", "formula"), [(optax.sgd(RATE, 0.9), heavy_ball), (optax.adam(RATE), adam)], ids=["momentum", "adam"]
)
def test_an_optimizer_follows_its_formula(optimizer, formula):
    path = train_factors(PROBLEM, *START, steps=15, optimizer=optimizer)
    for found, expected in zip((path.u, path.v), formula(START, 15)):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_descent_by_optax_is_descent_in_the_coordinates_of_the_data():
    by_optax = train_factors(PROBLEM, *START, steps=15, optimizer=optax.sgd(RATE))
    np.testing.assert_allclose(
        by_optax.objective, train_factors(PROBLEM, *START, steps=15, learning_rate=RATE).objective, rtol=1e-11
    )


def test_rates_of_a_batch_may_differ_inside_the_optimizer():
    def run(rate):
        return train_factors(PROBLEM, *START, steps=15, optimizer=optax.sgd(rate, 0.9)).objective

    rates = jnp.array([0.01, RATE])
    np.testing.assert_allclose(jax.jit(jax.vmap(run))(rates)[1], run(RATE), rtol=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "invariant"),
    [(optax.sgd(RATE), True), (optax.sgd(RATE, 0.9), True), (optax.adam(RATE), False)],
    ids=["descent", "momentum", "adam"],
)
def test_adam_alone_depends_on_the_coordinates(optimizer, invariant):
    """Why Adam is never run on the reduced problem: a rotation of both spaces changes its path."""
    rng = np.random.default_rng(3)
    left, right = (np.linalg.qr(rng.standard_normal((size, size)))[0] for size in (6, 5))
    turned = TangentOperator.from_dense(np.einsum("am,ijmn,bn->ijab", left, PROBLEM.op.dense(), right))
    problem = Problem(turned, PROBLEM.f0, PROBLEM.y, "logistic", PROBLEM.lam)
    path = train_factors(PROBLEM, *START, steps=15, optimizer=optimizer).objective
    other = train_factors(problem, left @ START[0], right @ START[1], steps=15, optimizer=optimizer).objective
    apart = float(np.max(np.abs(other / path - 1)))
    assert apart < 1e-11 if invariant else apart > 1e-3
