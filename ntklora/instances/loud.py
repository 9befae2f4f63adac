"""The loud spurious minimum: matrix sensing whose restricted convexity and smoothness are known exactly [derived]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ntklora.arrays import outline
from ntklora.data.teacher_student import random_frame
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator


class Loud(NamedTuple):
    """A problem, the spurious minimum `(u, v)` built into it, its unique minimizer `delta`, of rank `optimum_rank`.

    `convexity` over differences of rank ≤ r + r* and `smoothness` over those of rank ≤ 2 are exact, on any ball.
    """

    problem: Problem
    u: np.ndarray
    v: np.ndarray
    delta: np.ndarray
    optimum_rank: int
    convexity: float
    smoothness: float

    def __repr__(self) -> str:
        return outline(self)


def plant_loud_minimum(
    values: Sequence[float],
    optimum: Sequence[float] = (1.0,),
    *,
    seed: int,
    excess: float = 0.5,
    stiffness: float = 4.0,
    margin: float = 0.02,
    lam: float = 0.1,
    shape: tuple[int, int] | None = None,
) -> Loud:
    """A strict minimum of rank `r = len(values)` beside a global one of rank `r* = len(optimum)` in other directions.

    In orthonormal frames, with `X = Σ_{i≤r} x_i u_i v_iᵀ` and `X* = Σ_{r<i≤r+r*} x*_i u_i v_iᵀ`,

        L(δ) = ½<δ − M, H(δ − M)>,   H = β off the span of the u_i v_iᵀ, i ≤ r + r*,   I − hhᵀ/<h, d> on it,
        d = X − X*,   h = d − g,   g = −margin on i ≤ r, −excess on i > r

    so that `Hd = g`, and M such that `∇L(X)` is −λ on i ≤ r and −(λ + excess) on i > r. Then X* is optimal, X is a
    strict minimum modulo gauge exactly for `excess < β x_r`, α = 1 − ‖h‖²/<h, d> is attained at h, of rank r + r*, and
    `β = stiffness ≥ 1` at `u_1 v_2ᵀ`. Needs `<d, g> > ‖g‖²`, or α would not be positive.

    `shape` is (r + r*, r + r*) unless given. Errors: `ValueError` for values that are not positive, `r < r*`, a shape
    without room, an excess that makes no strict minimum or no convex loss.
    Source: [derived].

    >>> planted = plant_loud_minimum([1.0], seed=0)
    >>> round(planted.convexity, 3), planted.smoothness
    (0.151, 4.0)
    """
    x, best = np.sort(np.asarray(values, np.float64))[::-1], np.sort(np.asarray(optimum, np.float64))[::-1]
    r, size = len(x), len(x) + len(best)
    m, n = shape or (size, size)
    if not 1 <= len(best) <= r or min(x[-1], best[-1]) <= 0 or min(m, n) < size:
        raise ValueError(
            f"expected positive values, at least as many as the {len(best)} of the optimum, and a shape of at least "
            f"{(size, size)}; got {values}, {optimum}, {(m, n)}"
        )
    if not (0 < excess < stiffness * x[-1] and stiffness >= 1 and 0 <= margin <= lam):
        raise ValueError(
            f"expected 0 < excess < stiffness * {x[-1]:g}, stiffness >= 1, 0 <= margin <= lam; "
            f"got {excess}, {stiffness}, {margin}, {lam}"
        )
    apart = np.concatenate([x, -best])
    steep = np.concatenate([np.full(r, -margin), np.full(len(best), -excess)])
    across = apart - steep
    if apart @ steep <= steep @ steep:
        raise ValueError(f"excess = {excess}, margin = {margin} leave no convex loss; take less of both")
    convexity = 1.0 - (across @ across) / (across @ apart)
    direction = across / np.linalg.norm(across)
    # The square root of H, and M = X − H^{-1} ∇L(X), on the diagonal.
    root = np.eye(size) - (1.0 - np.sqrt(convexity)) * np.outer(direction, direction)
    slope = np.concatenate([np.full(r, -lam), np.full(len(best), -lam - excess)])
    middle = np.concatenate([x, np.zeros(len(best))]) - np.linalg.solve(root, np.linalg.solve(root, slope))
    rng = np.random.default_rng(seed)
    left, right = random_frame(m, m, rng), random_frame(n, n, rng)
    coordinates = np.sqrt(stiffness) * np.eye(m * n).reshape(m, n, m, n)
    along = np.arange(size)
    coordinates[along[:, None], along[:, None], along, along] = root
    features = np.sqrt(m * n) * np.einsum("abjk,pj,qk->abpq", coordinates, left, right).reshape(m * n, 1, m, n)
    target = (left[:, :size] * middle) @ right[:, :size].T
    op = TangentOperator.from_dense(features)
    return Loud(
        Problem(op, np.zeros((m * n, 1)), op.apply(target), "squared", lam),
        left[:, :r] * np.sqrt(x),
        right[:, :r] * np.sqrt(x),
        (left[:, r:size] * best) @ right[:, r:size].T,
        len(best),
        float(convexity),
        float(stiffness),
    )
