"""Property: a weighted row is as many samples as it weighs: same values, same optimum, same certificate."""

import numpy as np
import pytest
from scipy.optimize import minimize

import ntklora as nl
from ntklora.certificates.separation import has_minimizer
from ntklora.problem.losses import LOSSES
from ntklora.problem.weighted import Weighted, unweighted

RNG = np.random.default_rng(0)
COUNTS = np.array([3, 1, 0, 2, 4])


def pair(loss, outputs, lam=0.05):
    """The same data twice: rows with weights, and every sample on its own."""
    g = RNG.normal(size=(len(COUNTS), outputs, 3, 4))
    f0 = 0.1 * RNG.normal(size=(len(COUNTS), outputs))
    y = RNG.integers(outputs, size=len(COUNTS)) if outputs > 1 else RNG.choice([-1.0, 1.0], len(COUNTS))
    weights = len(COUNTS) * COUNTS / COUNTS.sum()
    targets = np.stack([weights, y], 1)
    rows = np.repeat(np.arange(len(COUNTS)), COUNTS)
    operator = nl.TangentOperator.from_dense
    folded = nl.Problem(operator(g), f0, targets, Weighted(LOSSES[loss], float(len(COUNTS))), lam)
    return folded, nl.Problem(operator(g[rows]), f0[rows], y[rows], loss, lam)


@pytest.mark.parametrize(("loss", "outputs"), [("logistic", 1), ("cross_entropy", 3)])
def test_folded_and_unfolded_problems_are_one(loss, outputs):
    folded, plain = pair(loss, outputs)
    delta = RNG.normal(size=(3, 4))
    assert nl.duality_gap(folded, delta).primal == pytest.approx(nl.duality_gap(plain, delta).primal, rel=1e-13)
    assert nl.lam_max(folded) == pytest.approx(nl.lam_max(plain), rel=1e-13)
    solution = nl.solve(folded)
    assert solution.status == nl.Status.certified
    unfolded = nl.duality_gap(plain, solution.delta)
    assert unfolded.gap <= 1e-8
    assert unfolded.dual == pytest.approx(solution.dual, rel=1e-9)


@pytest.mark.parametrize(("loss", "outputs"), [("logistic", 1), ("cross_entropy", 3)])
def test_conjugate_is_the_supremum_found_by_scipy(loss, outputs):
    folded, _ = pair(loss, outputs)
    rule, z, y = folded.loss, RNG.normal(size=folded.f0.shape), folded.y
    alpha = 0.6 * rule.gradient(z, y)
    for i in np.flatnonzero(COUNTS):
        row = slice(i, i + 1)
        found = minimize(lambda w, row=row: (rule.value(w[None], y[row]) - alpha[row] @ w)[0], z[i], tol=1e-12)
        assert rule.conjugate(alpha[row], y[row])[0] == pytest.approx(-found.fun, abs=1e-7)
    nothing = int(np.flatnonzero(COUNTS == 0)[0])
    assert rule.conjugate(alpha, y)[nothing] == 0.0
    assert np.isinf(rule.conjugate(alpha + 0.1, y)[nothing])


def test_smoothness_bounds_the_curvature():
    folded, _ = pair("logistic", 1)
    factor = folded.loss.hessian_factor(np.zeros_like(folded.f0), folded.y)
    assert (factor**2).max() <= folded.loss.smoothness
    low, high = folded.loss.hessian_bounds(folded.f0, np.ones_like(folded.f0))
    assert (low <= (factor**2)[:, 0, 0]).all()
    assert ((factor**2)[:, 0, 0] <= high).all()


def test_rows_that_weigh_nothing_do_not_keep_a_minimizer():
    """Separable once the row of weight 0 is gone."""
    op = nl.TangentOperator.from_dense(np.array([1.0, 1.0]).reshape(2, 1, 1, 1))
    rule = Weighted(LOSSES["logistic"], 2.0)
    for weights, answer in (([1.0, 1.0], True), ([2.0, 0.0], False)):
        problem = nl.Problem(op, np.zeros(2), np.stack([weights, [1.0, -1.0]], 1), rule, 0.0)
        assert has_minimizer(problem) is answer
        assert unweighted(problem).num_samples == np.count_nonzero(weights)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.ones(2), r"\(N, 2\)"),
        (np.array([[3.0, 1.0], [1.0, 1.0]]), "weights go from"),
        (np.array([[-1.0, 1.0], [1.0, 1.0]]), "weights go from"),
        (np.array([[1.0, 0.5], [1.0, 1.0]]), "logistic labels"),
    ],
)
def test_targets_that_make_no_sense_are_refused(y, words):
    op = nl.TangentOperator.from_dense(np.ones((2, 1, 1, 1)))
    with pytest.raises(ValueError, match=words):
        nl.Problem(op, np.zeros(2), y, Weighted(LOSSES["logistic"], 2.0), 0.1)


def test_a_squared_loss_is_told_how_to_weigh_its_samples():
    op = nl.TangentOperator.from_dense(np.ones((2, 1, 1, 1)))
    with pytest.raises(ValueError, match="takes no labels; scale"):
        nl.Problem(op, np.zeros(2), np.ones((2, 2)), Weighted(LOSSES["squared"], 2.0), 0.1)
