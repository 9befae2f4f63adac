"""Points of known truth for the certificate tests, planted in problems of one output and squared loss.

Each has features `G (N, 1, m, n)`, `f0 = 0`, targets `y (N, 1)`, weight decay `λ` and one marked point `(u, v)` with
`δ0 = u vᵀ`, balanced. Stationarity is planted through the residuals: with `ρ_i = <G_i, δ0> − y_i`,
`Γ = (1/N) Σ_i ρ_i G_i` and `Γ v = −λ u`, `Γᵀ u = −λ v`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import ntklora as nl


class Planted(NamedTuple):
    """A problem and its marked point, `u (m, r)`, `v (n, r)`."""

    problem: nl.Problem
    u: np.ndarray
    v: np.ndarray


def planted_stationary(
    rng: np.random.Generator,
    rank: int,
    num_samples: int,
    *,
    excess: float,
    lam: float = 0.1,
    shape: tuple[int, int] | None = None,
) -> Planted:
    """A full-rank stationary point whose `Γ` has the operator norm `λ max(1, |1 + e|)`, for the excess `e`.

        Γ = −λ U Vᵀ + λ(1 + e) w1 w2ᵀ,     w1 ⟂ U, w2 ⟂ V;     G_1 … G_{N−1} Gaussian, G_N solves for Γ

    For `−2 ≤ e ≤ 0` the point is the global minimum. For `e > 0` it is not: S has the eigenvalue `−λe/2`; it is a
    strict local minimum (modulo gauge) for generic draws iff `N ≥ r(r+3)/2` and `e` is below a threshold of the draw.
    `shape` defaults to `(r + 2, r + 2)`; both sides must exceed `r`.

    Errors: `ValueError` for a side that is not above the rank, or fewer than one sample.
    Source: theory §2.1 [derived; compare Waldspurger & Waters 2020, O'Carroll et al. 2022].
    """
    m, n = shape or (rank + 2, rank + 2)
    if min(m, n) <= rank or rank < 1:
        raise ValueError(f"shape is {(m, n)}: planting rank {rank} needs rank >= 1 and both sides above it")
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}; expected at least 1")
    left, right = orthonormal(rng, m, rank + 1), orthonormal(rng, n, rank + 1)
    values = rng.uniform(0.5, 1.5, rank)
    gamma = -lam * left[:, :rank] @ right[:, :rank].T + lam * (1 + excess) * np.outer(left[:, rank], right[:, rank])
    residuals = rng.choice([-1.0, 1.0], num_samples) * rng.uniform(0.5, 1.5, num_samples)
    features = rng.standard_normal((num_samples, m, n))
    rest = np.tensordot(residuals[:-1], features[:-1], 1)
    features[-1] = (num_samples * gamma - rest) / residuals[-1]
    return _marked(features, residuals, lam, left[:, :rank] * np.sqrt(values), right[:, :rank] * np.sqrt(values))


def tight_instance(
    rng: np.random.Generator, rank: int, *, lam: float = 0.1, shape: tuple[int, int] | None = None, slack: float = 0.5
) -> Planted:
    """The instance that attains the bound of T1: `KN = r(r+1)/2` and the unique minimizer has rank exactly `r`.

        G_k = U E_k Vᵀ  (+ W for one diagonal k),   E_k an orthonormal basis of Sym(r),   W ⟂ U, V,  ‖W‖_op = slack < 1

    Residuals are `−λN` on the diagonal `E_k` and 0 elsewhere, so `Γ = −λ(U Vᵀ + W)`. Every rank below `r` stays
    strictly above the optimum. `shape` defaults to `(r + 2, r + 2)`.

    Errors: `ValueError` for a side that is not above the rank.
    Source: theory §2 [derived].
    """
    m, n = shape or (rank + 2, rank + 2)
    if min(m, n) <= rank or rank < 1:
        raise ValueError(
            f"shape is {(m, n)}: the tight instance of rank {rank} needs rank >= 1 and both sides above it"
        )
    left, right = orthonormal(rng, m, m), orthonormal(rng, n, n)
    basis = symmetric_basis(rank)
    features = left[:, :rank] @ basis @ right[:, :rank].T
    across = rng.standard_normal((m - rank, n - rank))
    features[0] += slack * left[:, rank:] @ (across / np.linalg.norm(across, 2)) @ right[:, rank:].T
    diagonal = np.arange(len(basis)) < rank
    residuals = np.where(diagonal, -lam * len(basis), 0.0)
    values = rng.uniform(0.5, 1.5, rank)
    return _marked(features, residuals, lam, left[:, :rank] * np.sqrt(values), right[:, :rank] * np.sqrt(values))


def matrix_denoising(
    rng: np.random.Generator,
    values: np.ndarray,
    chosen: list[int],
    *,
    lam: float = 0.1,
    shape: tuple[int, int] | None = None,
) -> Planted:
    """`L(δ) = ½ ‖δ − M‖²/N` with a point that keeps the `chosen` singular triplets of `M`, soft-thresholded.

    One feature for each entry, in a random orthonormal basis of the matrices: `N = mn`. With `σ = values`, the point
    keeps `σ_i − λN` for `i` in `chosen` and is stationary. Truth (Eckart–Young): the best point of rank `r = |chosen|`
    if these are the r largest, strict modulo gauge if `σ_r > σ_{r+1}` and flat if they tie; a saddle for any other
    choice; the global minimum if every value left out is at most `λN`.

    Errors: `ValueError` when a chosen value is not above `λN`.
    """
    m, n = shape or (len(values), len(values))
    values = np.asarray(values, np.float64)
    if min(values[chosen]) <= lam * m * n:
        raise ValueError(f"chosen singular values {values[chosen]} must exceed lam N = {lam * m * n}")
    left, right = orthonormal(rng, m, len(values)), orthonormal(rng, n, len(values))
    features = orthonormal(rng, m * n, m * n).T.reshape(m * n, m, n)
    y = np.tensordot(features, (left * values) @ right.T, ([1, 2], [0, 1]))
    kept = np.sqrt(values[chosen] - lam * m * n)
    problem = nl.Problem(nl.TangentOperator.from_dense(features[:, None]), np.zeros(m * n), y, "squared", lam)
    return Planted(problem, left[:, chosen] * kept, right[:, chosen] * kept)


def orthonormal(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """A random matrix `(size, count)` with orthonormal columns, Haar distributed up to signs."""
    return np.linalg.qr(rng.standard_normal((size, count)))[0]


def symmetric_basis(rank: int) -> np.ndarray:
    """Orthonormal basis of Sym(r), shape `(r(r+1)/2, r, r)`: the diagonal matrices first.

    >>> symmetric_basis(2)[:, 0, 0]
    array([1., 0., 0.])
    """
    pairs = [(a, a) for a in range(rank)] + [(a, b) for a in range(rank) for b in range(a + 1, rank)]
    basis = np.zeros((len(pairs), rank, rank))
    for k, (a, b) in enumerate(pairs):
        basis[k, a, b] = basis[k, b, a] = 1.0 if a == b else np.sqrt(0.5)
    return basis


def _marked(features: np.ndarray, residuals: np.ndarray, lam: float, u: np.ndarray, v: np.ndarray) -> Planted:
    """`y_i = <G_i, u vᵀ> − ρ_i`."""
    outputs = np.tensordot(features, u @ v.T, ([1, 2], [0, 1]))
    op = nl.TangentOperator.from_dense(features[:, None])
    return Planted(nl.Problem(op, np.zeros(len(features)), outputs - residuals, "squared", lam), u, v)
