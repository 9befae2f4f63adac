"""Planted instances: optimization problems whose landscape is known because it was built.

`plant_spurious_minimum` is the counter-example that makes the boundary r(r+3)/2 exact, `plant_spurious_valley` the one
that makes its perturbation necessary, `plant_undecayed_minimum` the one at λ = 0, `plant_tight_optimum` the one that
makes the rank bound of T1 exact [all derived, theory §2 and §2.1; T2-zero].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ntklora.arrays import outline
from ntklora.data.teacher_student import random_frame
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory.ranks import planting_threshold


class Planted(NamedTuple):
    """A problem with one output and squared loss, and the point `(u, v)` that was built into it as stationary."""

    problem: Problem
    u: np.ndarray
    v: np.ndarray

    def __repr__(self) -> str:
        return outline(self)


def plant_spurious_minimum(
    rank: int,
    num_samples: int,
    *,
    seed: int,
    excess: float = 1e-3,
    shape: tuple[int, int] | None = None,
    lam: float = 0.1,
    radius: float = 1.0,
) -> Planted:
    """A stationary point of full rank that is not global, strict modulo gauge only if `num_samples ≥ r(r+3)/2`.

        δ0 = U S Vᵀ,   Γ0 = −λ U Vᵀ + λ(1 + e) w1 w2ᵀ,   w1 ⟂ U, w2 ⟂ V unit,

    with Gaussian features `G_1 … G_{N−1}`, residuals `ρ_i` bounded away from 0, `G_N = (N Γ0 − Σ_{i<N} ρ_i G_i)/ρ_N`
    and `y_i = <G_i, δ0> − ρ_i`. The KKT matrix has the eigenvalue −λe/2, so `(U√S, V√S)` is not global; it is a strict
    local minimum for generic draws when N ≥ r(r+3)/2 and `excess` = e is below a threshold of the draw.

    `shape` (m, n) is (r + 3, r + 4) unless given; `radius` scales `S`, drawn uniformly in radius·[1, 2].
    Errors: `ValueError` when `shape` leaves no room for `w1` and `w2`, and for counts or sizes that are not positive.
    Source: theory §2.1 [derived].

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> planted = plant_spurious_minimum(1, 2, seed=0)
    >>> report = nl.classify_endpoint(planted.problem, planted.u, planted.v, solution=nl.solve(planted.problem))
    >>> str(report.endpoint), bool(report.best_known < report.objective)
    ('spurious', True)
    """
    if num_samples < 1 or excess <= 0 or lam <= 0:
        raise ValueError(f"expected num_samples >= 1, excess > 0, lam > 0; got {num_samples}, {excess}, {lam}")
    return _plant(rank, num_samples, seed, excess, shape, lam, radius, valley=False)


def plant_spurious_valley(
    rank: int,
    *,
    seed: int,
    excess: float = 1e-3,
    shape: tuple[int, int] | None = None,
    lam: float = 0.1,
    radius: float = 1.0,
) -> Planted:
    """A second-order stationary point that is not global although r(r+3)/2 > N: it lies in a valley of constant F.

    As `plant_spurious_minimum` with `N = r(r+3)/2 − 1`, except that every feature is orthogonal to
    `E = (u1 v2ᵀ + u2 v1ᵀ)/√2` (and so is `Γ0`). With `M = (S_1 S_2)^{-1/2} (e1 e2ᵀ + e2 e1ᵀ)` outputs and trace are
    constant along `Q (I + tM)^{1/2}`, and N samples are as many as the other directions `x zᵀ + Q M'` of curvature
    ≤ 0: for generic draws and small `excess` they make all of these positive. So at `P = 0` or `P = cI` T2-prime's
    conclusion fails; a generic `P` tilts the valley.

    `shape`, `lam`, `radius` and errors as there; `ValueError` for rank 1 too, where the valley has no room.
    Source: theory §2.1, T2-prime [derived].
    """
    if rank < 2 or excess <= 0 or lam <= 0:
        raise ValueError(f"expected rank >= 2, excess > 0, lam > 0; got {rank}, {excess}, {lam}")
    return _plant(rank, planting_threshold(rank) - 1, seed, excess, shape, lam, radius, valley=True)


def plant_undecayed_minimum(
    rank: int, num_samples: int, *, seed: int, excess: float = 1e-3, shape: tuple[int, int] | None = None
) -> Planted:
    """At λ = 0 a stationary point that is not global, strict modulo gauge only if `num_samples > r·max(m, n)`.

        δ0 = U S Vᵀ,   Γ0 = e W1 Σ W2ᵀ,   W1 ⟂ U, W2 ⟂ V of min(m, n) − r columns, Σ diagonal in [1/2, 1],

    with Gaussian features without their part along `{W1 X (V√S)ᵀ + U√S Xᵀ W2ᵀ}`, the directions of positive curvature:
    all that N samples give goes to the others. `G_N` and `y` as in `plant_spurious_minimum`. It is strict for generic
    draws when N > r·max(m, n) and `excess` = e is below a threshold of the draw.

    `shape` (m, n) is (r + 2, r + 3) unless given. Errors: `ValueError` when it does not exceed the rank on both sides,
    and for counts or sizes that are not positive. Source: T2-zero [derived], `theory.ranks.undecayed_landscape_rank`.
    """
    m, n = shape or (rank + 2, rank + 3)
    if min(m, n) <= rank or rank < 1:
        raise ValueError(f"shape {(m, n)} must exceed rank {rank} on both sides, and rank must be at least 1")
    if num_samples < 1 or excess <= 0:
        raise ValueError(f"expected num_samples >= 1 and excess > 0; got {num_samples}, {excess}")
    rng, short = np.random.default_rng(seed), min(m, n)
    left, right = random_frame(m, short, rng), random_frame(n, short, rng)
    roots = np.sqrt(rng.uniform(1.0, 2.0, rank))
    u, v, w1, w2 = left[:, :rank] * roots, right[:, :rank] * roots, left[:, rank:], right[:, rank:]
    gamma = excess * (w1 * rng.uniform(0.5, 1.0, short - rank)) @ w2.T
    residuals = rng.choice([-1.0, 1.0], num_samples) * rng.uniform(0.5, 1.5, num_samples)
    features = rng.standard_normal((num_samples, m, n))
    along = np.einsum("ma,kmn,nr->kar", w1, features, v) + np.einsum("mr,kmn,na->kar", u, features, w2)
    along /= 2 * roots**2
    features -= np.einsum("ma,kar,nr->kmn", w1, along, v) + np.einsum("mr,kar,na->kmn", u, along, w2)
    return Planted(_set_gradient(features, gamma, u @ v.T, residuals, 0.0), u, v)


def plant_tight_optimum(rank: int, *, seed: int, lam: float = 0.1, shape: tuple[int, int] | None = None) -> Planted:
    """The tight instance of T1: `N = r(r+1)/2`, a unique minimizer, of rank exactly r.

        G_k = U E_k Vᵀ,   E_k an orthonormal basis of Sym(r),   plus W on the first diagonal one,   W ⟂ U, V, ‖W‖_op < 1

    with residuals `ρ_k = −λN` where `E_k` is diagonal and 0 elsewhere, `δ0 = U S Vᵀ` and `y_k = <G_k, δ0> − ρ_k`. LoRA
    of smaller rank stays strictly above the optimum.

    `shape` (m, n) is (r + 2, r + 3) unless given. Errors: `ValueError` when it does not exceed the rank on both sides.
    Source: theory §2, tight instance [derived].

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> planted = plant_tight_optimum(2, seed=0)
    >>> planted.problem.num_samples, nl.solve(planted.problem).rank
    (3, 2)
    """
    m, n = shape or (rank + 2, rank + 3)
    if min(m, n) <= rank or rank < 1:
        raise ValueError(f"shape {(m, n)} must exceed rank {rank} on both sides, and rank must be at least 1")
    rng = np.random.default_rng(seed)
    left, right = random_frame(m, m, rng), random_frame(n, n, rng)
    u0, v0 = left[:, :rank], right[:, :rank]
    symmetric, diagonal = _symmetric_basis(rank)
    features = np.einsum("ma,kab,nb->kmn", u0, symmetric, v0)
    beyond = rng.standard_normal((m - rank, n - rank))
    features[0] += 0.5 * left[:, rank:] @ (beyond / np.linalg.norm(beyond, 2)) @ right[:, rank:].T
    values = rng.uniform(1.0, 2.0, rank)
    delta = (u0 * values) @ v0.T
    y = np.einsum("kmn,mn->k", features, delta) + lam * len(features) * diagonal
    op = TangentOperator.from_dense(features[:, None])
    problem = Problem(op, np.zeros(len(features)), y, "squared", lam)
    return Planted(problem, u0 * np.sqrt(values), v0 * np.sqrt(values))


def _plant(
    rank: int,
    num_samples: int,
    seed: int,
    excess: float,
    shape: tuple[int, int] | None,
    lam: float,
    radius: float,
    *,
    valley: bool,
) -> Planted:
    m, n = shape or (rank + 3, rank + 4)
    if min(m, n) <= rank or rank < 1:
        raise ValueError(f"shape {(m, n)} must exceed rank {rank} on both sides, and rank must be at least 1")
    rng = np.random.default_rng(seed)
    left, right = random_frame(m, rank + 1, rng), random_frame(n, rank + 1, rng)
    u0, w1, v0, w2 = left[:, :rank], left[:, rank], right[:, :rank], right[:, rank]
    values = radius * rng.uniform(1.0, 2.0, rank)
    gamma = -lam * u0 @ v0.T + lam * (1 + excess) * np.outer(w1, w2)
    residuals = rng.choice([-1.0, 1.0], num_samples) * rng.uniform(0.5, 1.5, num_samples)
    unseen = (np.outer(u0[:, 0], v0[:, 1]) + np.outer(u0[:, 1], v0[:, 0])) / np.sqrt(2.0) if valley else None
    return Planted(
        _stationary_problem(rng, gamma, (u0 * values) @ v0.T, residuals, lam, unseen),
        u0 * np.sqrt(values),
        v0 * np.sqrt(values),
    )


def _stationary_problem(
    rng: np.random.Generator,
    gamma: np.ndarray,
    delta: np.ndarray,
    residuals: np.ndarray,
    lam: float,
    unseen: np.ndarray | None,
) -> Problem:
    """Squared loss with Gaussian features, the last one set so that the gradient at `delta` is `gamma`.

    All are orthogonal to the unit matrix `unseen`, if there is one, as `gamma` is.
    """
    count = len(residuals)
    features = rng.standard_normal((count, *gamma.shape))
    if unseen is not None:
        features -= np.einsum("imn,mn->i", features, unseen)[:, None, None] * unseen
    return _set_gradient(features, gamma, delta, residuals, lam)


def _set_gradient(
    features: np.ndarray, gamma: np.ndarray, delta: np.ndarray, residuals: np.ndarray, lam: float
) -> Problem:
    """Squared loss with these features, the last one replaced so that the gradient at `delta` is `gamma`."""
    count = len(residuals)
    rest = np.einsum("i,imn->mn", residuals[:-1], features[:-1])
    features[-1] = (count * gamma - rest) / residuals[-1]
    y = np.einsum("imn,mn->i", features, delta) - residuals
    return Problem(TangentOperator.from_dense(features[:, None]), np.zeros(count), y, "squared", lam)


def _symmetric_basis(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal basis `(size(size+1)/2, size, size)` of Sym(size), diagonal ones first, and which are diagonal."""
    rows, columns = np.triu_indices(size, 1)
    basis = np.zeros((size + len(rows), size, size))
    basis[np.arange(size), np.arange(size), np.arange(size)] = 1.0
    off = size + np.arange(len(rows))
    basis[off, rows, columns] = basis[off, columns, rows] = np.sqrt(0.5)
    return basis, (np.arange(len(basis)) < size).astype(np.float64)
