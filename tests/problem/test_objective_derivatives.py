"""Property: the objective's closed-form derivatives are its derivatives, for every loss and number of layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from ntklora.problem import objective as ob
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

TARGETS = {"squared": None, "logistic": [-1, 1, 1, -1, 1], "cross_entropy": [0, 2, 1, 1, 0]}


def make(loss: str, layers: int, perturbed: bool, seed: int = 0) -> tuple[Problem, dict, dict]:
    rng = np.random.default_rng(seed)
    k = 1 if loss == "logistic" else 3
    a = {f"l{i}": rng.normal(size=(5, 2, 6 + i)) for i in range(layers)}
    b = {f"l{i}": rng.normal(size=(5, k, 2, 4 + i)) for i in range(layers)}
    op = TangentOperator.from_factors(a, b)
    y = rng.normal(size=(5, k)) if loss == "squared" else TARGETS[loss]
    bumps = {name: rng.normal(size=(m + n, m + n)) for name, (m, n) in op.shapes.items()}
    psd = {name: bump @ bump.T / 10 for name, bump in bumps.items()} if perturbed else None
    u = {name: rng.normal(size=(m, 2)) for name, (m, n) in op.shapes.items()}
    v = {name: rng.normal(size=(n, 2)) for name, (m, n) in op.shapes.items()}
    return Problem(op, rng.normal(size=(5, k)), y, loss, 0.3, psd), u, v


@pytest.mark.parametrize("loss", sorted(TARGETS))
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("perturbed", [False, True])
def test_factor_gradients_match_automatic_differentiation(loss, layers, perturbed):
    problem, u, v = make(loss, layers, perturbed)
    auto = jax.grad(lambda uv: nl.objective(problem, *uv))(jax.tree.map(jnp.asarray, (u, v)))
    closed = ob.factor_gradients(problem, u, v)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-12), closed, auto)


def test_gradient_is_twice_the_kkt_matrix_times_the_stacked_factors():
    problem, u, v = make("cross_entropy", 2, True)
    z = problem.f0 + problem.op.apply_factors(u, v)
    matrices = ob.kkt_matrices(problem, ob.gradient_matrices(problem, ob.dual_vector(problem, z)))
    left, right = ob.factor_gradients(problem, u, v)
    for name, s in matrices.items():
        np.testing.assert_allclose(2 * s @ ob.stack(u[name], v[name]), ob.stack(left[name], right[name]), atol=1e-12)


def test_balanced_factors_attain_the_nuclear_norm():
    delta = np.random.default_rng(1).normal(size=(5, 7))
    u, v = ob.balanced_factors(delta)
    np.testing.assert_allclose(u @ v.T, delta, atol=1e-13)
    assert (np.sum(u**2) + np.sum(v**2)) / 2 == pytest.approx(np.linalg.norm(delta, "nuc"), rel=1e-13)


@pytest.mark.parametrize("shape", [(5, 7, 2), (9, 4, 6), (6, 6, 1)])
def test_balanced_factors_of_a_product_are_those_of_the_matrix(shape):
    m, n, columns = shape
    rng = np.random.default_rng(2)
    u, v = rng.normal(size=(m, columns)), rng.normal(size=(n, columns))
    left, right = ob.balanced_product(u, v)
    np.testing.assert_allclose(left @ right.T, u @ v.T, atol=1e-13)
    np.testing.assert_allclose(left.T @ left, right.T @ right, atol=1e-13)
    assert (np.sum(left**2) + np.sum(right**2)) / 2 == pytest.approx(np.linalg.norm(u @ v.T, "nuc"), rel=1e-13)


def test_zero_is_optimal_exactly_from_lam_max_on():
    problem, u, v = make("logistic", 2, False)
    top = nl.lam_max(problem)

    def step(lam):
        return nl.objective(problem.with_lam(lam), *direction) - nl.objective(problem.with_lam(lam), *zero)

    gammas = ob.gradient_matrices(problem, ob.dual_vector(problem, problem.f0))
    name = max(gammas, key=lambda key: np.linalg.norm(gammas[key], 2))
    left, _, right = np.linalg.svd(gammas[name])
    zero = jax.tree.map(np.zeros_like, (u, v))
    direction = jax.tree.map(np.copy, zero)
    direction[0][name][:, 0], direction[1][name][:, 0] = -1e-3 * left[:, 0], 1e-3 * right[0]
    assert step(0.999 * top) < 0 < step(1.001 * top)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lam": -0.1}, "lam must be"),
        ({"lam": np.nan}, "lam must be"),
        ({"f0": np.zeros((4, 3))}, "f0 has shape"),
        ({"f0": np.full((5, 3), np.nan)}, "f0 has 15 entries"),
        ({"loss": "hinge"}, "unknown loss"),
        ({"perturbation": {"l0": np.eye(3)}}, "expected .m.n, m.n."),
        ({"perturbation": {"l0": -np.eye(10)}}, "positive semidefinite"),
        ({"perturbation": {"l9": np.eye(10)}}, "keys"),
    ],
)
def test_wrong_arguments_are_refused_by_name(change, words):
    problem, _, _ = make("squared", 1, False)
    arguments = {"op": problem.op, "f0": problem.f0, "y": problem.y, "loss": "squared", "lam": 0.1, **change}
    with pytest.raises(ValueError, match=words):
        Problem(**arguments)
