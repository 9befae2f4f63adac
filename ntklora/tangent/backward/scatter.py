"""Gradients of look-ups: an embedding's rows are collected by one-hot vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import GatherScatterMode

from ntklora.tangent.backward.value import Held, NotRead, Shape, Term, Value


def scatter_add(
    params: dict[str, Any], inputs: Sequence[Value], shapes: Sequence[Shape]
) -> list[tuple[Term | Held, ...]]:
    """Whole slices added where known integers say: `C[i, …] = Σ_s 1[index_s = i] update[s, …]`.

    An index outside the array hits no row of the one-hot matrix, as the primitive drops it.
    """
    target, indices, update = inputs
    numbers, shape = params["dimension_numbers"], shapes[0]
    if target.terms is None or indices.linear:
        raise NotRead("scatter-add into an array that is no product")
    if getattr(numbers, "operand_batching_dims", ()):
        raise NotRead("scatter-add with batch axes")
    rows = tuple(numbers.scatter_dims_to_operand_dims)
    others = [i for i in range(len(shape)) if i not in rows]
    window = tuple(numbers.update_window_dims)
    if set(numbers.inserted_window_dims) != set(rows) or [update.shape[i] for i in window] != [
        shape[i] for i in others
    ]:
        raise NotRead("scatter-add of partial slices")
    batch = [i for i in range(len(update.shape)) if i not in window]
    count, dtype = 1, update.dtype
    for i in batch:
        count *= update.shape[i]
    flat = indices.array.reshape(count, len(rows))
    if params["mode"] == GatherScatterMode.CLIP:
        flat = jnp.clip(flat, 0, jnp.array([shape[axis] - 1 for axis in rows], flat.dtype))
    one_hot = jnp.ones((count, *(1,) * len(shape)), dtype)
    for place, axis in enumerate(rows):
        hit = flat[:, place, None] == jnp.arange(shape[axis], dtype=flat.dtype)
        one_hot = one_hot * hit.astype(dtype).reshape(
            count, *(shape[axis] if i == axis else 1 for i in range(len(shape)))
        )
    terms = []
    for linear, known, data, _ in _update_terms(update):
        # (t, batch..., window...) -> (t batch, operand axes), each with its own sizes
        sides = []
        for operand in (linear, known):
            spread = jnp.broadcast_to(
                operand, tuple(n if i - 1 not in batch else update.shape[i - 1] for i, n in enumerate(operand.shape))
            )
            ordered = spread.transpose(0, *(1 + i for i in batch), *(1 + i for i in window))
            kept = dict(zip(others, ordered.shape[1 + len(batch) :]))
            sides.append(ordered.reshape(-1, *(kept.get(i, 1) for i in range(len(shape)))))
        repeated = jnp.tile(one_hot, (linear.shape[0], *(1,) * len(shape)))
        terms.append(Term(sides[0], sides[1] * repeated, data or indices.data))
    return [(*target.terms, *terms)]


def _update_terms(update: Value) -> tuple[Term, ...]:
    if update.terms is not None and all(term.data for term in update.products):
        return update.products
    array: jax.Array = update.array[None]
    return (Term(array, jnp.ones((1,) * array.ndim, array.dtype), False),)
