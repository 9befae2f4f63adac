"""`solve` certifies 1e-8 on what makes solvers fail: bad conditioning, ties, saturation, many outputs, no decay, P."""

import numpy as np
import pytest
import scipy.optimize

from ntklora.certificates.duality import Status
from ntklora.certified.optimum import solve, solve_path
from ntklora.problem.objective import full_objective, lam_max, nuclear_norm, objective
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from tests.solvers.instances import random_problem, targets

RNG = np.random.default_rng(0)
SAMPLES, M, W = 12, 7, 6


def conditioned(loss, outputs):
    """Features whose Gram matrix has the condition number 1e8."""
    rows = SAMPLES * outputs
    left, right = (np.linalg.qr(RNG.normal(size=(size, rows)))[0] for size in (rows, M * W))
    g = 10 * (left * np.geomspace(1, 1e-4, rows)) @ right.T
    return g.reshape(SAMPLES, outputs, M, W), targets(RNG, loss, SAMPLES, outputs)


def duplicated(loss, outputs):
    """Every example twice, with targets of its own."""
    return np.repeat(RNG.normal(size=(SAMPLES // 2, outputs, M, W)), 2, 0), targets(RNG, loss, SAMPLES, outputs)


def repeated(loss, outputs):
    """Features with one entry each: all singular values of Γ come in ties."""
    g = np.zeros((SAMPLES, outputs, M, W))
    for i in range(SAMPLES):
        for j in range(outputs):
            g[i, j, (i + j) % M, i % W] = 1.0
    return g, np.ones((SAMPLES, outputs)) if loss == "squared" else targets(RNG, loss, SAMPLES, outputs)


@pytest.mark.parametrize(
    ("features", "loss", "outputs"),
    [
        (conditioned, "squared", 1),
        (duplicated, "logistic", 1),
        (repeated, "squared", 1),
        (repeated, "cross_entropy", 10),
    ],
)
def test_down_to_a_ten_thousandth_of_lam_max(features, loss, outputs):
    g, y = features(loss, outputs)
    problem = Problem(TangentOperator.from_dense(g), 0.1 * RNG.normal(size=g.shape[:2]), y, loss, 1.0)
    lams = lam_max(problem) * np.array([0.1, 1e-2, 1e-3, 1e-4])
    path = solve_path(problem, lams)
    assert [solution.status for solution in path] == [Status.certified] * 4
    norms = [nuclear_norm(problem, solution.delta) for solution in path]
    assert (np.diff(norms) >= -1e-6 * norms[-1]).all()  # the norm rises as the decay falls


@pytest.mark.parametrize("confidence", [10.0, 20.0, 100.0])
def test_saturated_samples(confidence):
    op = TangentOperator.from_dense(np.ones((1, 1, 1, 1)))
    problem = Problem(op, np.array([[-confidence]]), np.array([1.0]), "logistic", 0.5)
    solution = solve(problem)  # σ(−z) = λ = 1/2 at z = 0
    assert solution.success
    np.testing.assert_allclose(solution.delta, [[confidence]], atol=1e-6)


def test_confidently_wrong_network():
    problem = random_problem(0, "cross_entropy")
    f0 = 40 * np.random.default_rng(1).normal(size=problem.f0.shape)
    problem = Problem(problem.op, f0, problem.y, "cross_entropy", 1.0)
    assert solve(problem.with_lam(1e-2 * lam_max(problem))).success


def test_perturbed_optimum_agrees_with_a_search_over_all_factors():
    problem = random_problem(5, "logistic", shapes=((3, 2),), samples=6, outputs=1, perturbed=True).host()
    solution = solve(problem)
    assert solution.success
    np.testing.assert_allclose(objective(problem, solution.u, solution.v), solution.primal, rtol=1e-6)

    def value(q):
        factors = q.reshape(5, 5)
        return float(objective(problem, factors[:3], factors[3:]))

    rng = np.random.default_rng(0)
    runs = [scipy.optimize.minimize(value, rng.normal(size=25), method="BFGS") for _ in range(2)]
    np.testing.assert_allclose(solution.primal, min(run.fun for run in runs), rtol=1e-7)


def test_without_decay_the_squared_loss_is_least_squares():
    problem = random_problem(6, "squared", samples=9, outputs=2, shapes=((4, 3),)).with_lam(0.0)
    solution = solve(problem)
    g = np.asarray(problem.op.dense()).reshape(18, 12)
    expected, *_ = np.linalg.lstsq(g, (problem.y - problem.f0).ravel(), rcond=None)
    assert solution.success
    np.testing.assert_allclose(np.ravel(solution.delta), expected, atol=1e-10)


@pytest.mark.parametrize(("loss", "samples"), [("logistic", 60), ("cross_entropy", 40)])
def test_without_decay_inseparable_data_have_a_certified_minimizer(loss, samples):
    problem = random_problem(6, loss, samples=samples, shapes=((3, 3),)).with_lam(0.0)
    solution = solve(problem)
    assert solution.status is Status.certified
    found = scipy.optimize.minimize(
        lambda delta: float(full_objective(problem, delta.reshape(3, 3))), np.zeros(9), method="BFGS"
    )
    np.testing.assert_allclose(solution.primal, found.fun, rtol=1e-8)


@pytest.mark.parametrize("loss", ["logistic", "cross_entropy"])
def test_without_decay_separable_data_have_none(loss):
    solution = solve(random_problem(6, loss, samples=5).with_lam(0.0))
    assert solution.status is Status.no_minimizer
    assert not solution.success
    assert "lam > 0" in solution.message


def test_path_keeps_the_order_asked_for():
    problem = random_problem(7, "logistic")
    top = lam_max(problem)
    path = solve_path(problem, [0.1 * top, 2 * top, 0.3 * top])
    assert [round(solution.lam / top, 12) for solution in path] == [0.1, 2.0, 0.3]
    assert path[1].rank == 0
    single = solve(problem.with_lam(0.3 * top))
    np.testing.assert_allclose(single.delta, path[2].delta, atol=1e-7)
