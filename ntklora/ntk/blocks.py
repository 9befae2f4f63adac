"""Filling the kernel block by block, so that what is computed at once stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

# Blocks along each side, where rows (examples times outputs) suffice: of 4 x 4 symmetric blocks 10 are computed.
BLOCKS = 4
# Rows of a block: thinner ones lose more in the matrix products than symmetry gains, larger ones gain nothing.
FEWEST_ROWS, MOST_ROWS = 128, 640
# Pairs of blocks computed one after the other; more are a loop, which compiles once.
UNROLLED = 10


def block_length(examples: int, rows_each: int, most: int) -> int:
    """Examples in a block of `rows_each` rows for each example, at most `most` examples, all blocks alike.

    >>> block_length(64, 10, 1000), block_length(30, 10, 1000), block_length(1000, 10, 1000), block_length(64, 10, 4)
    (16, 10, 63, 4)
    """
    length = min(max(-(-examples // BLOCKS), -(-FEWEST_ROWS // rows_each)), max(1, MOST_ROWS // rows_each), examples)
    blocks = -(-examples // max(1, min(length, most)))
    return -(-examples // blocks)


def block_pairs(blocks: tuple[int, int], symmetric: bool) -> np.ndarray:
    """The pairs `(i, j)` of blocks to compute: if `symmetric`, those on and above the diagonal."""
    return np.array([(i, j) for i in range(blocks[0]) for j in range(blocks[1]) if i <= j or not symmetric])


def fill_kernel(
    block: Callable[[Any, Any, Any], Array],
    like: Any,
    blocks: tuple[int, int],
    symmetric: bool,
    unrolled: int = UNROLLED,
) -> Array:
    """`(blocks₀·n₀, blocks₁·n₁, ...)` from `block(i, j, p) -> (n₀, n₁, ...)`, whose shape and type are `like`.

    `p` numbers the `block_pairs`; more of them than `unrolled` are a loop. If `symmetric`, `Θ_ji,lk = Θ_ij,kl` holds
    exactly.
    """
    numbered = [(p, int(i), int(j)) for p, (i, j) in enumerate(block_pairs(blocks, symmetric))]
    n0, n1, *rest = like.shape
    kernel = jnp.zeros((blocks[0] * n0, blocks[1] * n1, *rest), like.dtype)

    def write(kernel: Array, pair: Any) -> tuple[Array, None]:
        p, i, j = pair
        return _put(kernel, block(i, j, p), i, j), None

    if len(numbered) <= unrolled:
        for pair in numbered:
            kernel, _ = write(kernel, pair)
    else:
        kernel, _ = lax.scan(write, kernel, jnp.asarray(numbered))
    return _mirrored(kernel, like.shape, numbered) if symmetric else kernel


def _mirrored(kernel: Array, shape: tuple[int, ...], pairs: list[tuple[int, int, int]]) -> Array:
    """The entries above the diagonal copied below.

    In a loop of its own, of two rounds at least: what enters a loop has been stored. The compiler may otherwise compute
    an entry once for each of its two places, and round it differently.
    """
    n = shape[0]
    upper = _upper(shape)

    def copy(kernel: Array, pair: Array) -> tuple[Array, None]:
        _, i, j = pair
        entries = lax.dynamic_slice(kernel, (i * n, j * n, *(0,) * (len(shape) - 2)), shape)
        flipped = entries.transpose(1, 0, 3, 2) if len(shape) == 4 else entries.T
        return _put(kernel, jnp.where((i != j) | ~upper, flipped, entries), j, i), None

    return lax.scan(copy, kernel, jnp.asarray(pairs if len(pairs) > 1 else pairs * 2))[0]


def _put(kernel: Array, entries: Array, i: Any, j: Any) -> Array:
    corner = (i * entries.shape[0], j * entries.shape[1], *(0,) * (kernel.ndim - 2))
    return lax.dynamic_update_slice(kernel, entries, corner)


def _upper(shape: tuple[int, ...]) -> np.ndarray:
    """Entries on or above the diagonal, rows and columns numbered by example and output."""
    n, k = shape[0], (*shape[2:], 1)[0]
    number = np.arange(n * k).reshape(n, k)
    upper = number[:, None, :, None] <= number[None, :, None, :]
    return upper if len(shape) == 4 else upper[:, :, 0, 0]
