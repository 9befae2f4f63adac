"""Orthogonal decompositions of many small factors, each in one batched call.

One call, because on a CPU two LAPACK calls that do not depend on each other may hang inside one program: see
`ntklora.environment`, which only applications can apply.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

Matrices = dict[str, Any]


class Directions(NamedTuple):
    """Leading singular triplets of a product: `left (m, r)`, `values (r,)`, `right (n, r)`, values descending."""

    left: Float[Array, "m r"]
    values: Float[Array, " r"]
    right: Float[Array, "n r"]


def leading_directions(us: Matrices, vs: Matrices, rank: int) -> dict[str, Directions]:
    """The top-r singular triplets of each `u vᵀ` without forming it: `Q_u (R_u R_vᵀ) Q_vᵀ`, QRs and an R × R SVD.

    Where `u vᵀ` has rank below r, the directions that fill up lie in span(v) and in Q_u: for R < n, never outside,
    unless columns of v are zero (a `Padded` draw), for which QR puts in others.
    Errors: `ValueError` when r exceeds R, m or n.
    """
    for name, u in us.items():
        limit = min(*u.shape, vs[name].shape[0])
        if rank > limit:
            raise ValueError(f"rank = {rank} exceeds {limit}, the least of R, m and n of the factors of {name!r}")
    factors = [*us.values(), *vs.values()]
    # A factor with no more rows than columns needs no QR: it is its own triangle, with Q = I.
    tall = [factor.shape[0] > factor.shape[1] for factor in factors]
    thin = iter(stacked_qr([factor for factor, is_tall in zip(factors, tall) if is_tall]))
    pairs = [next(thin) if is_tall else (None, factor) for factor, is_tall in zip(factors, tall)]
    lefts, rights = pairs[: len(us)], pairs[len(us) :]
    cores = [r_u @ r_v.T for (_, r_u), (_, r_v) in zip(lefts, rights)]
    found = {}
    for name, (q_u, _), (q_v, _), svd in zip(us, lefts, rights, _stacked_svd(cores)):
        left, values, right = svd[0][:, :rank], svd[1][:rank], svd[2][:rank].T
        found[name] = Directions(left if q_u is None else q_u @ left, values, right if q_v is None else q_v @ right)
    return found


def stacked_qr(matrices: Sequence[Float[Array, "size count"]]) -> list[tuple[Array, Array]]:
    """Thin QR of each tall matrix; all have the same number of columns.

    Shorter ones are filled up with zero rows, which the reflections leave at zero.
    """
    if not matrices:
        return []
    height = max(matrix.shape[0] for matrix in matrices)
    q, r = jnp.linalg.qr(jnp.stack([jnp.pad(matrix, ((0, height - len(matrix)), (0, 0))) for matrix in matrices]))
    return [(q[i, : matrix.shape[0]], r[i]) for i, matrix in enumerate(matrices)]


def orthonormalize(matrices: Sequence[Float[Array, "size count"]]) -> list[Float[Array, "size count"]]:
    """Orthonormal columns with the span of each matrix; of Gaussian matrices: uniformly (Haar) random frames."""
    # QR alone fixes signs by convention; multiplying by those of R's diagonal makes the law invariant.
    return [q * jnp.where(jnp.diagonal(r) < 0, -1.0, 1.0).astype(q.dtype) for q, r in stacked_qr(matrices)]


def _stacked_svd(cores):
    """`(left, values, right)` of each core; one call for each shape, of which there is one unless R exceeds a side."""
    results: list[Any] = [None] * len(cores)
    for shape in sorted({core.shape for core in cores}):
        members = [i for i, core in enumerate(cores) if core.shape == shape]
        left, values, right = jnp.linalg.svd(jnp.stack([cores[i] for i in members]), full_matrices=False)
        for position, i in enumerate(members):
            results[i] = (left[position], values[position], right[position])
    return results
