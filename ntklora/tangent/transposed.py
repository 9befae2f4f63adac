"""Factored tangent features of a weight stored with fan_in first, and of one that is met both ways.

A weight applied as `x W` keeps its own two axes (fan_in, fan_out), so its features have the known inputs on the left:
`G_ij = Σ_t a_it b_ijtᵀ` (`Transposed`). A tied embedding and head, or `W` used together with `Wᵀ`, has both kinds of
term (`TwoSided`) [derived, theory §1.1].
"""

from __future__ import annotations

from typing import Any

from ntklora.arrays import namespace
from ntklora.module import Module
from ntklora.tangent.factored import Dense, Factored

Array = Any


class Transposed(Module):
    """Tangent features `G_ij = Σ_t a_it b_ijtᵀ` of a weight applied as `x W`: `of` holds those of `Wᵀ`."""

    of: Factored

    @property
    def shape(self) -> tuple[int, int]:
        """`(m, n)`: the shape of the weight, here (fan_in, fan_out)."""
        n, m = self.of.shape
        return m, n

    @property
    def num_samples(self) -> int:
        """`N`."""
        return self.of.num_samples

    @property
    def num_outputs(self) -> int:
        """`K`."""
        return self.of.num_outputs

    def apply(self, delta: Array) -> Array:
        """`<G_ij, δ>`: `(m, n) -> (N, K)`."""
        return self.of.apply(delta.T)

    def apply_factors(self, u: Array, v: Array) -> Array:
        """`<G_ij, u vᵀ>`: `(m, r), (n, r) -> (N, K)`."""
        return self.of.apply_factors(v, u)

    def adjoint(self, alpha: Array) -> Array:
        """`Σ_ij α_ij G_ij`: `(N, K) -> (m, n)`."""
        return self.of.adjoint(alpha).T

    def times_v(self, v: Array) -> Array:
        """`G_ij v`: `(n, r) -> (N, K, m, r)`."""
        return self.of.times_u(v)

    def times_u(self, u: Array) -> Array:
        """`G_ijᵀ u`: `(m, r) -> (N, K, n, r)`."""
        return self.of.times_v(u)

    def gram(self) -> Array:
        """`<G_ij, G_kl>` as `(N, N, K, K)`: index order `(i, k, j, l)`; transposing both changes nothing."""
        return self.of.gram()

    def dense(self) -> Array:
        """`G` itself, `(N, K, m, n)`."""
        return self.of.dense().swapaxes(2, 3)

    def compress(self, q_left: Array, q_right: Array) -> Dense | Transposed:
        """Features `Q_leftᵀ G_ij Q_right`, for `Q_left (m, m')` and `Q_right (n, n')`; dense where that is smaller."""
        reduced = self.of.compress(q_right, q_left)
        return Transposed(reduced) if isinstance(reduced, Factored) else Dense(reduced.g.swapaxes(2, 3))

    def rows(self, part: slice) -> Array:
        """`G[:, :, part, :]`: a few rows of the weight."""
        return Factored(self.of.a[..., part], self.of.b).dense().swapaxes(2, 3)

    def unfoldings(self) -> tuple[Array, Array]:
        """Matrices whose columns span the column space `(m, ·)` and the row space `(n, ·)` of all features."""
        right, left = self.of.unfoldings()
        return left, right

    def take(self, samples: Array) -> Transposed:
        """The features of these samples only."""
        return Transposed(self.of.take(samples))

    def pad(self, num_samples: int, m: int, n: int) -> Transposed:
        """The features with zeros for more samples, rows and columns, up to `(N, K, m, n)`."""
        return Transposed(self.of.pad(num_samples, n, m))


class TwoSided(Module):
    """Tangent features `G_ij = Σ_t b_ijt a_itᵀ + Σ_s a'_is b'_ijsᵀ` of a weight met as `W x` and as `x W`."""

    upright: Factored
    flipped: Transposed

    @property
    def shape(self) -> tuple[int, int]:
        """`(m, n)`: the shape of the weight."""
        return self.upright.shape

    @property
    def num_samples(self) -> int:
        """`N`."""
        return self.upright.num_samples

    @property
    def num_outputs(self) -> int:
        """`K`."""
        return self.upright.num_outputs

    def apply(self, delta: Array) -> Array:
        """`<G_ij, δ>`: `(m, n) -> (N, K)`."""
        return self.upright.apply(delta) + self.flipped.apply(delta)

    def apply_factors(self, u: Array, v: Array) -> Array:
        """`<G_ij, u vᵀ>`: `(m, r), (n, r) -> (N, K)`."""
        return self.upright.apply_factors(u, v) + self.flipped.apply_factors(u, v)

    def adjoint(self, alpha: Array) -> Array:
        """`Σ_ij α_ij G_ij`: `(N, K) -> (m, n)`."""
        return self.upright.adjoint(alpha) + self.flipped.adjoint(alpha)

    def times_v(self, v: Array) -> Array:
        """`G_ij v`: `(n, r) -> (N, K, m, r)`."""
        return self.upright.times_v(v) + self.flipped.times_v(v)

    def times_u(self, u: Array) -> Array:
        """`G_ijᵀ u`: `(m, r) -> (N, K, n, r)`."""
        return self.upright.times_u(u) + self.flipped.times_u(u)

    def gram(self) -> Array:
        """`<G_ij, G_kl>` as `(N, N, K, K)`: index order `(i, k, j, l)`.

        The mixed part is `Σ_ts (b_ijt·a'_ks)(a_it·b'_kls)`.
        """
        a, b, a_flipped, b_flipped = self.upright.a, self.upright.b, self.flipped.of.a, self.flipped.of.b
        xp = namespace(a, b)
        left = xp.einsum("ijtm,ksm->ijkts", b, a_flipped)
        right = xp.einsum("itn,klsn->iklts", a, b_flipped)
        mixed = xp.einsum("ijkts,iklts->ikjl", left, right)
        return self.upright.gram() + self.flipped.gram() + mixed + mixed.transpose(1, 0, 3, 2)

    def dense(self) -> Array:
        """`G` itself, `(N, K, m, n)`."""
        return self.upright.dense() + self.flipped.dense()

    def compress(self, q_left: Array, q_right: Array) -> Dense | TwoSided:
        """Features `Q_leftᵀ G_ij Q_right`, for `Q_left (m, m')` and `Q_right (n, n')`; dense where a part would be."""
        upright, flipped = self.upright.compress(q_left, q_right), self.flipped.compress(q_left, q_right)
        if isinstance(upright, Factored) and isinstance(flipped, Transposed):
            return TwoSided(upright, flipped)
        return Dense(upright.dense() + flipped.dense())

    def rows(self, part: slice) -> Array:
        """`G[:, :, part, :]`: a few rows of the weight."""
        return self.upright.rows(part) + self.flipped.rows(part)

    def unfoldings(self) -> tuple[Array, Array]:
        """Matrices whose columns span the column space `(m, ·)` and the row space `(n, ·)` of all features."""
        (left, right), (left_too, right_too) = self.upright.unfoldings(), self.flipped.unfoldings()
        xp = namespace(left, right)
        return xp.concatenate([left, left_too], 1), xp.concatenate([right, right_too], 1)

    def take(self, samples: Array) -> TwoSided:
        """The features of these samples only."""
        return TwoSided(self.upright.take(samples), self.flipped.take(samples))

    def pad(self, num_samples: int, m: int, n: int) -> TwoSided:
        """The features with zeros for more samples, rows and columns, up to `(N, K, m, n)`."""
        return TwoSided(self.upright.pad(num_samples, m, n), self.flipped.pad(num_samples, m, n))
