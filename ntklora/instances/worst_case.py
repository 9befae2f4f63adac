"""The worst strict spurious minimum there is: the closed form that attains the bound T2-worst [derived].

Random planting with a large excess hardly ever gives a strict minimum: the few samples have to compensate every
direction along which F would fall, and Gaussian features waste them. Here they are an orthonormal-like system on just
those directions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ntklora.arrays import outline
from ntklora.data.teacher_student import random_frame
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator


class WorstMinimum(NamedTuple):
    """A problem, the stationary point `(u, v)` built into it, and a better point `(better_u, better_v)` of its rank."""

    problem: Problem
    u: np.ndarray
    v: np.ndarray
    better_u: np.ndarray
    better_v: np.ndarray

    def __repr__(self) -> str:
        return outline(self)


def plant_worst_minimum(
    rank: int, *, curvature: float, seed: int, lam: float = 0.1, shape: tuple[int, int] | None = None
) -> WorstMinimum:
    """A strict spurious minimum on `N = r(r+3)/2` samples of relative curvature `κ` and relative excess `B(κ)`.

    With `h = 2/κ`, orthonormal `u_1 … u_r, w1` and `v_1 … v_r, w2`, any singular values s of `δ0 = Σ s_a u_a v_aᵀ` and
    `b² = hλN/2` the features, one for each pair of indices but the last, are

        G_aa = b/√s_a (u_a v_aᵀ + (h−1) s_a/(Σs) w1 w2ᵀ),              y_aa = b √s_a (1 + 2/h),
        G_ac = b/√(s_a+s_c) (u_a v_cᵀ + u_c v_aᵀ),                     y_ac = 0,
        G_aw = b/√s_a (u_a w2ᵀ + w1 v_aᵀ),                             y_aw = 0.

    `(U√S, V√S)` is stationary with `Γ = −λ(UVᵀ + (h−1) w1 w2ᵀ)`; the Hessian modulo gauge has the eigenvalues 2λ and hλ
    and no others. The labels cost `1/(h−1)` of the nuclear norm along `w1 w2ᵀ`: the optimum, exhibited here, is
    `δ* = w1 w2ᵀ (Σs)(1 + 2q/h)/(h−1)` with `q = 1 − 1/(h−1)`, since its residuals are those of δ0 over h − 1, of `Γ`
    of norm λ. Sketch: `G_ac` with its indices in 1 … r+1 and `s_{r+1} = 0` is an orthonormal basis of the images of
    the directions on which `2S ≤ 0`, all with curvature hλ from the loss; `x zᵀ` loses `(h−2)λ` of it.

    `shape` (m, n) is (r + 1, r + 1) unless given; coordinates beyond are seen by no feature and add the eigenvalue λ.
    Errors: `ValueError` for a curvature outside (0, 1), a `shape` within the rank, a `rank` or `lam` that is not
    positive.
    Source: T2-worst [derived], `ntklora.theory.worst_case`.

    >>> import ntklora as nl
    >>> planted = plant_worst_minimum(2, curvature=0.5, seed=0)
    >>> ends = [(planted.u, planted.v), (planted.better_u, planted.better_v)]
    >>> first, better = (float(nl.objective(planted.problem, *point)) for point in ends)
    >>> round((first - better) / first, 12) == round(nl.worst_excess(0.5), 12)
    True
    """
    m, n = shape or (rank + 1, rank + 1)
    if min(m, n) <= rank or rank < 1:
        raise ValueError(f"shape {(m, n)} must exceed rank {rank} on both sides, and rank must be at least 1")
    if not 0.0 < curvature < 1.0 or lam <= 0:
        raise ValueError(f"expected 0 < curvature < 1 and lam > 0; got {curvature}, {lam}")
    rng, h = np.random.default_rng(seed), 2.0 / curvature
    left, right = random_frame(m, rank + 1, rng), random_frame(n, rank + 1, rng)
    values = rng.uniform(1.0, 2.0, rank)
    first, second = np.triu_indices(rank + 1)
    first, second = first[:-1], second[:-1]
    strength = np.sqrt(h * lam * len(first) / 2)
    pairs = np.append(values, 0.0)
    outer = np.einsum("ma,na->amn", left[:, first], right[:, second])
    mirrored = np.einsum("ma,na->amn", left[:, second], right[:, first])
    features = (outer + mirrored) * (strength / np.sqrt(pairs[first] + pairs[second]))[:, None, None]
    own = first == second
    features[own] /= np.sqrt(2.0)
    leak = strength * (h - 1) * np.sqrt(values) / values.sum()
    features[own] += leak[:, None, None] * np.outer(left[:, rank], right[:, rank])
    y = np.zeros(len(first))
    y[own] = strength * np.sqrt(values) * (1 + 2 / h)
    length = values.sum() * (1 + 2 * (h - 2) / (h - 1) / h) / (h - 1)
    better_u, better_v = np.zeros((m, rank)), np.zeros((n, rank))
    better_u[:, 0], better_v[:, 0] = np.sqrt(length) * left[:, rank], np.sqrt(length) * right[:, rank]
    op = TangentOperator.from_dense(features[:, None])
    return WorstMinimum(
        Problem(op, np.zeros(len(y)), y, "squared", lam),
        left[:, :rank] * np.sqrt(values),
        right[:, :rank] * np.sqrt(values),
        better_u,
        better_v,
    )
