"""Primitives that only move entries: a product moved is the product of its moved operands.

Each rule takes the equation's parameters, its inputs and the shapes of its outputs, and returns the terms of each
output; `NotRead` says why it cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ntklora.tangent.backward.value import NotRead, Shape, Term, Value, full_axes

Params = dict[str, Any]
Terms = tuple[Term, ...]


def transpose(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Axes permuted."""
    return [transposed(inputs[0].products, params["permutation"])]


def reshape(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Axes merged and split."""
    if params.get("dimensions") is not None:
        raise NotRead("reshape in another order")
    return [reshaped(inputs[0].products, inputs[0].shape, shapes[0])]


def squeeze(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Axes of size 1 dropped."""
    axes = [axis + 1 for axis in params["dimensions"]]
    return [_moved(inputs[0].products, lambda operand: lax.squeeze(operand, axes))]


def broadcast_in_dim(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Repeated along new axes: the known operand carries them, of which there is one copy for all outputs."""
    source = {int(target): axis for axis, target in enumerate(params["broadcast_dimensions"])}
    old, new = inputs[0].shape, shapes[0]
    repeated = [i not in source or old[source[i]] < new[i] for i in range(len(new))]
    places = (0, *(int(target) + 1 for target in params["broadcast_dimensions"]))

    def place(operand: jax.Array, fill: bool) -> jax.Array:
        sizes = [(new[i] if fill else 1) if repeated[i] else operand.shape[1 + source[i]] for i in range(len(new))]
        return lax.broadcast_in_dim(operand, (operand.shape[0], *sizes), places)

    return [tuple(Term(place(t.linear, False), place(t.known, True), t.data) for t in inputs[0].products)]


def slice_(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A static slice."""
    starts, limits = params["start_indices"], params["limit_indices"]
    return [_sliced(inputs[0], starts, limits, params["strides"] or (1,) * len(starts))]


def split(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Pieces along one axis."""
    axis, start, pieces = params["axis"], 0, []
    for shape in shapes:
        starts = [start if i == axis else 0 for i in range(len(shape))]
        limits = [begin + length for begin, length in zip(starts, shape)]
        pieces.append(_sliced(inputs[0], starts, limits, (1,) * len(shape)))
        start += shape[axis]
    return pieces


def dynamic_slice(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A slice that starts where known integers say."""
    value, starts = inputs[0], [start.array for start in inputs[1:]]

    def cut(operand: jax.Array) -> jax.Array:
        full = full_axes(operand)
        begin = [jnp.zeros_like(starts[0]), *(s if f else jnp.zeros_like(s) for s, f in zip(starts, full))]
        return lax.dynamic_slice(operand, begin, (operand.shape[0], *(n if f else 1 for n, f in zip(shapes[0], full))))

    return [_moved(value.products, cut)]


def dynamic_update_slice(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A product written into zeros where known integers say."""
    target, update, starts = inputs[0], inputs[1], [start.array for start in inputs[2:]]
    if not target.is_zero:
        raise NotRead("dynamic_update_slice into an array that is not zero")

    def write(operand: jax.Array, axes: Sequence[int]) -> jax.Array:
        sizes = [shapes[0][i] if i in axes else operand.shape[1 + i] for i in range(len(shapes[0]))]
        begin = [jnp.zeros_like(s) if i not in axes else s for i, s in enumerate(starts)]
        canvas = jnp.zeros((operand.shape[0], *sizes), operand.dtype)
        return lax.dynamic_update_slice(canvas, operand, [jnp.zeros_like(starts[0]), *begin])

    grown = [i for i in range(len(starts)) if update.shape[i] != shapes[0][i]]
    return [tuple(_grow(term, update.shape, grown, write) for term in update.products)]


def pad(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Zeros added around and between, or entries cut off."""
    value, filler = inputs
    if not filler.is_zero:
        raise NotRead("pad with something other than zero")
    return [padded(value.products, value.shape, params["padding_config"])]


def concatenate(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Products side by side: each padded with zeros to the whole, and summed."""
    axis, before = params["dimension"], 0
    terms: list[Term] = []
    for value in inputs:
        after = shapes[0][axis] - before - value.shape[axis]
        config = [(before, after, 0) if i == axis else (0, 0, 0) for i in range(len(shapes[0]))]
        terms += padded(value.products, value.shape, config)
        before += value.shape[axis]
    return [tuple(terms)]


def stack(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Products side by side along a new axis."""
    axis = params["axis"]
    terms: list[Term] = []
    for place, value in enumerate(inputs):
        thin = (*value.shape[:axis], 1, *value.shape[axis:])
        config = [(place, len(inputs) - 1 - place, 0) if i == axis else (0, 0, 0) for i in range(len(thin))]
        terms += padded(_expanded(value.products, axis), thin, config)
    return [tuple(terms)]


def unstack(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Slices along one axis, each without it."""
    axis, shape, pieces = params["axis"], inputs[0].shape, []
    for place in range(len(shapes)):
        starts = [place if i == axis else 0 for i in range(len(shape))]
        limits = [place + 1 if i == axis else length for i, length in enumerate(shape)]
        cut = _sliced(inputs[0], starts, limits, (1,) * len(shape))
        pieces.append(_moved(cut, lambda operand: lax.squeeze(operand, (axis + 1,))))
    return pieces


def rev(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Entries in reverse order along some axes."""
    axes = [axis + 1 for axis in params["dimensions"]]
    return [_moved(inputs[0].products, lambda operand: lax.rev(operand, axes))]


def copy(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """The same entries."""
    return [inputs[0].products]


def convert_element_type(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """The same numbers in another floating-point type."""
    return [_moved(inputs[0].products, lambda operand: operand.astype(params["new_dtype"]))]


def transposed(terms: Sequence[Term], permutation: Sequence[int]) -> Terms:
    """The terms of `C` with its axes permuted."""
    moved = _moved(terms, lambda operand: operand.transpose(0, *(axis + 1 for axis in permutation)))
    return tuple(new._replace(source=old.source) for new, old in zip(moved, terms))


def padded(terms: Sequence[Term], shape: Shape, config: Sequence[tuple[int, int, int]]) -> Terms:
    """The terms of `C` padded with zeros: (before, after, between) for each axis, as `lax.pad` has it."""
    grown = [i for i, edge in enumerate(config) if tuple(edge) != (0, 0, 0)]

    def write(operand: jax.Array, axes: Sequence[int]) -> jax.Array:
        edges = [config[i] if i in axes else (0, 0, 0) for i in range(len(shape))]
        return lax.pad(operand, jnp.zeros((), operand.dtype), [(0, 0, 0), *edges])

    return tuple(_grow(term, shape, grown, write) for term in terms)


def reshaped(terms: Sequence[Term], old: Shape, new: Shape) -> Terms:
    """The terms of `C` reshaped from `old` to `new`.

    Where rows shared by both operands are merged with rows of one (the groups of a convolution), the shared ones move
    into the sum: `C[(g, i)] = Σ_g' (δ_gg' linear[g', i]) known[g']`.
    """
    if 0 in old:
        raise NotRead("reshape of an empty array")
    groups = list(axis_groups(old, new))
    return tuple(_reshape_term(term, old, new, groups) for term in terms)


def _reshape_term(term: Term, old: Shape, new: Shape, groups: list[tuple[range, range]]) -> Term:
    for before, _ in groups:
        term = _unmix(term, old, before)
    operands = []
    for operand in (term.linear, term.known):
        sizes = [1] * len(new)
        for before, after in groups:
            if any(operand.shape[1 + i] > 1 for i in before):
                for i in after:
                    sizes[i] = new[i]
        operands.append(operand.reshape(operand.shape[0], *sizes))
    return Term(operands[0], operands[1], term.data)


def _unmix(term: Term, shape: Shape, group: range) -> Term:
    """Make each operand vary along all axes of the group or along none."""
    long = [i for i in group if shape[i] > 1]
    of_linear, of_known = ({i for i in long if full_axes(operand)[i]} for operand in (term.linear, term.known))
    for some, all_ in ((of_known, of_linear), (of_linear, of_known)):
        if some and some < all_ and all_ == set(long):
            return _shared_into_sum(term, sorted(some), of_linear == all_)
    if of_linear and of_known and not (of_linear == of_known == set(long)):
        raise NotRead("reshape that merges rows with columns")
    return term


def _shared_into_sum(term: Term, axes: list[int], into_linear: bool) -> Term:
    """Move axes along which both operands vary into the sum over `t`, by a Kronecker delta on one operand."""
    for axis in axes:
        length = term.linear.shape[1 + axis]
        place = [1] * term.linear.ndim
        place[1 + axis] = length
        # delta[g', 1 (t), ..., g, ...]: entry g of the axis belongs to summand g' = g.
        delta = jnp.eye(length, dtype=term.linear.dtype).reshape(length, *place)
        carrier, other = (term.linear, term.known) if into_linear else (term.known, term.linear)
        spread = carrier[None] * delta
        picked = jnp.moveaxis(other, 1 + axis, 0).reshape(length, other.shape[0], *_without(other, axis))
        merged = [part.reshape(length * part.shape[1], *part.shape[2:]) for part in (spread, picked)]
        linear, known = merged if into_linear else merged[::-1]
        term = Term(linear, known, term.data)
    return term


def _without(operand: jax.Array, axis: int) -> list[int]:
    return [1 if i == axis else n for i, n in enumerate(operand.shape[1:])]


def axis_groups(old: Shape, new: Shape) -> Iterator[tuple[range, range]]:
    """Smallest runs of axes of `old` and of `new` with the same number of entries."""
    i = j = 0
    while i < len(old) or j < len(new):
        start_i, start_j = i, j
        i, j = min(i + 1, len(old)), min(j + 1, len(new))
        while prod(old[start_i:i]) != prod(new[start_j:j]):
            if prod(old[start_i:i]) < prod(new[start_j:j]):
                i += 1
            else:
                j += 1
        yield range(start_i, i), range(start_j, j)


def _moved(terms: Sequence[Term], move: Callable[[jax.Array], jax.Array]) -> Terms:
    return tuple(Term(move(term.linear), move(term.known), term.data) for term in terms)


def _expanded(terms: Sequence[Term], axis: int) -> Terms:
    return _moved(terms, lambda operand: lax.expand_dims(operand, (axis + 1,)))


def _sliced(value: Value, starts: Sequence[int], limits: Sequence[int], strides: Sequence[int]) -> Terms:
    def cut(operand: jax.Array) -> jax.Array:
        full = full_axes(operand)
        bounds = [(a, b, s) if f else (0, 1, 1) for a, b, s, f in zip(starts, limits, strides, full)]
        begin, end, step = zip((0, operand.shape[0], 1), *bounds)
        return lax.slice(operand, begin, end, step)

    return _moved(value.products, cut)


def _grow(
    term: Term, shape: Shape, axes: Sequence[int], write: Callable[[jax.Array, Sequence[int]], jax.Array]
) -> Term:
    """Extend the product with zeros along `axes`: by the operand that varies there, by `linear` where none does."""
    by_known = [i for i in axes if full_axes(term.known)[i]]
    by_linear = [i for i in axes if i not in by_known or full_axes(term.linear)[i]]
    return Term(
        write(term.linear, by_linear) if by_linear else term.linear,
        write(term.known, by_known) if by_known else term.known,
        term.data,
    )
