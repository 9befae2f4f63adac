"""The inverse of the shifted KKT matrix of one weight, `M = 2S + μI`.

    M = [[c I, Γ], [Γᵀ, c I]] + 2P,    c = λ + μ

It acts on every column of `Q = [u; v]` alone: `2S ⊗ I_r` is the part of the Hessian that is not positive semidefinite.
Three things are asked of `M⁻¹`: its product with factors, its Gram matrix over directions `[x_u; x_v]`, and the three
Gram matrices of its blocks over vectors `b` and `a`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Array = Any


class SmallerSide(NamedTuple):
    """Without perturbation: `gamma (m, n)`, its transpose, `c`, and `t = (c²I − ΓᵀΓ)⁻¹`.

    The blocks of `M⁻¹` are `uu = (I + ΓTΓᵀ)/c`, `uv = −ΓT`, `vv = cT`; none is formed.
    """

    gamma: Array
    gamma_t: Array
    t: Array
    c: Array

    def apply(self, x_u: Array, x_v: Array) -> tuple[Array, Array]:
        """`M⁻¹ [x_u; x_v]`: `(m, r), (n, r) -> (m, r), (n, r)`."""
        y_v = self.t @ (self.c * x_v - self.gamma_t @ x_u)
        return (x_u - self.gamma @ y_v) / self.c, y_v

    def form(self, x_u: Array, x_v: Array) -> Array:
        """`<x_i, M⁻¹ x_j>` of the directions `x_u (R, r, m)`, `x_v (R, r, n)`: `(R, R)`.

        `(X_u X_uᵀ + W T Wᵀ)/c` with `w = c x_v − Γᵀ x_u`.
        """
        w = self.c * x_v - x_u @ self.gamma
        return (_gram(x_u, x_u) + _gram(w @ self.t, w)) / self.c

    def grams(self, b: Array, a: Array) -> tuple[Array, Array, Array]:
        """`b uu bᵀ (R, R)`, `b uv aᵀ (R, Q)`, `a vv aᵀ (Q, Q)` for the rows of `b (R, m)` and `a (Q, n)`."""
        rows = jnp.concatenate([b @ self.gamma, a])
        pairs = (rows @ self.t) @ rows.T
        count = len(b)
        return (b @ b.T + pairs[:count, :count]) / self.c, -pairs[:count, count:], self.c * pairs[count:, count:]

    def flipped(self) -> Flipped:
        """The same for the transposed weight: the roles of `u` and `v` exchanged."""
        return Flipped(self)


class Flipped(NamedTuple):
    """`M⁻¹` of a weight whose transpose has the inverse `of`."""

    of: SmallerSide

    def apply(self, x_u: Array, x_v: Array) -> tuple[Array, Array]:
        """`M⁻¹ [x_u; x_v]`: `(m, r), (n, r) -> (m, r), (n, r)`."""
        y_v, y_u = self.of.apply(x_v, x_u)
        return y_u, y_v

    def form(self, x_u: Array, x_v: Array) -> Array:
        """`<x_i, M⁻¹ x_j>` of the directions `x_u (R, r, m)`, `x_v (R, r, n)`: `(R, R)`."""
        return self.of.form(x_v, x_u)

    def grams(self, b: Array, a: Array) -> tuple[Array, Array, Array]:
        """`b uu bᵀ (R, R)`, `b uv aᵀ (R, Q)`, `a vv aᵀ (Q, Q)` for the rows of `b (R, m)` and `a (Q, n)`."""
        right, cross, left = self.of.grams(a, b)
        return left, cross.T, right

    def flipped(self) -> SmallerSide:
        """The same for the transposed weight: the roles of `u` and `v` exchanged."""
        return self.of


class Whole(NamedTuple):
    """With a perturbation: the blocks of `M⁻¹`, `uu (m, m)`, `uv (m, n)`, `vv (n, n)`."""

    uu: Array
    uv: Array
    vv: Array

    def apply(self, x_u: Array, x_v: Array) -> tuple[Array, Array]:
        """`M⁻¹ [x_u; x_v]`: `(m, r), (n, r) -> (m, r), (n, r)`."""
        return self.uu @ x_u + self.uv @ x_v, self.uv.T @ x_u + self.vv @ x_v

    def form(self, x_u: Array, x_v: Array) -> Array:
        """`<x_i, M⁻¹ x_j>` of the directions `x_u (R, r, m)`, `x_v (R, r, n)`: `(R, R)`."""
        y_u, y_v = x_u @ self.uu + x_v @ self.uv.T, x_u @ self.uv + x_v @ self.vv
        return _gram(x_u, y_u) + _gram(x_v, y_v)

    def grams(self, b: Array, a: Array) -> tuple[Array, Array, Array]:
        """`b uu bᵀ (R, R)`, `b uv aᵀ (R, Q)`, `a vv aᵀ (Q, Q)` for the rows of `b (R, m)` and `a (Q, n)`."""
        return b @ self.uu @ b.T, b @ self.uv @ a.T, a @ self.vv @ a.T

    def flipped(self) -> Whole:
        """The same for the transposed weight: the roles of `u` and `v` exchanged."""
        return Whole(self.vv, self.uv.T, self.uu)


class StackedInverse(NamedTuple):
    """Of weights side by side: `of` has them as the first axis of its arrays, and so have the factors."""

    of: SmallerSide | Flipped

    def apply(self, x_u: Array, x_v: Array) -> tuple[Array, Array]:
        """`M⁻¹ [x_u; x_v]`: `(L, m, r), (L, n, r) -> (L, m, r), (L, n, r)`."""
        return jax.vmap(lambda inverse, x, y: inverse.apply(x, y))(self.of, x_u, x_v)


Inverse = SmallerSide | Flipped | Whole


def invert_shifted(gamma: Array, c: Array, perturbation: Array | None) -> Inverse | StackedInverse:
    """`M⁻¹` for `Γ (m, n)`, or `Γ (L, m, n)` of weights side by side.

    Through the smaller side when `P = 0`, whole otherwise.
    """
    if perturbation is not None:
        return _invert_whole(gamma, c, perturbation)
    # Written out: left in the products, the transpose sends each of four a slower way, 6% of a step on 32×32 features.
    gamma_t = jax.lax.optimization_barrier(gamma.mT)
    tall = gamma.shape[-2] >= gamma.shape[-1]
    side = _smaller_side(gamma, gamma_t, c) if tall else _smaller_side(gamma_t, gamma, c)
    inverse = side if tall else side.flipped()
    return inverse if gamma.ndim == 2 else StackedInverse(inverse)


def _smaller_side(gamma: Array, gamma_t: Array, c: Array) -> SmallerSide:
    """For `Γ` with at least as many rows as columns, and its transpose; of weights side by side, one for each."""
    shifted = c**2 * jnp.eye(gamma.shape[-1], dtype=gamma.dtype) - gamma_t @ gamma
    if gamma.ndim == 2:
        return SmallerSide(gamma, gamma_t, jnp.linalg.inv(shifted), c)
    # One after the other: XLA exchanges the rows of a batch in a loop of small operations, and on a processor batched
    # LAPACK calls of several starts may wait for each other for ever (see `environment`).
    inverses = jax.lax.map(jnp.linalg.inv, shifted)
    return SmallerSide(gamma, gamma_t, inverses, jnp.broadcast_to(c, len(inverses)))


def _invert_whole(gamma: Array, c: Array, perturbation: Array) -> Whole:
    m, n = gamma.shape
    whole = c * jnp.eye(m + n, dtype=gamma.dtype) + 2 * perturbation
    inverse = jnp.linalg.inv(whole.at[:m, m:].add(gamma).at[m:, :m].add(gamma.T))
    return Whole(inverse[:m, :m], inverse[:m, m:], inverse[m:, m:])


def _gram(x: Array, y: Array) -> Array:
    """Inner products of all pairs along the first axis: `(R, R)`."""
    return x.reshape(len(x), -1) @ y.reshape(len(y), -1).T
