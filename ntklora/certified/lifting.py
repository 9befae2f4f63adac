"""Rank lifting: leave a stationary point that is no global minimizer along the lowest eigenvector of its KKT matrix.

Appending a column `√τ x` to `Q = [u; v]` with `xᵀ S x < 0` decreases `F_P` for small `τ > 0`, and `F_P` is convex in
`τ`: `L(uvᵀ + τ x_u x_vᵀ) + τ xᵀ((λ/2)I + P)x + const` [derived, theory §2.2, escape]. At `P = 0` the eigenvector is the
top singular pair of `Γ`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ntklora.problem.objective import dual_vector, gradient_matrices, kkt_matrices, objective, stack
from ntklora.problem.problem import Problem
from ntklora.solvers.scale import scale_of

Matrices = dict[str, Any]

# A column of Q (in principal axes) that is this small against the largest may be overwritten by a new one.
_NEGLIGIBLE = 1e-7
_GOLDEN = (np.sqrt(5.0) - 1) / 2


def lift_rank(problem: Problem, u: Matrices, v: Matrices) -> tuple[Matrices, Matrices]:
    """`(u, v)` on the host with one more column in every weight where `S` has a negative eigenvalue.

    A column that has become negligible is overwritten; only where there is none the number of columns grows.
    """
    gammas = gradient_matrices(problem, dual_vector(problem, problem.f0 + problem.op.apply_factors(u, v)))
    u, v = principal_axes(u, v)
    for name, matrix in kkt_matrices(problem, gammas).items():
        values, vectors = np.linalg.eigh(matrix)
        if values[0] >= 0:
            continue
        direction, rows = vectors[:, 0], len(u[name])
        column = np.sqrt(_best_length(problem, u, v, name, direction)) * direction
        free = _free_column(u[name], v[name])
        if free is None:
            free = u[name].shape[1]
            u[name], v[name] = (np.pad(x, ((0, 0), (0, 1))) for x in (u[name], v[name]))
        u[name][:, free], v[name][:, free] = column[:rows], column[rows:]
    return u, v


def principal_axes(u: Matrices, v: Matrices) -> tuple[Matrices, Matrices]:
    """The gauge in which the columns of `Q` are orthogonal and fall in length: `Q` times its right singular vectors."""
    turned_u, turned_v = {}, {}
    for name in u:
        _, _, axes = np.linalg.svd(stack(u[name], v[name]))
        turned_u[name], turned_v[name] = u[name] @ axes.T, v[name] @ axes.T
    return turned_u, turned_v


def _free_column(u: np.ndarray, v: np.ndarray) -> int | None:
    lengths = np.linalg.norm(stack(u, v), axis=0)
    free = lengths <= _NEGLIGIBLE * max(lengths.max(), np.finfo(np.float64).tiny)
    return int(free.argmax()) if free.any() else None


def _best_length(problem: Problem, u: Matrices, v: Matrices, name: str, direction: np.ndarray) -> float:
    """The minimizer of the convex function `τ -> F_P` with the column `√τ · direction` appended in weight `name`."""
    rows = len(u[name])

    def value(length: float) -> float:
        column = np.sqrt(length) * direction[:, None]
        longer_u = u | {name: np.concatenate([u[name], column[:rows]], 1)}
        longer_v = v | {name: np.concatenate([v[name], column[rows:]], 1)}
        return float(objective(problem, longer_u, longer_v))

    # At the minimizer the penalty of the column is at most F_P, which bounds its length where there is a penalty.
    nothing = {k: np.zeros(shape) for k, shape in problem.shapes.items()}
    price = float(direction @ kkt_matrices(problem, nothing)[name] @ direction)
    farthest = max(1.0, float(scale_of(problem).step)) * 2.0**20
    return minimize_convex(value, min(value(0.0) / price, farthest) if price > 0 else farthest)


def minimize_convex(value: Callable[[float], float], guess: float) -> float:
    """The minimizer on [0, ∞) of a convex function that decreases at 0, to a relative error of about 1e-3.

    Halving and doubling `guess` brackets it, golden section does the rest. Zero when no decrease is seen.

    >>> float(round(minimize_convex(lambda t: (t - 0.3) ** 2, 100.0), 3))
    0.3
    """
    far, floor, at_zero = guess, 1e-30 * guess, value(0.0)
    while value(far) >= at_zero:
        far /= 2
        if far < floor:
            return 0.0
    while value(2 * far) < value(far):
        far *= 2
    low, high = 0.0, 2 * far
    for _ in range(18):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if value(right) > value(left):
            high = right
        else:
            low = left
    return 0.5 * (low + high)
