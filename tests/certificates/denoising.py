"""Matrix denoising: a landscape that Eckart and Young know in full."""

import numpy as np

import ntklora as nl
from ntklora.instances.planted import Planted


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
