"""The baseline of the convex solve: the same nuclear-norm problem in cvxpy's words, solved by SCS."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ntklora.problem.problem import Problem

Matrices = dict[str, Any]


class Conic(NamedTuple):
    """Where the conic solver stopped: `deltas` by name, zeros where it gave nothing, and its own word for it."""

    deltas: Matrices
    status: str


def installed() -> bool:
    """Whether cvxpy and SCS, of the extra `comparison`, are here."""
    try:
        import cvxpy
    except ImportError:
        return False
    return "SCS" in cvxpy.installed_solvers()


def solve_conic(problem: Problem, *, accuracy: float, time_limit: float) -> Conic:
    """SCS to its accuracy `eps`, or for `time_limit` seconds. Errors: `ImportError` without cvxpy."""
    import cvxpy as cp

    deltas = {name: cp.Variable(shape) for name, shape in problem.shapes.items()}
    n, k = problem.f0.shape
    z = problem.f0.reshape(-1)
    for name, block in problem.op.blocks.items():
        z = z + np.asarray(block.dense()).reshape(n * k, -1) @ cp.vec(deltas[name], order="C")
    match problem.loss.name:
        case "squared":
            loss = 0.5 * cp.sum_squares(z - problem.y.reshape(-1))
        case "logistic":
            loss = cp.sum(cp.logistic(-cp.multiply(problem.y, z)))
        case _:
            rows = cp.reshape(z, (n, k), order="C")
            loss = cp.sum(cp.log_sum_exp(rows, axis=1)) - cp.sum(cp.multiply(np.eye(k)[problem.y], rows))
    penalty = sum(cp.normNuc(delta) for delta in deltas.values())
    model = cp.Problem(cp.Minimize(loss / n + float(problem.lam) * penalty))
    model.solve(solver=cp.SCS, eps=accuracy, max_iters=10**6, time_limit_secs=time_limit)
    values = {name: np.zeros(delta.shape) if delta.value is None else delta.value for name, delta in deltas.items()}
    return Conic(values, str(model.status))
