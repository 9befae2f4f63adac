"""The saddles that training at rank r may slow down at: stationary points of lower rank, padded with zero columns.

A stationary point of rank `k < r` stays stationary with `r − k` zero columns beside it, and along the top singular pair
of `Γ` in one of them the curvature is `λ − ‖Γ‖_op` (L3): it is a saddle unless it is a global minimum. From small
starts gradient flow passes from one to the next [derived, theory §2; compare Jacot et al. 2021, saddle to saddle].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from ntklora.certificates.factors import host_factors
from ntklora.certificates.twins import distance, signature_of
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.lifting import principal_axes
from ntklora.problem.objective import dual_vector, gradient_matrices, lowest_kkt_eigenvalue, objective, stack
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]
Point = tuple[Array | Matrices, Array | Matrices]  # (u, v) in the user's form

# λ − ‖Γ‖ above −1e-7 of λ is rounding: the point is a global minimum.
_NEGATIVE = 1e-7


class Saddle(NamedTuple):
    """A stationary point with `rank` columns in each weight, `F` there, and its curvature `λ − ‖Γ‖_op < 0` once it has
    a zero column."""

    rank: int
    u: Array | Matrices
    v: Array | Matrices
    objective: float
    curvature: float


def lower_rank_saddles(problem: Problem, u: Array | Matrices, v: Array | Matrices, rank: int) -> list[Saddle]:
    """Saddles of 0 to `rank` − 1 columns in every weight, in this order, next to points `u (S, m, r)`, `v (S, n, r)`.

    For each `k`, Newton's method starts at the points cut to their `k` longest principal columns and ends at
    stationary points that are no saddle among those of rank `k` (`find_endpoints`); each is listed once. Others, which
    no start is near, are not found: what is said of "the nearest saddle" is an upper bound of the distance.
    Errors: `ValueError` for a perturbed problem, `λ = 0`, a `rank` beyond the factors', or as `find_endpoints`.
    """
    us, vs = ({k: np.asarray(x, np.float64) for k, x in problem.op.as_dict(side).items()} for side in (u, v))
    columns = min(x.shape[2] for x in us.values())
    if problem.perturbation is not None or not float(problem.lam) > 0:
        raise ValueError("saddles of lower rank are defined for lam > 0 and without perturbation")
    if not 0 <= rank <= columns:
        raise ValueError(f"rank = {rank}: expected 0 to the {columns} columns of the factors")
    host = problem.host()
    count = len(next(iter(us.values())))
    turned = [principal_axes(*({k: x[s] for k, x in side.items()} for side in (us, vs))) for s in range(count)]
    found: list[Saddle] = []
    for k in range(rank):
        seen: list[np.ndarray] = []
        for left, right in _ends(problem, turned, k):
            saddle = _saddle(host, k, left, right)
            signature = signature_of(saddle.objective, left, right)
            if saddle.curvature < -_NEGATIVE * float(host.lam) and not any(
                np.isfinite(distance(signature, other)) for other in seen
            ):
                seen.append(signature)
                found.append(saddle)
    return found


def factor_distance(problem: Problem, one: Point, other: Point) -> float:
    """Distance of two points `(u, v)` modulo gauge, columns padded with zeros where one has fewer:

        min over orthogonal O^l of (Σ_l ‖Q^l − Q'^l O^l‖²)^{1/2},    attained at the polar factor of Q'ᵀQ [Procrustes]

    Errors: `ValueError` for factors whose names or shapes do not fit.
    """
    (us, vs), (left, right) = host_factors(problem, *one), host_factors(problem, *other)
    apart = []
    for name in us:
        q, p = stack(us[name], vs[name]), stack(left[name], right[name])
        columns = max(q.shape[1], p.shape[1])
        q, p = (np.pad(x, ((0, 0), (0, columns - x.shape[1]))) for x in (q, p))
        # Not ‖Q‖² + ‖Q'‖² − 2‖QᵀQ'‖_*: between close points its digits cancel.
        outer, _, inner = np.linalg.svd(p.T @ q)
        apart.append(np.linalg.norm(q - p @ (outer @ inner)))
    return float(np.linalg.norm(apart))


def _ends(problem: Problem, turned: list[tuple[Matrices, Matrices]], k: int) -> list[tuple[Matrices, Matrices]]:
    """Converged ends of rank `k` from the points cut to `k` columns; at `k = 0` the one point there is."""
    us, vs = ({n: np.stack([p[side][n][:, :k] for p in turned]) for n in turned[0][0]} for side in (0, 1))
    if k == 0:
        return [({n: x[0] for n, x in us.items()}, {n: x[0] for n, x in vs.items()})]
    initial = (problem.op.like(us), problem.op.like(vs))
    ends = find_endpoints(problem, k, jax.random.key(0), initial=initial)
    left, right = problem.op.as_dict(ends.u), problem.op.as_dict(ends.v)
    rows = np.flatnonzero(ends.converged)
    return [({n: x[row] for n, x in left.items()}, {n: x[row] for n, x in right.items()}) for row in rows]


def _saddle(host: Problem, rank: int, us: Matrices, vs: Matrices) -> Saddle:
    u, v = host.op.like(us), host.op.like(vs)
    gammas = gradient_matrices(host, dual_vector(host, host.f0 + host.op.apply_factors(u, v)))
    return Saddle(rank, u, v, float(objective(host, u, v)), lowest_kkt_eigenvalue(host, gammas))
