"""The curvature that reaches the loss: `WᵀKW` with `K = J M⁻¹ Jᵀ`, of size `Nc ≤ NK` whatever the parameters.

    J(du, dv)_ij = Σ_l <G^l_ij, du^l v^lᵀ + u^l dv^lᵀ>

and `∇²L = W Wᵀ`, `W (N, K, c)`. It is a sum over the weights; for factored features a sum of Hadamard products of small
Gram matrices.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ntklora.solvers.shifted import Inverse
from ntklora.tangent.blocks import Block, Factored, Transposed

Array = Any


def curvature_kernel(block: Block, inverse: Inverse, u: Array, v: Array, factor: Array) -> Array:
    """`Wᵀ J M⁻¹ Jᵀ W` of one weight as `(Nc, Nc)`, for `u (m, r)`, `v (n, r)`, `W (N, K, c)`.

    Through the positions of factored features or through the directions `G v`, `Gᵀ u`: whichever takes fewer
    floating-point operations for these shapes.
    """
    if isinstance(block, Transposed):
        return curvature_kernel(block.of, inverse.flipped(), v, u, factor)
    if isinstance(block, Factored) and _positions_are_cheaper(block, u.shape[1], factor.shape[2]):
        return kernel_through_positions(block, inverse, u, v, factor)
    return kernel_through_directions(block, inverse, u, v, factor)


def kernel_through_directions(block: Block, inverse: Inverse, u: Array, v: Array, factor: Array) -> Array:
    """`kernel_of_directions` from the products of the features with the factors."""
    return kernel_of_directions(inverse, block.times_v(v).swapaxes(2, 3), block.times_u(u).swapaxes(2, 3), factor)


def kernel_of_directions(inverse: Inverse, along_u: Array, along_v: Array, factor: Array) -> Array:
    """With `B_ia = Σ_j W_ija [(G_ij v)ᵀ, uᵀ G_ij]` of shape `(r, m + n)`: `<B_ia, B_kb M⁻¹>`.

    `along_u (N, K, r, m)` and `along_v (N, K, r, n)` hold `(G_ij v)ᵀ` and `uᵀ G_ij`.
    """
    if factor.shape[1:] == (1, 1):
        # One number for every sample: cheaper on the kernel than on the directions.
        weights = factor.reshape(-1)
        return weights[:, None] * inverse.form(along_u[:, 0], along_v[:, 0]) * weights
    directions = (jnp.einsum("ika,ikrx->iarx", factor, x) for x in (along_u, along_v))
    return inverse.form(*(x.reshape(-1, *x.shape[2:]) for x in directions))


def kernel_through_positions(block: Factored, inverse: Inverse, u: Array, v: Array, factor: Array) -> Array:
    """For `Σ_j W_ija G_ij = Σ_t b_iat a_itᵀ`, summed over pairs of positions:

    `(b·uu·b)∘(aᵀv vᵀa) + (a·vv·a)∘(bᵀu uᵀb) + (b·uv·a)∘(aᵀv uᵀb) + transpose of the last`.
    """
    n, _, t = block.b.shape[:3]
    c = factor.shape[2]
    a, b = block.a.reshape(n * t, -1), jnp.einsum("ika,iktm->iatm", factor, block.b).reshape(n * c * t, -1)
    av, bu = a @ v, b @ u
    # Axes: sample i, column of W, position t on the left; the same on the right.
    on_b, on_a = (n, c, t), (n, 1, t)
    uu, uv, vv = inverse.grams(b, a)
    straight = uu.reshape(*on_b, *on_b) * (av @ av.T).reshape(*on_a, *on_a)
    straight = straight + vv.reshape(*on_a, *on_a) * (bu @ bu.T).reshape(*on_b, *on_b)
    crossed = uv.reshape(*on_b, *on_a) * (av @ bu.T).reshape(*on_a, *on_b)
    straight, crossed = (x.sum((2, 5)).reshape(n * c, n * c) for x in (straight, crossed))
    return straight + crossed + crossed.T


def _positions_are_cheaper(block: Factored, rank: int, columns: int) -> bool:
    (m, n), t = block.shape, block.num_positions
    rows = block.num_samples * columns
    through_positions = (rows * t) ** 2 * (m + rank + 6) + rows * t * m * (m + n)
    through_directions = rows**2 * (m + n) * rank + rows * (m + n) ** 2 * rank + rows * t * (m + n) * rank
    return through_positions <= through_directions
