"""`solve` agrees with a conic solver on the same nuclear-norm problem, to what that one reaches."""

import numpy as np
import pytest

from ntklora.certified.optimum import solve
from tests.solvers.instances import random_problem

cp = pytest.importorskip("cvxpy", reason="the extra `comparison` has the conic solver")


def conic_optimum(problem):
    """The same problem in cvxpy's words, solved by Clarabel."""
    deltas = {name: cp.Variable(shape) for name, shape in problem.shapes.items()}
    dense = {name: np.asarray(block.dense()) for name, block in problem.op.blocks.items()}
    n, k = problem.f0.shape

    def output(i, j):
        return problem.f0[i, j] + sum(cp.sum(cp.multiply(dense[name][i, j], deltas[name])) for name in deltas)

    z = [[output(i, j) for j in range(k)] for i in range(n)]
    y = problem.y
    if problem.loss.name == "squared":
        losses = [0.5 * cp.sum_squares(cp.hstack(z[i]) - y[i]) for i in range(n)]
    elif problem.loss.name == "logistic":
        losses = [cp.logistic(-y[i] * z[i][0]) for i in range(n)]
    else:
        losses = [cp.log_sum_exp(cp.hstack(z[i])) - z[i][int(y[i])] for i in range(n)]
    penalty = sum(cp.normNuc(delta) for delta in deltas.values())
    model = cp.Problem(cp.Minimize(sum(losses) / n + float(problem.lam) * penalty))
    model.solve(solver=cp.CLARABEL)
    return model.value


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("logistic", {"lam": 0.01}),
        ("cross_entropy", {}),
        ("squared", {"shapes": ((6, 5), (3, 7), (5, 5))}),
    ],
)
def test_value_is_the_conic_one(loss, options):
    problem = random_problem(8, loss, **options).host()
    np.testing.assert_allclose(solve(problem).primal, conic_optimum(problem), rtol=1e-6)
