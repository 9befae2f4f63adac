"""Batches of examples and parameters, as the functions that take `f(params, x)` receive them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def as_batch(x: Any) -> Any:
    """`x` as JAX arrays with one leading axis. Errors: `ValueError` when the leaves have none in common."""
    batch = jax.tree.map(jnp.asarray, x)
    lengths = {leaf.shape[0] if leaf.ndim else None for leaf in jax.tree.leaves(batch)}
    if len(lengths) != 1 or lengths & {None, 0}:
        shapes = [leaf.shape for leaf in jax.tree.leaves(batch)]
        raise ValueError(f"x must have one leading axis of N >= 1 examples in every array, got shapes {shapes}")
    return batch


def one_example(batch: Any) -> Any:
    """Shapes and types of one example of a batch."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), batch)


def on_device(params: Any) -> Any:
    """`params` with NumPy arrays made JAX's; functions and numbers stay as they are."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if isinstance(leaf, np.ndarray | np.generic) else leaf, params)


def in_blocks(x: Any, length: int) -> Any:
    """`(N, ...)` -> `(blocks, length, ...)`, filled up with copies of the last example."""
    examples = jax.tree.leaves(x)[0].shape[0]
    blocks = -(-examples // length)
    index = np.minimum(np.arange(blocks * length), examples - 1).reshape(blocks, length)
    return jax.tree.map(lambda leaf: leaf[index], x)
