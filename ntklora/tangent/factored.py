"""Tangent features of one weight matrix, stored dense or as the two factors that backpropagation multiplies.

For a weight `W` of shape `(m, n)` = (fan_out, fan_in), the tangent feature of output `j` at sample `i` is

    G_ij = ∂f_j(x_i)/∂W  in R^{m×n}.

A dense layer or convolution met at `T` positions gives `G_ij = Σ_t b_ijt a_itᵀ` [derived, theory §1.1]: `Factored`
keeps `a` and `b` and never forms `G`. `Dense` keeps `G`. Both answer the same questions, on NumPy and on JAX arrays.
"""

from __future__ import annotations

from typing import Any

from ntklora.arrays import namespace
from ntklora.module import Module

Array = Any  # a NumPy array, a JAX array, or a tracer; shapes are in the docstrings


class Dense(Module):
    """Tangent features as one array `g` of shape `(N, K, m, n)`."""

    g: Array

    @property
    def shape(self) -> tuple[int, int]:
        """`(m, n)`: the shape of the weight."""
        return self.g.shape[2], self.g.shape[3]

    @property
    def num_samples(self) -> int:
        """`N`."""
        return self.g.shape[0]

    @property
    def num_outputs(self) -> int:
        """`K`."""
        return self.g.shape[1]

    @property
    def _flat(self) -> Array:
        """`G` as a matrix `(NK, mn)`, a view: BLAS multiplies by it, in four fifths of `einsum`'s time on the host."""
        return self.g.reshape(self.num_samples * self.num_outputs, -1)

    def apply(self, delta: Array) -> Array:
        """`<G_ij, δ>`: `(m, n) -> (N, K)`."""
        return (self._flat @ delta.reshape(-1)).reshape(self.g.shape[:2])

    def apply_factors(self, u: Array, v: Array) -> Array:
        """`<G_ij, u vᵀ>`: `(m, r), (n, r) -> (N, K)`, by forming `u vᵀ` once."""
        return self.apply(u @ v.T)

    def adjoint(self, alpha: Array) -> Array:
        """`Σ_ij α_ij G_ij`: `(N, K) -> (m, n)`."""
        return (alpha.reshape(-1) @ self._flat).reshape(self.shape)

    def times_v(self, v: Array) -> Array:
        """`G_ij v`: `(n, r) -> (N, K, m, r)`."""
        return namespace(self.g, v).matmul(self.g, v)

    def times_u(self, u: Array) -> Array:
        """`G_ijᵀ u`: `(m, r) -> (N, K, n, r)`."""
        xp = namespace(self.g, u)
        # As many products `uᵀ G_ij`: as one product it makes XLA transpose G, which doubles its time.
        left = xp.broadcast_to(u.T, (*self.g.shape[:2], u.shape[1], u.shape[0]))
        return xp.matmul(left, self.g).swapaxes(2, 3)

    def gram(self) -> Array:
        """`<G_ij, G_kl>` as `(N, N, K, K)`: index order `(i, k, j, l)`."""
        return _pair_axes(self._flat @ self._flat.T, self.num_samples, self.num_outputs)

    def dense(self) -> Array:
        """`G` itself, `(N, K, m, n)`."""
        return self.g

    def compress(self, q_left: Array, q_right: Array) -> Dense:
        """Features `Q_leftᵀ G_ij Q_right`, for `Q_left (m, m')` and `Q_right (n, n')`."""
        return Dense(namespace(self.g, q_left).matmul(q_left.T, namespace(self.g, q_right).matmul(self.g, q_right)))

    def rows(self, part: slice) -> Array:
        """`G[:, :, part, :]`: a few rows of the weight."""
        return self.g[:, :, part]

    def unfoldings(self) -> tuple[Array, Array]:
        """Matrices whose columns span the column space `(m, ·)` and the row space `(n, ·)` of all features."""
        m, n = self.shape
        xp = namespace(self.g)
        return xp.moveaxis(self.g, 2, 0).reshape(m, -1), xp.moveaxis(self.g, 3, 0).reshape(n, -1)

    def take(self, samples: Array) -> Dense:
        """The features of these samples only."""
        return Dense(self.g[samples])

    def pad(self, num_samples: int, m: int, n: int) -> Dense:
        """The features with zeros for more samples, rows and columns, up to `(N, K, m, n)`."""
        return Dense(_zeros_behind(self.g, (num_samples, self.num_outputs, m, n)))


