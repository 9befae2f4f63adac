"""The curvature that reaches the loss: `WᵀKW` with `K = J M⁻¹ Jᵀ`, of size `Nc ≤ NK` whatever the parameters.

    J(du, dv)_ij = Σ_l <G^l_ij, du^l v^lᵀ + u^l dv^lᵀ>

and `∇²L = W Wᵀ`, `W (N, K, c)`. It is a sum over the weights; for factored features a sum of Hadamard products of small
Gram matrices.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ntklora.solvers.shifted import Inverse
from ntklora.tangent.blocks import Factored

Array = Any


def kernel_of_directions(inverse: Inverse, along_u: Array, along_v: Array, factor: Array) -> Array:
    """With `B_ia = Σ_j W_ija [(G_ij v)ᵀ, uᵀ G_ij]` of shape `(r, m + n)`: `<B_ia, B_kb M⁻¹>`.

    `along_u (N, K, r, m)` and `along_v (N, K, r, n)` hold `(G_ij v)ᵀ` and `uᵀ G_ij`.
    """
    if _one_number_each(factor):
        return _weighted(inverse.form(along_u[:, 0], along_v[:, 0]), factor)
    directions = (jnp.einsum("ika,ikrx->iarx", factor, x) for x in (along_u, along_v))
    return inverse.form(*(x.reshape(-1, *x.shape[2:]) for x in directions))


def kernel_through_positions(block: Factored, inverse: Inverse, left: Array, right: Array, factor: Array) -> Array:
    """For `Σ_j W_ija G_ij = Σ_t b_iat a_itᵀ`, summed over pairs of positions:

    `(b·uu·b)∘(aᵀv vᵀa) + (a·vv·a)∘(bᵀu uᵀb) + (b·uv·a)∘(aᵀv uᵀb) + transpose of the last`.

    `left (N, K, T, r)` and `right (N, T, r)` hold `uᵀ b_ijt` and `vᵀ a_it`.
    """
    n, _, t = block.b.shape[:3]
    c = factor.shape[2]
    single = _one_number_each(factor)
    weighted = (x if single else jnp.einsum("ika,iktr->iatr", factor, x) for x in (block.b, left))
    b, bu = (x.reshape(n * c * t, -1) for x in weighted)
    a, av = (x.reshape(n * t, -1) for x in (block.a, right))
    # Axes: sample i, column of W, position t on the left; the same on the right.
    on_b, on_a = (n, c, t), (n, 1, t)
    uu, uv, vv = inverse.grams(b, a)
    straight = uu.reshape(*on_b, *on_b) * (av @ av.T).reshape(*on_a, *on_a)
    straight = straight + vv.reshape(*on_a, *on_a) * (bu @ bu.T).reshape(*on_b, *on_b)
    crossed = uv.reshape(*on_b, *on_a) * (av @ bu.T).reshape(*on_a, *on_b)
    straight, crossed = (x.sum((2, 5)).reshape(n * c, n * c) for x in (straight, crossed))
    kernel = straight + crossed + crossed.T
    return _weighted(kernel, factor) if single else kernel


def _one_number_each(factor: Array) -> bool:
    """Whether `W` is a number for every sample: then it is cheaper on the kernel than on the features."""
    return factor.shape[1:] == (1, 1)


def _weighted(kernel: Array, factor: Array) -> Array:
    weights = factor.reshape(-1)
    return weights[:, None] * kernel * weights


def positions_are_cheaper(block: Factored, rank: int, columns: int) -> bool:
    """Whether `kernel_through_positions` takes fewer floating-point operations, at a rank, for the columns of `W`."""
    (m, n), t = block.shape, block.num_positions
    rows = block.num_samples * columns
    through_positions = (rows * t) ** 2 * (m + rank + 6) + rows * t * m * (m + n)
    through_directions = rows**2 * (m + n) * rank + rows * (m + n) ** 2 * rank + rows * t * (m + n) * rank
    return through_positions <= through_directions
