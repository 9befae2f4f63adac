"""Filling the kernel block by block, so that what is written out at once stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

# Rows (examples times outputs) of a block: thinner panels lose the gain of a symmetric kernel.
ROWS = 384
# Pairs of blocks written one after the other; more are a loop, which compiles once.
UNROLLED = 10


def block_length(examples: int, rows_each: int, most: int) -> int:
    """Examples in a block: about `ROWS` rows of `rows_each` for each example, at most `most` examples, all alike.

    >>> block_length(100, 10, 1000), block_length(30, 10, 1000), block_length(100, 10, 4)
    (34, 30, 4)
    """
    length = max(1, min(-(-ROWS // rows_each), most))
    blocks = -(-examples // length)
    return -(-examples // blocks)


def fill_kernel(block: Callable[[Any, Any], Array], like: Any, blocks: tuple[int, int], symmetric: bool) -> Array:
    """`(blocks₀·n₀, blocks₁·n₁, ...)` from `block(i, j) -> (n₀, n₁, ...)`, whose shape and type are `like`.

    If `symmetric`, only blocks on and above the diagonal are computed and `Θ_ji,lk = Θ_ij,kl` holds exactly.
    """
    pairs = np.array([(i, j) for i in range(blocks[0]) for j in range(blocks[1]) if i <= j or not symmetric])
    n0, n1, *rest = like.shape
    kernel = jnp.zeros((blocks[0] * n0, blocks[1] * n1, *rest), like.dtype)

    def write(kernel: Array, pair: Any) -> Array:
        i, j = pair
        entries = block(i, j)
        if symmetric:
            # On the diagonal the entries above it are copied below: a mean of the two would round differently in each.
            entries = lax.optimization_barrier(entries)
            entries = jnp.where((i != j) | _upper(entries.shape), entries, _mirrored(entries))
            kernel = _at(kernel, _mirrored(entries), j * n1, i * n0)
        return _at(kernel, entries, i * n0, j * n1)

    if len(pairs) <= UNROLLED:
        for pair in pairs:
            kernel = write(kernel, pair)
        return kernel
    return lax.scan(lambda kernel, pair: (write(kernel, pair), None), kernel, jnp.asarray(pairs))[0]


def _at(kernel: Array, entries: Array, row: Any, column: Any) -> Array:
    return lax.dynamic_update_slice(kernel, entries, (row, column, *(0,) * (kernel.ndim - 2)))


def _mirrored(entries: Array) -> Array:
    return entries.transpose(1, 0, 3, 2) if entries.ndim == 4 else entries.T


def _upper(shape: tuple[int, ...]) -> np.ndarray:
    """Entries on or above the diagonal, rows and columns numbered by example and output."""
    n, k = shape[0], (*shape[2:], 1)[0]
    number = np.arange(n * k).reshape(n, k)
    upper = number[:, None, :, None] <= number[None, :, None, :]
    return upper if len(shape) == 4 else upper[:, :, 0, 0]
