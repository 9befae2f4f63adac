"""The default step descends always; the smoothness it rests on is that of the Hessian."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntklora.adapters.initializations import Gaussian
from ntklora.adapters.learning_rate import frozen_factor_rate, local_rate, operator_norm
from ntklora.adapters.lora import train_lora
from ntklora.adapters.training import scaled_objective, train_factors
from ntklora.data.gaussian import gaussian_features
from ntklora.problem.problem import Problem
from ntklora.problem.smoothness import loss_smoothness
from ntklora.tangent.operator import TangentOperator

RNG = np.random.default_rng(1)


def problem(loss="squared", lam=0.05):
    op = TangentOperator.from_dense(gaussian_features(7, 2, (4, 5), seed=4))
    y = {"squared": 3.0 * RNG.standard_normal((7, 2)), "cross_entropy": np.arange(7) % 2}[loss]
    return Problem(op, RNG.standard_normal((7, 2)), y, loss, lam)


def test_operator_norm_bounds_the_largest_singular_value_closely():
    for matrix in (RNG.standard_normal((6, 9)), np.eye(5), 1e-8 * RNG.standard_normal((7, 2)), np.ones((3, 3))):
        exact, bound = np.linalg.norm(matrix, 2), float(operator_norm(matrix))
        assert exact * (1 - 1e-12) <= bound <= exact * min(matrix.shape) ** (1 / 128) * (1 + 1e-12)
    assert operator_norm(np.zeros((3, 2))) == 0.0


def test_smoothness_is_that_of_the_squared_loss():
    p = problem()
    rows = p.op.blocks["w"].g.reshape(14, -1)
    np.testing.assert_allclose(loss_smoothness(p), np.linalg.norm(rows, 2) ** 2 / 7, rtol=0.02)


def test_rates_are_below_the_reciprocal_curvature():
    p, s = problem(), jnp.asarray(1.4)
    u, v = jnp.asarray(RNG.standard_normal((4, 2))), jnp.asarray(RNG.standard_normal((5, 2)))

    def value(x):
        return scaled_objective(p, {"w": x[:8].reshape(4, 2)}, {"w": x[8:].reshape(5, 2)}, s)

    hessian = jax.jit(jax.hessian(value))(jnp.concatenate([u.ravel(), v.ravel()]))
    # 2 %: the power iteration's slack.
    assert np.linalg.eigvalsh(hessian)[-1] <= 1.02 / local_rate(p, {"w": u}, {"w": v}, s)
    assert np.linalg.eigvalsh(hessian[:8, :8])[-1] <= 1.02 / frozen_factor_rate(p, {"w": v}, s)


@pytest.mark.parametrize(
    ("loss", "lam", "trained"),
    [
        ("squared", 0.05, "both"),
        ("cross_entropy", 0.0, "both"),
        ("squared", 0.0, "left"),
        ("cross_entropy", 0.05, "left"),
    ],
)
def test_the_objective_never_rises_at_the_default_step(loss, lam, trained):
    """From a small start the curvature grows along the path, which is what the halving is for."""
    start = Gaussian(0.01 if trained == "both" else 1.0)
    path = train_lora(problem(loss, lam), 3, jax.random.key(0), steps=150, trained=trained, initialization=start)
    assert np.all(np.diff(path.objective) <= 1e-13 * path.objective[0])
    assert path.objective[-1] < 0.9 * path.objective[0]


def test_the_default_step_is_the_largest_halving_of_the_local_one_along_which_the_objective_never_rises():
    """Against the plain search, one whole path for each candidate, with cells that need different halvings batched."""
    p, steps = problem("squared", 0.02), 120
    us = jnp.zeros((3, 4, 2))
    vs = jnp.stack([jnp.asarray(RNG.standard_normal((5, 2))) * size for size in (0.01, 0.3, 3.0)])
    kept = (0, 1, 7, 60, 120)
    batch = jax.jit(jax.vmap(lambda u, v: train_factors(p, u, v, steps=steps, kept=kept)))(us, vs)
    halvings = []
    for index in range(3):
        u, v = us[index], vs[index]
        first = local_rate(p, {"w": u}, {"w": v}, jnp.asarray(1.0))
        for count in range(20):
            plain = train_factors(p, u, v, steps=steps, learning_rate=first / 2**count)
            if np.all(np.diff(plain.objective) <= 1e-14 * plain.objective[0]):
                break
        halvings.append(count)
        np.testing.assert_allclose(batch.learning_rate[index], plain.learning_rate, rtol=1e-12)
        np.testing.assert_allclose(batch.objective[index], plain.objective[np.array(kept)], rtol=1e-10)
        np.testing.assert_allclose(batch.u[index], plain.u, atol=1e-9)
        alone = train_factors(p, u, v, steps=steps)
        np.testing.assert_allclose(alone.objective, plain.objective, rtol=1e-10)
    assert len(set(halvings)) > 1


def test_steps_to_keep_that_are_none_are_refused():
    u, v = np.zeros((4, 2)), np.ones((5, 2))
    for kept in ((), (0, 9), (3, 1), (-1, 2)):
        with pytest.raises(ValueError, match="rising steps from 0 to 8"):
            train_factors(problem(), u, v, steps=8, kept=kept)
