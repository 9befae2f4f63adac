"""Training follows the plain loop, the closed forms, and the conserved quantity of its flow."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ntklora.adapters.lora import train_lora
from ntklora.adapters.training import Trained, train_factors, train_to_end
from ntklora.data.gaussian import gaussian_factors, gaussian_features
from ntklora.instances.matrix_factorization import matrix_factorization
from ntklora.problem.objective import objective
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory import hrp

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


def logistic_problem(lam=0.02, perturbation=None):
    op = TangentOperator.from_dense(gaussian_features(8, 1, (5, 4), seed=1) / 4)
    f0, y = 0.1 * RNG.standard_normal((8, 1)), np.sign(RNG.standard_normal(8))
    return Problem(op, f0, y, "logistic", lam, perturbation)


def two_weights(lam=0.02):
    a, b = gaussian_factors(6, 3, 2, (5, 4), seed=2)
    a2, b2 = gaussian_factors(6, 3, 1, (3, 7), seed=3)
    op = TangentOperator.from_factors({"q": a / 4, "v": a2 / 4}, {"q": b, "v": b2})
    return Problem(op, np.zeros((6, 3)), np.arange(6) % 3, "cross_entropy", lam)


def psd(size):
    root = RNG.standard_normal((size, size))
    return 0.01 * root @ root.T


@pytest.mark.parametrize("trained", Trained)
@pytest.mark.parametrize("rate", [None, 0.3])
def test_the_end_of_a_path_is_where_the_path_ends_for_every_number_of_steps(trained, rate):
    problem, us, vs = two_weights(), {"q": (5, 2), "v": (3, 2)}, {"q": (4, 2), "v": (7, 2)}
    us, vs = ({name: 3.0 * RNG.standard_normal(shape) for name, shape in side.items()} for side in (us, vs))
    how = {"learning_rate": rate, "trained": trained, "scale": 0.7}
    traces = []

    @jax.jit
    def end(steps):
        traces.append(steps)
        return train_to_end(problem, us, vs, steps=steps, **how)

    for steps in (0, 1, 40):
        path, found = train_factors(problem, us, vs, steps=steps, **how), end(steps)
        for name in us:
            np.testing.assert_allclose(found.u[name], path.u[name], rtol=1e-10)
            np.testing.assert_allclose(found.v[name], path.v[name], rtol=1e-10)
        np.testing.assert_allclose(found.objective, path.objective[-1], rtol=1e-12)
        np.testing.assert_allclose(found.learning_rate, path.learning_rate, rtol=1e-12)
    assert len(traces) == 1


@pytest.mark.parametrize("trained", Trained)
def test_gradient_descent_is_the_plain_loop(trained):
    problem = logistic_problem(perturbation=psd(9))
    u, v, scale, rate = RNG.standard_normal((5, 2)), RNG.standard_normal((4, 2)), 0.7, 0.3
    path = train_factors(problem, u, v, steps=12, learning_rate=rate, trained=trained, scale=scale)

    def value(u, v):
        z = problem.f0[:, 0] + jnp.einsum("ikmn,mr,nr->i", problem.op.blocks["w"].g, scale * u, v)
        q = jnp.concatenate([u, v])
        penalty = 0.01 * (jnp.sum(u**2) + jnp.sum(v**2)) + jnp.sum(q * (problem.perturbation["w"] @ q))
        return jnp.mean(jnp.log1p(jnp.exp(-problem.y * z))) + penalty

    values, step = [], jax.jit(jax.value_and_grad(value, (0, 1)))
    for _ in range(12):
        now, (gu, gv) = step(u, v)
        values.append(now)
        u = u - rate * gu if trained != Trained.right else u
        v = v - rate * gv if trained != Trained.left else v
    np.testing.assert_allclose(path.u, u, rtol=1e-10)
    np.testing.assert_allclose(path.v, v, rtol=1e-10)
    np.testing.assert_allclose(path.objective, [*values, step(u, v)[0]], rtol=1e-10)


def test_path_ends_at_the_objective_of_its_factors():
    problem = two_weights()
    path = train_lora(problem, 2, KEY, steps=8, learning_rate=0.1)
    assert path.objective.shape == (9,)
    assert {name: u.shape for name, u in path.u.items()} == {"q": (5, 2), "v": (3, 2)}
    assert {name: v.shape for name, v in path.v.items()} == {"q": (4, 2), "v": (7, 2)}
    np.testing.assert_allclose(path.objective[-1], objective(problem, path.u, path.v), rtol=1e-12)


def test_factored_and_dense_features_are_trained_alike():
    """Many positions: the path goes through G itself, whichever was given."""
    a, b = gaussian_factors(6, 2, 30, (3, 5), seed=5)
    op = TangentOperator.from_factors(a / 10, b)
    paths = [
        train_lora(Problem(each, np.zeros((6, 2)), np.arange(6) % 2, "cross_entropy", 0.02), 3, KEY, steps=40)
        for each in (op, TangentOperator.from_dense(op.dense()))
    ]
    np.testing.assert_allclose(paths[0].objective, paths[1].objective, rtol=1e-11)
    np.testing.assert_allclose(paths[0].v, paths[1].v, atol=1e-11)


@pytest.mark.parametrize("learning_rate", [None, 0.05])
def test_columns_of_zeros_stay_zero_and_change_nothing(learning_rate):
    problem = two_weights()
    us = {"q": RNG.standard_normal((5, 2)), "v": RNG.standard_normal((3, 2))}
    vs = {"q": RNG.standard_normal((4, 2)), "v": RNG.standard_normal((7, 2))}
    wide = [{name: np.pad(x, ((0, 0), (0, 3))) for name, x in factors.items()} for factors in (us, vs)]
    path = train_factors(problem, us, vs, steps=30, learning_rate=learning_rate)
    padded = train_factors(problem, *wide, steps=30, learning_rate=learning_rate)
    np.testing.assert_allclose(padded.objective, path.objective, rtol=1e-12)
    for name in us:
        assert not np.asarray(padded.u[name])[:, 2:].any()
        assert not np.asarray(padded.v[name])[:, 2:].any()
        np.testing.assert_allclose(padded.v[name][:, :2], path.v[name], rtol=1e-9, atol=1e-12)


def test_a_batch_over_keys_is_its_members():
    problem = logistic_problem()
    keys = jnp.stack([jax.random.key(9), KEY])
    batch = jax.vmap(lambda key: train_lora(problem, 2, key, steps=8))(keys)
    single = train_lora(problem, 2, KEY, steps=8)
    np.testing.assert_allclose(batch.objective[1], single.objective, rtol=1e-10)
    np.testing.assert_allclose(batch.u[1], single.u, rtol=1e-8, atol=1e-12)


def test_an_optimizer_of_optax_trains_and_leaves_the_frozen_factor_alone():
    problem = logistic_problem(lam=0.0)
    u, v = jnp.zeros((5, 2)), jnp.asarray(RNG.standard_normal((4, 2)))
    optimizer = optax.adamw(0.05, weight_decay=0.1)
    path = train_factors(problem, u, v, steps=30, optimizer=optimizer, trained="left")
    np.testing.assert_array_equal(path.v, v)
    assert path.objective[-1] < 0.8 * path.objective[0]
    assert np.isnan(path.learning_rate)


def test_asymmetric_descent_is_the_closed_form():
    target, right = RNG.standard_normal((4, 6)), RNG.standard_normal((6, 3))
    problem = matrix_factorization(target)
    path = train_factors(problem, np.zeros((4, 3)), right, steps=17, learning_rate=0.02, trained="left", scale=1.3)
    expected = hrp.asymmetric_descent(target, right, 0.02, 17, 1.3)
    np.testing.assert_allclose(1.3 * path.u @ path.v.T, expected, atol=1e-12)


def test_weight_decay_balances_the_factors_at_the_rate_of_the_flow():
    """uᵀu − vᵀv decays as e^{−2λt} along the flow: the error of descent at fixed time is of first order in the step."""
    problem, start, time = logistic_problem(lam=0.3), (RNG.standard_normal((5, 2)), RNG.standard_normal((4, 2))), 2.0

    def imbalance(u, v):
        return np.asarray(u.T @ u - v.T @ v)

    errors = []
    for steps in (200, 400):
        path = train_factors(problem, *start, steps=steps, learning_rate=time / steps)
        errors.append(np.linalg.norm(imbalance(path.u, path.v) - np.exp(-0.6 * time) * imbalance(*start)))
    assert errors[0] < 0.02 * np.linalg.norm(imbalance(*start))
    np.testing.assert_allclose(errors[0] / errors[1], 2.0, rtol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 0}, "rank must be a whole number >= 1, got 0"),
        ({"steps": -1}, "steps must be a whole number >= 0, got -1"),
        ({"learning_rate": 0.1, "optimizer": optax.sgd(0.1)}, "not both"),
        ({"initialization": "kaimming"}, "did you mean 'kaiming'"),
        ({"trained": "middle"}, "trained must be one of both, left, right, got 'middle'"),
    ],
)
def test_misuse_is_named(arguments, message):
    options = {"rank": 2, "key": KEY, "steps": 1, **arguments}
    with pytest.raises(ValueError, match=message):
        train_lora(logistic_problem(), **options)


def test_factors_of_the_wrong_shape_are_named():
    with pytest.raises(ValueError, match=r"u \(4, 2\), v \(4, 2\); expected \(5, r\) and \(4, r\)"):
        train_factors(logistic_problem(), np.zeros((4, 2)), np.zeros((4, 2)), steps=1)
