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
    terms = [_scattered(term, one_hot, batch, window, rows, indices.data) for term in _update_terms(update)]
    return [(*target.terms, *terms)]


def _scattered(
    term: Term, one_hot: jax.Array, batch: list[int], window: tuple[int, ...], rows: tuple[int, ...], data: bool
) -> Term:
    """The term of the update, its batch axes contracted with `one_hot (S, axes of C)`.

    Where one operand alone varies along the batch, its entries move; where both do, or a plain signal meets the
    indices, the batch joins the sum over positions: an embedding's `Σ_s e_{index_s} signal_sᵀ`.
    """
    rank, others = one_hot.ndim - 1, [i for i in range(one_hot.ndim - 1) if i not in rows]
    sides = []
    for operand in (term.linear, term.known):
        ordered = operand.transpose(0, *(1 + i for i in batch), *(1 + i for i in window))
        kept = dict(zip(others, ordered.shape[1 + len(batch) :]))
        sizes = [kept.get(i, 1) for i in range(rank)]
        varies = any(operand.shape[1 + i] > 1 for i in batch)
        sides.append((ordered, sizes, varies))
    if sides[0][2] != sides[1][2] and term.data:
        moved = []
        for ordered, sizes, varies in sides:
            flat = ordered.reshape(ordered.shape[0], -1, *sizes)
            moved.append(jnp.sum(flat * one_hot[None], 1) if varies else flat[:, 0])
        return Term(moved[0], moved[1], True)
    count, merged = one_hot.shape[0], []
    for ordered, sizes, varies in sides:
        flat = ordered.reshape(ordered.shape[0], -1, *sizes)
        flat = flat if varies else jnp.broadcast_to(flat, (flat.shape[0], count, *sizes))
        merged.append(flat.reshape(-1, *sizes))
    repeated = jnp.tile(one_hot, (term.linear.shape[0], *(1,) * rank))
    return Term(merged[0], merged[1] * repeated, term.data or data)


def _update_terms(update: Value) -> tuple[Term, ...]:
    if update.terms is not None and all(term.data for term in update.products):
        return update.products
    array: jax.Array = update.array[None]
    return (Term(array, jnp.ones((1,) * array.ndim, array.dtype), False),)
