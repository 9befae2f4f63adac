"""Property: each loss, its gradient, Hessian factor and conjugate belong to the same convex function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from ntklora.problem.losses import LOSSES, CrossEntropy, Logistic, Squared, resolve_loss

RNG = np.random.default_rng(0)
N = 6
CASES = {
    "squared": (RNG.normal(size=(N, 3)), RNG.normal(size=(N, 3))),
    "logistic": (3 * RNG.normal(size=(N, 1)), np.where(RNG.random(N) < 0.5, -1.0, 1.0)),
    "cross_entropy": (3 * RNG.normal(size=(N, 4)), RNG.integers(4, size=N)),
}


@pytest.fixture(params=sorted(CASES))
def case(request):
    return LOSSES[request.param], *CASES[request.param]


def test_gradient_is_the_derivative_of_the_value(case):
    loss, z, y = case
    auto = jax.grad(lambda z: loss.value(z, jnp.asarray(y)).sum())(jnp.asarray(z))
    np.testing.assert_allclose(loss.gradient(z, y), auto, atol=1e-14)


def test_hessian_factor_squares_to_the_hessian(case):
    loss, z, y = case

    def one(z, y):
        return loss.value(z[None], y[None])[0]

    auto = jax.vmap(jax.hessian(one))(jnp.asarray(z), jnp.asarray(y))
    factor = loss.hessian_factor(z, y)
    np.testing.assert_allclose(factor @ factor.swapaxes(1, 2), auto, atol=1e-14)


def test_hessian_bounds_hold_within_reach_and_are_met_at_its_ends(case):
    loss, z, y = case
    reach = 0.5 + RNG.random(z.shape)
    low, high = loss.hessian_bounds(z, reach)
    seen = []
    for t in np.linspace(-1.0, 1.0, 201):
        factor = loss.hessian_factor(z + t * reach, y)
        values = np.linalg.eigvalsh(factor @ factor.swapaxes(1, 2))
        assert (values.min(1) >= low - 1e-14).all()
        assert (values.max(1) <= high + 1e-14).all()
        seen.append(values)
    if loss.name != "cross_entropy":
        np.testing.assert_allclose(np.min(seen, (0, 2)), low, rtol=1e-3)
        np.testing.assert_allclose(np.max(seen, (0, 2)), high, rtol=1e-3)


def test_fenchel_young_holds_with_equality_at_the_gradient(case):
    loss, z, y = case
    alpha = loss.gradient(z, y)
    np.testing.assert_allclose(loss.value(z, y) + loss.conjugate(alpha, y), (alpha * z).sum(1), atol=1e-13)


def test_conjugate_is_the_supremum_found_by_scipy(case):
    loss, z, y = case
    alpha = 0.7 * loss.gradient(z, y)  # inside the domain, not the gradient at z
    for i in range(3):
        row = slice(i, i + 1)
        found = minimize(lambda w, row=row: (loss.value(w[None], y[row]) - alpha[row] @ w)[0], z[i], tol=1e-12)
        np.testing.assert_allclose(loss.conjugate(alpha[row], y[row])[0], -found.fun, atol=1e-7)


def test_conjugate_is_infinite_outside_its_domain():
    assert np.isinf(Logistic().conjugate(np.array([[0.1]]), np.array([1.0]))[0])
    assert np.isinf(Logistic().conjugate(np.array([[-1.1]]), np.array([1.0]))[0])
    assert np.isinf(CrossEntropy().conjugate(np.array([[0.1, 0.0]]), np.array([0]))[0])
    assert np.isinf(CrossEntropy().conjugate(np.array([[0.2, -0.2]]), np.array([0]))[0])
    assert np.isfinite(CrossEntropy().conjugate(np.array([[-1.0, 1.0]]), np.array([0]))[0])


def test_smoothness_bounds_the_hessian_and_lipschitz_the_gradient(case):
    loss, z, y = case
    factor = loss.hessian_factor(z, y)
    assert np.linalg.norm(factor, 2, axis=(1, 2)).max() ** 2 <= loss.smoothness * (1 + 1e-12)
    assert np.linalg.norm(loss.gradient(z, y), axis=1).max() <= loss.lipschitz


def test_tiny_probabilities_keep_relative_accuracy():
    z, y = np.array([[40.0]]), np.array([1.0])
    assert Logistic().gradient(z, y)[0, 0] == pytest.approx(-np.exp(-40.0), rel=1e-12)
    hot = CrossEntropy().gradient(np.array([[40.0, 0.0]]), np.array([0]))[0]
    assert hot[0] == pytest.approx(-np.exp(-40.0), rel=1e-12)


@pytest.mark.parametrize(
    ("loss", "y", "outputs", "words"),
    [
        ("logistic", [0, 1, 1], 1, "2*y - 1"),
        ("logistic", [-1, 1], 1, "3 samples"),
        ("logistic", [-1, 1, 1], 2, "cross_entropy"),
        ("cross_entropy", [0, 1, 5], 3, "0 to 2"),
        ("cross_entropy", [0, 1, 0.5], 3, "integers"),
        ("cross_entropy", [0, 0, 0], 1, "logistic"),
        ("squared", [[1.0], [2.0]], 1, "(N, K)"),
        ("squared", [1.0, np.nan, 0.0], 1, "not finite"),
        ("squared", ["a", "b", "c"], 1, "numbers"),
    ],
)
def test_wrong_targets_are_refused_with_the_mend(loss, y, outputs, words):
    with pytest.raises(
        ValueError, match=words.replace("(", r"\(").replace("*", r"\*").replace(")", r"\)").replace("+", r"\+")
    ):
        resolve_loss(loss).encode(np.asarray(y), 3, outputs)


def test_an_unknown_loss_names_the_known_ones():
    with pytest.raises(ValueError, match="squared, logistic, cross_entropy"):
        resolve_loss("hinge")
    assert resolve_loss(Squared()).name == "squared"


@pytest.mark.parametrize("classes", [2, 4])
def test_the_factor_of_cross_entropy_keeps_tiny_probabilities(classes):
    z = np.array([np.linspace(0.0, -60.0, classes), np.linspace(-60.0, 0.0, classes), [-800.0, *[0.0] * (classes - 1)]])
    factor = CrossEntropy().hessian_factor(z, np.zeros(3, int))
    assert factor.shape == (3, classes, classes - 1)
    p = np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
    expected = np.stack([np.diag(row) - np.outer(row, row) for row in p])
    # Diagonal entries without cancellation: p (1 - p), the second factor as the sum of the others.
    others = np.stack([p.sum(1) - p[:, k] if k else p[:, 1:].sum(1) for k in range(classes)], 1)
    expected[:, range(classes), range(classes)] = p * np.where(p > 0.5, others, 1 - p)
    np.testing.assert_allclose(factor @ factor.swapaxes(1, 2), expected, atol=1e-15)
    np.testing.assert_allclose((factor**2).sum(2)[:, 0], p[:, 0] * p[:, 1:].sum(1), rtol=1e-12)
    np.testing.assert_allclose(factor.sum(1), 0.0, atol=1e-15)
