"""The duality gap is valid (never below the true excess), tight (zero at the optimum) and provable by hand."""

import cvxpy as cp
import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.duality import Status, status_of
from ntklora.problem.objective import gradient_matrices
from tests.certificates.random_problems import random_delta, random_problem

CASES = [
    ("squared", {"k": 1}),
    ("squared", {"k": 2, "factored": True}),
    ("squared", {"k": 1, "shapes": ((3, 4), (2, 5))}),
    ("logistic", {"k": 1, "n": 8}),
    ("logistic", {"k": 1, "factored": True, "shapes": ((3, 4), (5, 2))}),
    ("cross_entropy", {"k": 3, "n": 5}),
]


def conic_optimum(problem):
    """min F by Clarabel: an optimum and a minimizer that this package did not write."""
    host = problem.host()
    deltas = {name: cp.Variable(shape) for name, shape in host.shapes.items()}
    g = host.op.as_dict(host.op.dense())
    z = [
        [
            host.f0[i, j] + sum(cp.sum(cp.multiply(g[name][i, j], d)) for name, d in deltas.items())
            for j in range(host.num_outputs)
        ]
        for i in range(host.num_samples)
    ]
    if host.loss.name == "squared":
        terms = [0.5 * cp.sum_squares(cp.hstack(row) - host.y[i]) for i, row in enumerate(z)]
    elif host.loss.name == "logistic":
        terms = [cp.logistic(-host.y[i] * row[0]) for i, row in enumerate(z)]
    else:
        terms = [cp.log_sum_exp(cp.hstack(row)) - row[host.y[i]] for i, row in enumerate(z)]
    decay = float(host.lam) * sum(cp.normNuc(d) for d in deltas.values()) if host.lam > 0 else 0.0
    convex = cp.Problem(cp.Minimize(sum(terms) / host.num_samples + decay))
    convex.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    return convex.value, host.op.like({name: d.value for name, d in deltas.items()})


@pytest.mark.parametrize(("loss", "options"), CASES)
def test_the_gap_encloses_the_conic_optimum(loss, options):
    problem = random_problem(0, loss, lam=0.1, **options)
    optimum, minimizer = conic_optimum(problem)
    for seed in range(4):
        gap = nl.duality_gap(problem, random_delta(problem, seed))
        assert gap.dual <= optimum + 1e-8 * abs(optimum)
        assert gap.primal >= optimum - 1e-8 * abs(optimum)
        assert gap.gap == pytest.approx((gap.primal - gap.dual) / gap.primal)
    at_optimum = nl.duality_gap(problem, minimizer)
    assert -1e-12 <= at_optimum.gap < 1e-4
    assert status_of(at_optimum.gap) != Status.failed


@pytest.mark.parametrize(("loss", "options"), CASES)
def test_alpha_is_feasible(loss, options):
    problem = random_problem(1, loss, lam=0.02, **options)
    for seed, scale in enumerate((0.0, 0.1, 1.0, 10.0)):
        gap = nl.duality_gap(problem, random_delta(problem, seed, scale))
        slopes = [np.linalg.norm(gamma, 2) for gamma in gradient_matrices(problem.host(), gap.alpha).values()]
        assert max(slopes) <= problem.lam * (1 + 1e-12)
        assert np.isfinite(gap.dual)


def test_ten_lines_of_numpy_prove_the_gap():
    problem = random_problem(2, "squared", n=7, k=2, lam=0.1)
    gap = nl.duality_gap(problem, random_delta(problem, 0))
    G, f0, y, lam, alpha = problem.op.dense(), problem.f0, problem.y, float(problem.lam), gap.alpha
    gamma = np.einsum("ij,ijmn->mn", alpha, G) / len(G)
    assert np.linalg.svd(gamma)[1][0] <= lam * (1 + 1e-12)
    dual = -np.mean(np.sum(0.5 * alpha**2 + alpha * y - alpha * f0, axis=1))
    delta = random_delta(problem, 0)
    z = f0 + np.einsum("ijmn,mn->ij", G, delta)
    primal = np.mean(0.5 * np.sum((z - y) ** 2, axis=1)) + lam * np.linalg.svd(delta)[1].sum()
    assert gap.dual == pytest.approx(dual, rel=1e-13)
    assert gap.primal == pytest.approx(primal, rel=1e-13)


def test_zero_is_certified_from_lam_max_on():
    for loss, k in (("squared", 2), ("logistic", 1), ("cross_entropy", 3)):
        problem = random_problem(3, loss, k=k)
        zero = random_delta(problem, 0, 0.0)
        assert nl.duality_gap(problem.with_lam(1.001 * nl.lam_max(problem)), zero).gap <= 1e-14
        assert nl.duality_gap(problem.with_lam(0.9 * nl.lam_max(problem)), zero).gap > 1e-4


def test_shrinking_the_optimum_costs_only_second_order():
    # One sample, one entry: δ* = 2 − λ. At δ > δ* the gradient is shorter than λ and the best step is longer than 1.
    op = nl.TangentOperator.from_dense(np.ones((1, 1, 1, 1)))
    problem = nl.Problem(op, np.zeros(1), np.array([2.0]), "squared", 0.5)
    for excess in (1e-2, 1e-3, 1e-4):
        gap = nl.duality_gap(problem, np.array([[1.5 + excess]]))
        assert gap.primal - gap.dual == pytest.approx(0.5 * excess**2, rel=1e-6)


def test_unregularized_squared_loss_is_certified_from_any_iterate():
    problem = random_problem(4, "squared", n=30, k=1, shapes=((4, 5),), lam=0.0)
    rows = problem.op.dense().reshape(30, -1)
    best = np.linalg.lstsq(rows, (problem.y - problem.f0)[:, 0], rcond=None)[0].reshape(4, 5)
    optimum = 0.5 * np.mean((rows @ best.ravel() + problem.f0[:, 0] - problem.y[:, 0]) ** 2)
    for delta in (random_delta(problem, 0), 10 * random_delta(problem, 1), best):
        assert nl.duality_gap(problem, delta).dual == pytest.approx(optimum, rel=1e-12)
    assert status_of(nl.duality_gap(problem, best).gap) is Status.certified


@pytest.mark.parametrize(("loss", "k", "n"), [("logistic", 1, 40), ("cross_entropy", 3, 24)])
def test_unregularized_classification_is_certified_near_its_optimum(loss, k, n):
    problem = random_problem(5, loss, n=n, k=k, shapes=((2, 3),), lam=0.0)
    optimum, minimizer = conic_optimum(problem)
    gap = nl.duality_gap(problem, minimizer)
    assert gap.dual <= optimum * (1 + 1e-9)
    assert gap.gap < 1e-7
    assert nl.duality_gap(problem, 100 * minimizer).dual <= optimum


def test_a_fitted_problem_has_gap_zero():
    op = nl.TangentOperator.from_dense(np.eye(4).reshape(4, 1, 2, 2))
    problem = nl.Problem(op, np.ones(4), np.ones(4), "squared", 0.0)
    assert nl.duality_gap(problem, np.zeros((2, 2))).gap == 0.0


def test_float32_data_are_certified_in_float64():
    problem = random_problem(6, "logistic", n=8)
    single = nl.Problem(
        nl.TangentOperator.from_dense(problem.op.dense().astype(np.float32)),
        problem.f0.astype(np.float32),
        problem.y,
        "logistic",
        problem.lam,
    )
    assert nl.duality_gap(single, random_delta(problem, 0)).alpha.dtype == np.float64


def test_a_delta_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"delta 'w' has shape \(5, 4\)"):
        nl.duality_gap(random_problem(7), np.zeros((5, 4)))
