"""Restricted strong convexity and smoothness of a training loss: brackets, each end with its direction of error.

    α = inf { ∇²L(Y)[E, E]/‖E‖² : ‖Y‖_F ≤ D, 0 < rank E ≤ k },      β = sup of the same

A search over matrices of low rank exhibits a direction, so it ends *above* α and *below* β; eigenvalues over all
matrices lie *below* α and *above* β. Where `k` is the smaller side of the weight and the loss is squared, both agree.
Source: KKR's hypotheses [paper]; the brackets [derived].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem

# An alternation whose value changes by less than this share has ended.
_SETTLED = 1e-10
_MAX_ALTERNATIONS = 500


class Bracket(NamedTuple):
    """`low ≤ value ≤ high`."""

    low: float
    high: float


class RestrictedCurvature(NamedTuple):
    """`convexity.low` and `smoothness.high` are safe in a theorem's hypothesis; the inner ends have been exhibited."""

    convexity: Bracket
    smoothness: Bracket


def restricted_curvature(
    problem: Problem, rank: int, radius: float, *, starts: int = 8, seed: int = 0
) -> RestrictedCurvature:
    """Brackets of α and β over differences of rank at most `rank`, in the ball `‖δ‖_F ≤ radius`, for one weight.

    Taken in the coordinates that the data see: for `λ > 0` second-order points and the optimum live there. The safe
    ends are the extreme eigenvalues of `E -> (1/N) Σ c_i <G_ij, E>²`, a dense matrix of `(mn)²` entries, with `c_i` the
    loss's curvature bounds on the ball; the inner ends are found at `δ = 0` by alternating between the row and the
    column space of E from `starts` random ones, each half step an eigenvector: monotone, and no promise of the global
    extreme.
    Errors: `ValueError` for several weights, a rank below 1, a radius below 0, a perturbed problem.

    >>> import ntklora as nl
    >>> identity = np.sqrt(4) * np.eye(4).reshape(4, 1, 2, 2)  # A*A/N = I
    >>> problem = nl.Problem(nl.TangentOperator.from_dense(identity), np.zeros(4), np.ones(4), "squared", 0.1)
    >>> [round(float(end), 9) for end in restricted_curvature(problem, 1, radius=1.0).convexity]
    [1.0, 1.0]
    """
    if len(problem.shapes) != 1:
        raise ValueError(f"restricted curvature is that of one weight; the problem has {sorted(problem.shapes)}")
    if rank < 1 or radius < 0:
        raise ValueError(f"expected rank >= 1 and radius >= 0, got {rank} and {radius}")
    small = reduce_problem(problem).problem
    (block,) = small.op.blocks.values()
    (m, n), features = block.shape, block.dense()
    reach = radius * np.sqrt((features**2).sum((2, 3)))
    low, high = small.loss.hessian_bounds(small.f0, reach)
    rows = features.reshape(small.num_samples, small.num_outputs, m * n)
    least, most = (np.einsum("i,ijp,ijq->pq", c, rows, rows) / small.num_samples for c in (low, high))
    root = np.einsum("ijc,ijp->icp", small.loss.hessian_factor(small.f0, small.y), rows).reshape(-1, m * n)
    form = (root.T @ root / small.num_samples).reshape(m, n, m, n)
    floor, ceiling = float(np.linalg.eigvalsh(least)[0]), float(np.linalg.eigvalsh(most)[-1])
    rng = np.random.default_rng(seed)
    lowest, highest = (sign * _least_value(sign * form, rank, starts, rng) for sign in (1.0, -1.0))
    rounding = m * n * float(np.finfo(np.float64).eps) * ceiling
    return RestrictedCurvature(
        Bracket(max(floor - rounding, 0.0), max(lowest, 0.0)), Bracket(highest, ceiling + rounding)
    )


def _least_value(form: np.ndarray, rank: int, starts: int, rng: np.random.Generator) -> float:
    """The smallest `form[E, E]` that was met over unit E of this rank; exact where every matrix has it."""
    m, n = form.shape[:2]
    if rank >= min(m, n):
        return float(np.linalg.eigvalsh(form.reshape(m * n, m * n))[0])
    return min(_alternate(form, np.linalg.qr(rng.standard_normal((m, rank)))[0]) for _ in range(starts))


def _alternate(form: np.ndarray, left: np.ndarray) -> float:
    """From a column space on: the best E with it, then the best with that E's row space, and so on."""
    (m, rank), n = left.shape, form.shape[1]
    value = np.inf
    for _ in range(_MAX_ALTERNATIONS):
        _, right = _best(np.einsum("ma,mnpq,pb->anbq", left, form, left, optimize=True), rank, n)
        found, left = _best(np.einsum("na,mnpq,qb->ampb", right, form, right, optimize=True).swapaxes(2, 3), rank, m)
        if value - found <= _SETTLED * abs(found):
            return min(value, found)
        value = found
    return value


def _best(form: np.ndarray, rank: int, size: int) -> tuple[float, np.ndarray]:
    """The smallest eigenvalue on `(rank, size)` coordinates, and an orthonormal basis `(size, rank)` of its rows."""
    values, vectors = np.linalg.eigh(form.reshape(rank * size, rank * size))
    return float(values[0]), np.linalg.qr(vectors[:, 0].reshape(rank, size).T)[0]