class Factored(Module):
    """Tangent features `G_ij = Σ_t b_ijt a_itᵀ`, with inputs `a (N, T, n)`, backpropagated `b (N, K, T, m)`."""

    a: Array
    b: Array

    @property
    def shape(self) -> tuple[int, int]:
        """`(m, n)`: the shape of the weight."""
        return self.b.shape[3], self.a.shape[2]

    @property
    def num_samples(self) -> int:
        """`N`."""
        return self.b.shape[0]

    @property
    def num_outputs(self) -> int:
        """`K`."""
        return self.b.shape[1]

    @property
    def num_positions(self) -> int:
        """`T`: positions (tokens, patches, uses of a shared weight) at which the layer is met."""
        return self.a.shape[1]

    def apply(self, delta: Array) -> Array:
        """`<G_ij, δ>`: `(m, n) -> (N, K)`."""
        return namespace(self.a, delta).einsum("iktm,itm->ik", self.b, self.a @ delta.T)

    def apply_factors(self, u: Array, v: Array) -> Array:
        """`<G_ij, u vᵀ> = Σ_t (uᵀ b_ijt)·(vᵀ a_it)`: `(m, r), (n, r) -> (N, K)`."""
        return namespace(self.a, u).einsum("iktr,itr->ik", self.b @ u, self.a @ v)

    def adjoint(self, alpha: Array) -> Array:
        """`Σ_ij α_ij G_ij`: `(N, K) -> (m, n)`."""
        xp = namespace(self.a, alpha)
        return xp.einsum("itm,itn->mn", xp.einsum("ik,iktm->itm", alpha, self.b), self.a)

    def times_v(self, v: Array) -> Array:
        """`G_ij v`: `(n, r) -> (N, K, m, r)`."""
        return namespace(self.a, v).einsum("iktm,itr->ikmr", self.b, self.a @ v)

    def times_u(self, u: Array) -> Array:
        """`G_ijᵀ u`: `(m, r) -> (N, K, n, r)`."""
        return namespace(self.a, u).einsum("iktr,itn->iknr", self.b @ u, self.a)

    def gram(self) -> Array:
        """`<G_ij, G_kl> = Σ_ts (a_it·a_ks)(b_ijt·b_kls)` as `(N, N, K, K)`: index order `(i, k, j, l)`.

        Through the two Gram matrices, or through `G` itself where that takes fewer floating-point operations.
        """
        (m, n), t = self.shape, self.num_positions
        rows = self.num_samples * self.num_outputs
        through_grams = rows**2 * t**2 * (m + 1) + (self.num_samples * t) ** 2 * n
        through_features = rows * t * m * n + rows**2 * m * n
        if through_features < through_grams:
            return Dense(self.dense()).gram()
        xp = namespace(self.a, self.b)
        gram_a = xp.einsum("itn,ksn->itks", self.a, self.a)
        gram_b = xp.einsum("ijtm,klsm->ijtkls", self.b, self.b)
        return xp.einsum("itks,ijtkls->ikjl", gram_a, gram_b)

    def dense(self) -> Array:
        """`G` itself, `(N, K, m, n)`."""
        return namespace(self.a, self.b).einsum("iktm,itn->ikmn", self.b, self.a)

    def compress(self, q_left: Array, q_right: Array) -> Dense | Factored:
        """Features `Q_leftᵀ G_ij Q_right`, for `Q_left (m, m')` and `Q_right (n, n')`; dense where that is smaller."""
        reduced = Factored(self.a @ q_right, self.b @ q_left)
        (m, n), k, t = reduced.shape, self.num_outputs, self.num_positions
        return Dense(reduced.dense()) if k * m * n < t * (n + k * m) else reduced

    def rows(self, part: slice) -> Array:
        """`G[:, :, part, :]`: a few rows of the weight."""
        return Factored(self.a, self.b[..., part]).dense()

    def unfoldings(self) -> tuple[Array, Array]:
        """Matrices whose columns span the column space `(m, ·)` and the row space `(n, ·)` of all features."""
        m, n = self.shape
        return self.b.reshape(-1, m).T, self.a.reshape(-1, n).T

    def take(self, samples: Array) -> Factored:
        """The features of these samples only."""
        return Factored(self.a[samples], self.b[samples])

    def pad(self, num_samples: int, m: int, n: int) -> Factored:
        """The features with zeros for more samples, rows and columns, up to `(N, K, m, n)`."""
        k, t = self.num_outputs, self.num_positions
        return Factored(_zeros_behind(self.a, (num_samples, t, n)), _zeros_behind(self.b, (num_samples, k, t, m)))


def _zeros_behind(array: Array, shape: tuple[int, ...]) -> Array:
    return namespace(array).pad(array, [(0, new - old) for new, old in zip(shape, array.shape)])


def _pair_axes(gram: Array, num_samples: int, num_outputs: int) -> Array:
    return gram.reshape(num_samples, num_outputs, num_samples, num_outputs).transpose(0, 2, 1, 3)
