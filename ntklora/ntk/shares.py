"""One parameter's share of the kernel, `Θ_(ij),(kl) = <∂f_j(x_i)/∂W, ∂f_l(x_k)/∂W>`."""

from __future__ import annotations

from math import sqrt
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

HIGHEST = lax.Precision.HIGHEST

# Operations that one multiplication of two Gram entries is worth: it moves memory, a matrix product does not.
ENTRY_COST = 8


class Gradients(eqx.Module):
    """A parameter's gradients written out, one row for each example and output."""

    rows: Float[Array, "N K P"]

    def share(self, other: Gradients, trace: bool) -> Array:
        """`rows · other.rowsᵀ`: `(N, K, N', K)`, or `(N, N')` summed over equal outputs."""
        if trace:
            merged = (part.rows.reshape(part.rows.shape[0], -1) for part in (self, other))
            return _rows_product(*merged)
        n, k, _ = self.rows.shape
        left, right = (part.rows.reshape(-1, part.rows.shape[2]) for part in (self, other))
        return _rows_product(left, right).reshape(n, k, -1, k)

    def most_examples(self, limit: int) -> int:
        """Examples whose gradients take `limit` bytes."""
        return limit // max(1, self.rows.shape[1] * self.rows.shape[2] * self.rows.dtype.itemsize)


class Products(eqx.Module):
    """Gradients `Σ_t signal_t inputᵀ_t`, in `S` separate matrices (the layers of a stack; 1 for a weight).

    Theory §1.1: through Gram matrices `Θ = Σ_ts (input_t·input'_s)(signal_t·signal'_s)`, or through the gradients.
    """

    signal: Float[Array, "N K T S M"]
    input: Float[Array, "N T S Q"]
    through_grams: bool = eqx.field(static=True)

    def share(self, other: Products, trace: bool) -> Array:
        """`(N, K, N', K)`, or `(N, N')` summed over equal outputs."""
        if not self.through_grams:
            return self.gradients().share(other.gradients(), trace)
        t, s = self.signal.shape[2:4]
        if t == s == 1:
            # The signals' Gram matrix is that of a bias: written alike, the compiler computes it once.
            grams = _rows_product(self.input[:, 0, 0], other.input[:, 0, 0])
            signals = Gradients(self.signal[:, :, 0, 0]).share(Gradients(other.signal[:, :, 0, 0]), trace)
            return signals * (grams if trace else grams[:, None, :, None])
        inputs = jnp.einsum("itsq,jusq->sitju", self.input, other.input, precision=HIGHEST)
        if trace:
            signals = jnp.einsum("iktsm,jkusm->sitju", self.signal, other.signal, precision=HIGHEST)
            return jnp.sum(inputs * signals, (0, 2, 4))
        signals = jnp.einsum("iktsm,jlusm->siktjlu", self.signal, other.signal, precision=HIGHEST)
        return jnp.sum(signals * inputs[:, :, None, :, :, None, :], (0, 3, 6))

    def most_examples(self, limit: int) -> int:
        """Examples for which what `share` forms, the signals' Gram matrix or the gradients, takes `limit` bytes."""
        _, k, t, s, m = self.signal.shape
        item = self.signal.dtype.itemsize
        if self.through_grams:
            return int(sqrt(limit / (s * item)) / (k * t))
        return limit // max(1, k * s * m * self.input.shape[3] * item)

    def gradients(self) -> Gradients:
        """Written out; rows of one example and output are contiguous."""
        n, k = self.signal.shape[:2]
        full = jnp.einsum("iktsm,itsq->ikmsq", self.signal, self.input, precision=HIGHEST)
        return Gradients(full.reshape(n, k, -1))


class TwoSidedProducts(eqx.Module):
    """A weight met as `W x` and as `x W`: the shares of both, and the mixed ones."""

    upright: Products
    flipped: Products

    def share(self, other: TwoSidedProducts, trace: bool) -> Array:
        """`(N, K, N', K)`, or `(N, N')` summed over equal outputs."""
        straight = self.upright.share(other.upright, trace) + self.flipped.share(other.flipped, trace)
        return straight + _mixed(self.upright, other.flipped, trace) + _mixed(self.flipped, other.upright, trace)

    def most_examples(self, limit: int) -> int:
        """Examples for which what `share` forms takes `limit` bytes."""
        return min(self.upright.most_examples(limit), self.flipped.most_examples(limit))


Share = Gradients | Products | TwoSidedProducts


def grams_pay(shape: tuple[int, int, int, int, int], examples: int, trace: bool) -> bool:
    """Whether Gram matrices take fewer operations than written-out gradients, for each pair of examples.

    `shape` is `(K, T, S, M, Q)`; writing the gradients out is shared by the `examples` of a block.
    """
    k, t, s, m, q = shape
    pairs = k if trace else k * k
    grams = t * t * s * (q + pairs * m + (1 if trace else pairs) * ENTRY_COST)
    written = pairs * s * m * q + 2 * k * t * s * m * q / examples
    return grams <= written


def _rows_product(left: Array, right: Array) -> Array:
    return lax.dot_general(left, right, (((1,), (1,)), ((), ())), precision=HIGHEST)


def _mixed(one: Products, two: Products, trace: bool) -> Any:
    """`Σ_tu (signal_t·input'_u)(input_t·signal'_u)`: rows of the one are columns of the other."""
    left = jnp.einsum("iktm,jum->iktju", one.signal[:, :, :, 0], two.input[:, :, 0], precision=HIGHEST)
    right = jnp.einsum("itq,jluq->itjlu", one.input[:, :, 0], two.signal[:, :, :, 0], precision=HIGHEST)
    result = "ij" if trace else "ikjl"
    return jnp.einsum(f"iktju,itj{'k' if trace else 'l'}u->{result}", left, right, precision=HIGHEST)
