"""Descent in the coordinates of the data is descent on the factors: every layout, shape and trained side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntklora.adapters.descent import descent
from ntklora.adapters.learning_rate import adjoint_norm, operator_norm
from ntklora.adapters.training import Trained, scaled_objective, train_factors
from ntklora.data.gaussian import gaussian_factors, gaussian_features
from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Dense, Factored, Transposed, TwoSided
from ntklora.tangent.operator import TangentOperator

N, K = 5, 2


def factored(positions, shape, seed):
    a, b = gaussian_factors(N, K, positions, shape, seed=seed)
    return Factored(a / shape[1] ** 0.5, b / shape[0] ** 0.5)


BLOCKS = {
    "wide: both factors through their rows": factored(1, (40, 30), 1),
    "narrow right: the factor itself": factored(1, (40, 2), 2),
    "many positions: whole": factored(9, (4, 3), 3),
    "wide, two positions": factored(2, (50, 40), 4),
    "transposed": Transposed(factored(1, (6, 30), 5)),
    "met both ways": TwoSided(factored(1, (6, 7), 6), Transposed(factored(2, (7, 6), 7))),
    "dense": Dense(gaussian_features(N, K, (4, 6), seed=8) / 5),
}


def problem_of(*blocks, loss="cross_entropy", lam=0.05):
    op = TangentOperator({f"w{i}": block for i, block in enumerate(blocks)})
    rng = np.random.default_rng(9)
    y = {"cross_entropy": np.arange(N) % K, "squared": rng.standard_normal((N, K))}[loss]
    return Problem(op, rng.standard_normal((N, K)), y, loss, lam)


def starts(problem, rank, dtype=np.float64):
    rng = np.random.default_rng(10)
    us, vs = {}, {}
    for name, (m, n) in problem.shapes.items():
        us[name], vs[name] = (rng.standard_normal((size, rank)).astype(dtype) for size in (m, n))
    return us, vs


def plain(problem, us, vs, scale, rate, steps, trained):
    """Gradient descent as it is written: the gradient of F_s in the factors, times the step."""
    value = jax.jit(jax.value_and_grad(lambda u, v: scaled_objective(problem, u, v, scale), (0, 1)))
    values = []
    for _ in range(steps):
        now, slopes = value(us, vs)
        values.append(now)
        kept = (trained is Trained.right, trained is Trained.left)
        us, vs = (
            x if keep else jax.tree.map(lambda p, g: p - rate * g, x, slope)
            for x, slope, keep in zip((us, vs), slopes, kept)
        )
    return us, vs, np.array([*values, value(us, vs)[0]])


def same_path(problem, *, trained=Trained.both, steps=40, rate=0.2, scale=0.8, rtol=1e-11):
    us, vs = starts(problem, 3)
    path = train_factors(problem, us, vs, steps=steps, learning_rate=rate, trained=trained, scale=scale)
    u, v, values = plain(problem, us, vs, scale, rate, steps, trained)
    np.testing.assert_allclose(path.objective, values, rtol=rtol, atol=1e-14 * values[0])
    assert values[-1] < values[0]
    for name in u:
        np.testing.assert_allclose(path.u[name], u[name], rtol=rtol, atol=10 * rtol)
        np.testing.assert_allclose(path.v[name], v[name], rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_every_layout_follows_the_plain_path(block):
    same_path(problem_of(block))


@pytest.mark.parametrize("trained", [Trained.left, Trained.right])
def test_a_frozen_factor_stays(trained):
    same_path(problem_of(BLOCKS["wide: both factors through their rows"], BLOCKS["dense"]), trained=trained)


@pytest.mark.parametrize(("loss", "lam"), [("squared", 0.0), ("squared", 0.3)])
def test_several_weights_with_and_without_decay(loss, lam):
    same_path(problem_of(*BLOCKS.values(), loss=loss, lam=lam), rate=0.05)


def test_layouts_are_those_that_their_names_say():
    """Otherwise the cases above would test one path several times."""
    kinds = {}
    for name, block in BLOCKS.items():
        problem = problem_of(block)
        (weight,) = descent(problem, *starts(problem, 3), 1.0, (True, True)).weights.values()
        kinds[name] = tuple(side.gram is not None for side in weight.sides)
    assert kinds == {
        "wide: both factors through their rows": (True, True),
        "narrow right: the factor itself": (True, False),
        "many positions: whole": (False, False),
        "wide, two positions": (True, True),
        "transposed": (True, True),
        "met both ways": (False, False),
        "dense": (False, False),
    }


def test_single_precision_stays_single():
    block = jax.tree.map(lambda x: x.astype(np.float32), BLOCKS["wide: both factors through their rows"])
    problem = problem_of(block)
    us, vs = starts(problem, 3, np.float32)
    path = train_factors(problem, us, vs, steps=40, learning_rate=0.2)
    assert path.u["w0"].dtype == path.v["w0"].dtype == np.float32
    *_, values = plain(problem_of(BLOCKS["wide: both factors through their rows"]), us, vs, 1.0, 0.2, 40, Trained.both)
    np.testing.assert_allclose(path.objective, values, rtol=1e-5)


@pytest.mark.parametrize("positions", [1, 2])
def test_the_norm_of_the_gradient_is_that_of_its_matrix(positions):
    block = factored(positions, (40, 30), 11)
    alpha = jnp.asarray(np.random.default_rng(12).standard_normal((N, K)))
    for each in (block, Transposed(block)):
        np.testing.assert_allclose(adjoint_norm(each, alpha), operator_norm(each.adjoint(alpha)), rtol=1e-12)
    assert adjoint_norm(block, jnp.zeros((N, K))) == 0.0
