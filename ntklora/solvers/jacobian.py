"""How the outputs move with the factors of one weight, at one point: `J(du, dv)_ij = <G_ij, du vᵀ + u dvᵀ>`.

Four things are asked of it: the outputs themselves, `J` of a direction, `Jᵀ` of a vector of outputs, and the curvature
`WᵀKW` with `K = J M⁻¹ Jᵀ` that a loss with `∇²L = W Wᵀ` feels (`kernel`). The products of the features with `u` and `v`
are formed once, when the point is met, and serve all four.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from ntklora.module import Module
from ntklora.solvers.kernel import kernel_of_directions, kernel_through_positions, positions_are_cheaper
from ntklora.solvers.shifted import Inverse, StackedInverse
from ntklora.solvers.stacked import Stacked, total
from ntklora.tangent.blocks import Block, Dense, Factored, Transposed, TwoSided

Array = Any


class DenseJacobian(Module):
    """Of dense features: `along_u (NK, r m)` and `along_v (NK, r n)` hold `(G_ij v)ᵀ` and `uᵀ G_ij`, row after row."""

    u: Array
    along_u: Array
    along_v: Array
    num_outputs: int = eqx.field(static=True)

    def outputs(self) -> Array:
        """`<G_ij, u vᵀ>`, shape `(N, K)`."""
        return (self.along_u @ self.u.T.reshape(-1)).reshape(-1, self.num_outputs)

    def change(self, du: Array, dv: Array) -> Array:
        """`J(du, dv)`, shape `(N, K)`."""
        moved = self.along_u @ du.T.reshape(-1) + self.along_v @ dv.T.reshape(-1)
        return moved.reshape(-1, self.num_outputs)

    def pull(self, alpha: Array) -> tuple[Array, Array]:
        """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
        left, right = (alpha.reshape(-1) @ along for along in (self.along_u, self.along_v))
        rank = self.u.shape[1]
        return left.reshape(rank, -1).T, right.reshape(rank, -1).T

    def curvature(self, inverse: Inverse, factor: Array) -> Array:
        """`Wᵀ J M⁻¹ Jᵀ W` as `(Nc, Nc)`, for `W (N, K, c)`."""
        n, rank = len(self.along_u) // self.num_outputs, self.u.shape[1]
        along_u, along_v = (x.reshape(n, self.num_outputs, rank, -1) for x in (self.along_u, self.along_v))
        return kernel_of_directions(inverse, along_u, along_v, factor)


class FactoredJacobian(NamedTuple):
    """Of features `Σ_t b_ijt a_itᵀ`: `left (N, K, T, r)` holds `uᵀ b_ijt`, `right (N, T, r)` holds `vᵀ a_it`."""

    block: Factored
    left: Array
    right: Array

    def outputs(self) -> Array:
        """`<G_ij, u vᵀ>`, shape `(N, K)`."""
        return (self.left * self.right[:, None]).sum((2, 3))

    def change(self, du: Array, dv: Array) -> Array:
        """`J(du, dv)`, shape `(N, K)`."""
        left, right = self.block.b @ du, self.block.a @ dv
        return (left * self.right[:, None] + self.left * right[:, None]).sum((2, 3))

    def pull(self, alpha: Array) -> tuple[Array, Array]:
        """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
        left = jnp.einsum("iktm,iktr->mr", self.block.b, alpha[:, :, None, None] * self.right[:, None])
        return left, jnp.einsum("itn,itr->nr", self.block.a, jnp.einsum("ik,iktr->itr", alpha, self.left))

    def curvature(self, inverse: Inverse, factor: Array) -> Array:
        """`Wᵀ J M⁻¹ Jᵀ W` as `(Nc, Nc)`, for `W (N, K, c)`."""
        if positions_are_cheaper(self.block, self.right.shape[2], factor.shape[2]):
            return kernel_through_positions(self.block, inverse, self.left, self.right, factor)
        along_u = jnp.einsum("iktm,itr->ikrm", self.block.b, self.right)
        along_v = jnp.einsum("iktr,itn->ikrn", self.left, self.block.a)
        return kernel_of_directions(inverse, along_u, along_v, factor)


class FlippedJacobian(NamedTuple):
    """Of a weight whose transpose, with the roles of `u` and `v` exchanged, has the Jacobian `of`."""

    of: FactoredJacobian

    def outputs(self) -> Array:
        """`<G_ij, u vᵀ>`, shape `(N, K)`."""
        return self.of.outputs()

    def change(self, du: Array, dv: Array) -> Array:
        """`J(du, dv)`, shape `(N, K)`."""
        return self.of.change(dv, du)

    def pull(self, alpha: Array) -> tuple[Array, Array]:
        """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
        right, left = self.of.pull(alpha)
        return left, right

    def curvature(self, inverse: Inverse, factor: Array) -> Array:
        """`Wᵀ J M⁻¹ Jᵀ W` as `(Nc, Nc)`, for `W (N, K, c)`."""
        return self.of.curvature(inverse.flipped(), factor)


