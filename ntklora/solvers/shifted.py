"""The inverse of the shifted KKT matrix of one weight, `M = 2S + μI`.

    M = [[c I, Γ], [Γᵀ, c I]] + 2P,    c = λ + μ

It acts on every column of `Q = [u; v]` alone: `2S ⊗ I_r` is the part of the Hessian that is not positive semidefinite.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

Array = Any


class Inverse(NamedTuple):
    """The blocks of `M⁻¹`: `uu (m, m)`, `uv (m, n)`, `vv (n, n)`."""

    uu: Array
    uv: Array
    vv: Array

    def apply(self, x_u: Array, x_v: Array) -> tuple[Array, Array]:
        """`M⁻¹ [x_u; x_v]`: `(m, r), (n, r) -> (m, r), (n, r)`."""
        return self.uu @ x_u + self.uv @ x_v, self.uv.T @ x_u + self.vv @ x_v

    def flipped(self) -> Inverse:
        """The same for the transposed weight: the roles of `u` and `v` exchanged."""
        return Inverse(self.vv, self.uv.T, self.uu)


def invert_shifted(gamma: Array, c: Array, perturbation: Array | None) -> Inverse:
    """`M⁻¹` for `Γ (m, n)`: through the smaller side when `P = 0`, whole otherwise."""
    if perturbation is not None:
        return _invert_whole(gamma, c, perturbation)
    if gamma.shape[0] >= gamma.shape[1]:
        return _invert_smaller_side(gamma, c)
    return _invert_smaller_side(gamma.T, c).flipped()


def _invert_smaller_side(gamma: Array, c: Array) -> Inverse:
    """With `T = (c²I − ΓᵀΓ)⁻¹`: `vv = cT`, `uv = −ΓT`, `uu = (I + ΓTΓᵀ)/c`."""
    m, n = gamma.shape
    t = jnp.linalg.inv(c**2 * jnp.eye(n, dtype=gamma.dtype) - gamma.T @ gamma)
    uv = -gamma @ t
    return Inverse((jnp.eye(m, dtype=gamma.dtype) - uv @ gamma.T) / c, uv, c * t)


def _invert_whole(gamma: Array, c: Array, perturbation: Array) -> Inverse:
    m, n = gamma.shape
    whole = c * jnp.eye(m + n, dtype=gamma.dtype) + 2 * perturbation
    inverse = jnp.linalg.inv(whole.at[:m, m:].add(gamma).at[m:, :m].add(gamma.T))
    return Inverse(inverse[:m, :m], inverse[:m, m:], inverse[m:, m:])
