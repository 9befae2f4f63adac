"""`solve` proves its optimum to 1e-8 for every loss, layout, number of weights and decay, in the user's coordinates."""

import numpy as np
import pytest

from ntklora.certificates.duality import Status
from ntklora.certified.optimum import solve
from ntklora.problem.objective import full_objective, lam_max, nuclear_norm
from tests.solvers.instances import random_problem

KINDS = {
    "factored": {},
    "dense": {"layout": "dense"},
    "reduced": {"samples": 4, "shapes": ((12, 15),)},
    "three weights": {"shapes": ((6, 5), (3, 7), (5, 5))},
}


CASES = [("logistic", "factored"), ("squared", "dense"), ("cross_entropy", "reduced"), ("squared", "three weights")]


@pytest.mark.parametrize(("loss", "kind"), CASES)
def test_gap_is_certified(loss, kind):
    problem = random_problem(3, loss, **KINDS[kind])
    top = lam_max(problem)
    for share in (0.3, 1e-3, 1e-4):
        solution = solve(problem.with_lam(share * top))
        assert solution.status is Status.certified
        assert solution.success
        value = full_objective(problem.with_lam(share * top), solution.delta)
        np.testing.assert_allclose(value, solution.primal, rtol=1e-14)
        deltas, us, vs = (problem.op.as_dict(x) for x in (solution.delta, solution.u, solution.v))
        for name, delta in deltas.items():
            np.testing.assert_allclose(us[name] @ vs[name].T, delta, atol=1e-6 * np.abs(delta).max() + 1e-12)


def test_written_dual_point_proves_the_gap_in_plain_numpy():
    problem = random_problem(4, "squared", layout="dense", lam=0.05)
    solution = solve(problem)
    g, alpha, y, lam = np.asarray(problem.op.dense()), solution.alpha, problem.y, float(problem.lam)
    gamma = np.einsum("ik,ikmn->mn", alpha, g) / len(g)
    assert np.linalg.norm(gamma, 2) <= lam * (1 + 1e-12)
    residual = problem.f0 + np.einsum("ikmn,mn->ik", g, solution.delta) - y
    primal = 0.5 * (residual**2).sum() / len(g) + lam * np.linalg.norm(solution.delta, "nuc")
    dual = -(0.5 * alpha**2 + alpha * y - alpha * problem.f0).sum() / len(g)
    assert 0 <= primal - dual + 1e-15 <= 1e-8 * primal


def test_above_lam_max_the_minimizer_is_zero():
    problem = random_problem(5, "logistic", lam=1.0)
    for lam in (lam_max(problem), 1.5 * lam_max(problem), 5 * lam_max(problem)):
        solution = solve(problem.with_lam(lam))
        assert solution.success
        assert solution.rank == 0
        assert nuclear_norm(problem, solution.delta) == 0