class TwoSidedJacobian(NamedTuple):
    """Of a weight met both ways, at the factors `u (m, r)` and `v (n, r)`."""

    block: TwoSided
    u: Array
    v: Array

    def outputs(self) -> Array:
        """`<G_ij, u vᵀ>`, shape `(N, K)`."""
        return self.block.apply_factors(self.u, self.v)

    def change(self, du: Array, dv: Array) -> Array:
        """`J(du, dv)`, shape `(N, K)`."""
        return self.block.apply_factors(du, self.v) + self.block.apply_factors(self.u, dv)

    def pull(self, alpha: Array) -> tuple[Array, Array]:
        """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
        matrix = self.block.adjoint(alpha)
        return matrix @ self.v, matrix.T @ self.u

    def curvature(self, inverse: Inverse, factor: Array) -> Array:
        """`Wᵀ J M⁻¹ Jᵀ W` as `(Nc, Nc)`, for `W (N, K, c)`."""
        along_u, along_v = (x.swapaxes(2, 3) for x in (self.block.times_v(self.v), self.block.times_u(self.u)))
        return kernel_of_directions(inverse, along_u, along_v, factor)


class StackedJacobian(NamedTuple):
    """Of weights side by side: `of` has them as the first axis of its arrays, and so have the factors."""

    of: Any  # a Jacobian of one weight, with that axis

    def outputs(self) -> Array:
        """`Σ_l <G^l_ij, u^l v^lᵀ>`, shape `(N, K)`."""
        return total(jax.vmap(lambda jacobian: jacobian.outputs())(self.of))

    def change(self, du: Array, dv: Array) -> Array:
        """`Σ_l J^l(du^l, dv^l)`, shape `(N, K)`."""
        return total(jax.vmap(lambda jacobian, x, y: jacobian.change(x, y))(self.of, du, dv))

    def pull(self, alpha: Array) -> tuple[Array, Array]:
        """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`, of every weight."""
        return jax.vmap(lambda jacobian: jacobian.pull(alpha))(self.of)

    def curvature(self, inverse: StackedInverse, factor: Array) -> Array:
        """`Σ_l Wᵀ J^l M⁻¹ J^lᵀ W` as `(Nc, Nc)`, for `W (N, K, c)`."""
        # W once for each: shared, it has XLA bring the weights from the first axis to the last and back.
        each = jnp.broadcast_to(factor, (len(jax.tree.leaves(self.of)[0]), *factor.shape))
        return total(jax.vmap(lambda jacobian, m, w: jacobian.curvature(m, w))(self.of, inverse.of, each))


Jacobian = StackedJacobian | DenseJacobian | FactoredJacobian | FlippedJacobian | TwoSidedJacobian


def jacobian_at(block: Block | Stacked, u: Array, v: Array) -> Jacobian:
    """The Jacobian of one weight's outputs at the factors `u (m, r)` and `v (n, r)`.

    Of weights side by side, at `u (L, m, r)` and `v (L, n, r)`, that of their sum.
    """
    match block:
        case Dense():
            rows = block.num_samples * block.num_outputs
            products = [x.swapaxes(2, 3).reshape(rows, -1) for x in (block.times_v(v), block.times_u(u))]
            # Left to itself XLA transposes them again for several of their uses: a twentieth of a step of the solver.
            along_u, along_v = jax.lax.optimization_barrier(products)
            return DenseJacobian(u, along_u, along_v, block.num_outputs)
        case Factored():
            return FactoredJacobian(block, block.b @ u, block.a @ v)
        case Transposed():
            return FlippedJacobian(FactoredJacobian(block.of, block.of.b @ v, block.of.a @ u))
        case TwoSided():
            return TwoSidedJacobian(block, u, v)
        case Stacked():
            return StackedJacobian(jax.vmap(jacobian_at)(block.of, u, v))
