"""The curvature that reaches the outputs: `K = J M⁻¹ Jᵀ`, an `NK × NK` matrix whatever the number of parameters.

    J(du, dv)_ij = Σ_l <G^l_ij, du^l v^lᵀ + u^l dv^lᵀ>

`K` is a sum over the weights; for factored features it is a sum of Hadamard products of small Gram matrices.
"""

from __future__ import annotations

from typing import Any

from ntklora.solvers.shifted import Inverse
from ntklora.tangent.blocks import Block, Factored, Transposed

Array = Any


def curvature_kernel(block: Block, inverse: Inverse, u: Array, v: Array) -> Array:
    """`J M⁻¹ Jᵀ` of one weight as `(NK, NK)`, for `u (m, r)`, `v (n, r)`.

    Through the positions of factored features or through the directions `G v`, `Gᵀ u`: whichever takes fewer
    floating-point operations for these shapes.
    """
    if isinstance(block, Transposed):
        return curvature_kernel(block.of, inverse.flipped(), v, u)
    if isinstance(block, Factored) and _positions_are_cheaper(block, u.shape[1]):
        return kernel_through_positions(block, inverse, u, v)
    return kernel_through_directions(block, inverse, u, v)


def kernel_through_directions(block: Block, inverse: Inverse, u: Array, v: Array) -> Array:
    """With `B_ij = [G_ij v; G_ijᵀ u]` of shape `(m + n, r)`: `K_(ij)(kl) = <B_ij, M⁻¹ B_kl>`."""
    rows = block.num_samples * block.num_outputs
    along_u, along_v = (x.reshape(rows, *x.shape[2:]).swapaxes(1, 2) for x in (block.times_v(v), block.times_u(u)))
    return inverse.form(along_u, along_v)


def kernel_through_positions(block: Factored, inverse: Inverse, u: Array, v: Array) -> Array:
    """For `G_ij = Σ_t b_ijt a_itᵀ`, summed over pairs of positions:

    `(b·uu·b)∘(aᵀv vᵀa) + (a·vv·a)∘(bᵀu uᵀb) + (b·uv·a)∘(aᵀv uᵀb) + transpose of the last`.
    """
    n, k, t = block.b.shape[:3]
    a, b = block.a.reshape(n * t, -1), block.b.reshape(n * k * t, -1)
    av, bu = a @ v, b @ u
    # Axes: sample i, output j, position t on the left; sample p, output q, position s on the right.
    on_b, on_a = (n, k, t), (n, 1, t)
    uu, uv, vv = inverse.grams(b, a)
    straight = uu.reshape(*on_b, *on_b) * (av @ av.T).reshape(*on_a, *on_a)
    straight = straight + vv.reshape(*on_a, *on_a) * (bu @ bu.T).reshape(*on_b, *on_b)
    crossed = uv.reshape(*on_b, *on_a) * (av @ bu.T).reshape(*on_a, *on_b)
    straight, crossed = (x.sum((2, 5)).reshape(n * k, n * k) for x in (straight, crossed))
    return straight + crossed + crossed.T


def _positions_are_cheaper(block: Factored, rank: int) -> bool:
    (m, n), t = block.shape, block.num_positions
    rows = block.num_samples * block.num_outputs
    through_positions = (rows * t) ** 2 * (m + rank + 6) + rows * t * m * (m + n)
    through_directions = rows**2 * (m + n) * rank + rows * (m + n) ** 2 * rank + rows * t * (m + n) * rank
    return through_positions <= through_directions
