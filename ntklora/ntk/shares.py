"""One parameter's share of the kernel through Gram matrices, and when they take fewer operations than the gradients.

Θ_(ij),(kl) = <∂f_j(x_i)/∂W, ∂f_l(x_k)/∂W> = Σ_ts (input_t·input'_s)(signal_t·signal'_s)      [derived, theory §1.1]
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ntklora.ntk.written import HIGHEST, rows_product

# Operations that one multiplication of two Gram entries is worth: it moves memory, a matrix product does not.
ENTRY_COST = 8


class Grams(eqx.Module):
    """Operands of gradients `Σ_t signal_t inputᵀ_t`, in `S` separate matrices (layers of a stack; 1 for a weight)."""

    signal: Float[Array, "N K T S M"]
    input: Float[Array, "N T S Q"]

    def share(self, other: Grams, trace: bool) -> Array:
        """`(N, K, N', K)`, or `(N, N')` summed over equal outputs."""
        n, k, t, s, _ = self.signal.shape
        if t == s == 1:
            inputs = rows_product(self.input[:, 0, 0], other.input[:, 0, 0])
            if trace:
                return inputs * rows_product(*(x.signal.reshape(x.signal.shape[0], -1) for x in (self, other)))
            signals = rows_product(*(x.signal.reshape(-1, x.signal.shape[-1]) for x in (self, other)))
            return signals.reshape(n, k, -1, k) * inputs[:, None, :, None]
        inputs = jnp.einsum("itsq,jusq->sitju", self.input, other.input, precision=HIGHEST)
        if trace:
            signals = jnp.einsum("iktsm,jkusm->sitju", self.signal, other.signal, precision=HIGHEST)
            return jnp.sum(inputs * signals, (0, 2, 4))
        signals = jnp.einsum("iktsm,jlusm->siktjlu", self.signal, other.signal, precision=HIGHEST)
        return jnp.sum(signals * inputs[:, :, None, :, :, None, :], (0, 3, 6))

    def most_examples(self, limit: int) -> int:
        """Examples for which what `share` forms, the signals' Gram matrix, takes `limit` bytes."""
        _, k, t, s, _ = self.signal.shape
        return int(sqrt(limit / (s * self.signal.dtype.itemsize)) / (k * t))


class TwoSidedGrams(eqx.Module):
    """A weight met as `W x` and as `x W`: the shares of both, and the mixed ones."""

    upright: Grams
    flipped: Grams

    def share(self, other: TwoSidedGrams, trace: bool) -> Array:
        """`(N, K, N', K)`, or `(N, N')` summed over equal outputs."""
        straight = self.upright.share(other.upright, trace) + self.flipped.share(other.flipped, trace)
        return straight + _mixed(self.upright, other.flipped, trace) + _mixed(self.flipped, other.upright, trace)

    def most_examples(self, limit: int) -> int:
        """Examples for which what `share` forms takes `limit` bytes."""
        return min(self.upright.most_examples(limit), self.flipped.most_examples(limit))


Paired = Grams | TwoSidedGrams


def grams_pay(shape: tuple[int, int, int, int, int], partners: float, trace: bool) -> bool:
    """Whether Gram matrices take fewer operations than written-out gradients, for each pair of examples.

    `shape` is `(K, T, S, M, Q)`; each gradient is written once, for `partners` pairs.
    """
    k, t, s, m, q = shape
    pairs = k if trace else k * k
    grams = t * t * s * (q + pairs * m + (1 if trace else pairs) * ENTRY_COST)
    written = pairs * s * m * q + k * t * s * m * q / partners
    return grams <= written


def _mixed(one: Grams, two: Grams, trace: bool) -> Any:
    """`Σ_tu (signal_t·input'_u)(input_t·signal'_u)`: rows of the one are columns of the other."""
    left = jnp.einsum("iktm,jum->iktju", one.signal[:, :, :, 0], two.input[:, :, 0], precision=HIGHEST)
    right = jnp.einsum("itq,jluq->itjlu", one.input[:, :, 0], two.signal[:, :, :, 0], precision=HIGHEST)
    result = "ij" if trace else "ikjl"
    return jnp.einsum(f"iktju,itj{'k' if trace else 'l'}u->{result}", left, right, precision=HIGHEST)
