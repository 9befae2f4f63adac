"""How the outputs move with the factors of one weight, at one point: `J(du, dv)_ij = <G_ij, du vᵀ + u dvᵀ>`.

Four things are asked of it: the outputs themselves, `J` of a direction, `Jᵀ` of a vector of outputs, and the curvature
`WᵀKW` with `K = J M⁻¹ Jᵀ` that a loss with `∇²L = W Wᵀ` feels (`kernel`). Dense features are multiplied by `u` and `v`
once, when the point is met, and never again; of factored ones the products are as cheap as what came of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ntklora.solvers.kernel import curvature_kernel, kernel_of_directions
from ntklora.solvers.shifted import Inverse
from ntklora.tangent.blocks import Block, Dense, Factored, Transposed

Array = Any


class DenseJacobian(NamedTuple):
    """Of dense features: `along_u (NK, r m)` and `along_v (NK, r n)` hold `(G_ij v)ᵀ` and `uᵀ G_ij`, row after row."""

    along_u: Array
    along_v: Array
    num_outputs: int
    rank: int

    def outputs(self, u: Array) -> Array:
        """`<G_ij, u vᵀ>`, shape `(N, K)`."""
        return (self.along_u @ u.T.reshape(-1)).reshape(-1, self.num_outputs)

    def change(self, du: Array, dv: Array) -> Array:
        """`J(du, dv)`, shape `(N, K)`."""
        moved = self.along_u @ du.T.reshape(-1) + self.along_v @ dv.T.reshape(-1)
        return moved.reshape(-1, self.num_outputs)

    def pull(self, alpha: Array) -> tuple[Array, Array]:
        """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
        left, right = (alpha.reshape(-1) @ along for along in (self.along_u, self.along_v))
        return left.reshape(self.rank, -1).T, right.reshape(self.rank, -1).T

    def curvature(self, inverse: Inverse, factor: Array) -> Array:
        """`Wᵀ J M⁻¹ Jᵀ W` as `(Nc, Nc)`, for `W (N, K, c)`."""
        along_u, along_v = (x.reshape(-1, self.num_outputs, self.rank, x.shape[1] // self.rank) for x in self[:2])
        return kernel_of_directions(inverse, along_u, along_v, factor)


class FactoredJacobian(NamedTuple):
    """Of features in any other form, `block`, at the factors `u (m, r)` and `v (n, r)`."""

    block: Block
    u: Array
    v: Array

    def outputs(self, u: Array) -> Array:
        """`<G_ij, u vᵀ>`, shape `(N, K)`."""
        return self.block.apply_factors(u, self.v)

    def change(self, du: Array, dv: Array) -> Array:
        """`J(du, dv)`, shape `(N, K)`."""
        return self.block.apply_factors(du, self.v) + self.block.apply_factors(self.u, dv)

    def pull(self, alpha: Array) -> tuple[Array, Array]:
        """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
        return _pulled(self.block, self.u, self.v, alpha)

    def curvature(self, inverse: Inverse, factor: Array) -> Array:
        """`Wᵀ J M⁻¹ Jᵀ W` as `(Nc, Nc)`, for `W (N, K, c)`."""
        return curvature_kernel(self.block, inverse, self.u, self.v, factor)


Jacobian = DenseJacobian | FactoredJacobian


def jacobian_at(block: Block, u: Array, v: Array) -> Jacobian:
    """The Jacobian of one weight's outputs at the factors `u (m, r)` and `v (n, r)`."""
    if isinstance(block, Dense):
        rows = block.num_samples * block.num_outputs
        products = [x.swapaxes(2, 3).reshape(rows, -1) for x in (block.times_v(v), block.times_u(u))]
        # Left to itself XLA transposes them again for several of their uses: a twentieth of a step of the solver.
        along_u, along_v = jax.lax.optimization_barrier(products)
        return DenseJacobian(along_u, along_v, block.num_outputs, u.shape[1])
    return FactoredJacobian(block, u, v)


def _pulled(block: Block, u: Array, v: Array, alpha: Array) -> tuple[Array, Array]:
    match block:
        case Factored() if u.shape[1] < min(block.shape):
            # Products with the factors first: A*(α) itself would cost min(m, n)/r times as much.
            left = jnp.einsum("iktm,iktr->mr", block.b, alpha[:, :, None, None] * (block.a @ v)[:, None])
            return left, jnp.einsum("itn,itr->nr", block.a, jnp.einsum("ik,iktr->itr", alpha, block.b @ u))
        case Transposed():
            right, left = _pulled(block.of, v, u, alpha)
            return left, right
        case _:
            matrix = block.adjoint(alpha)
            return matrix @ v, matrix.T @ u
