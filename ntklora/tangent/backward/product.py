"""Primitives that make, scale and sum products of a backpropagated signal with a known array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ntklora.tangent.backward.value import Held, NotRead, Shape, Term, Value, full_axes

Params = dict[str, Any]
Terms = tuple[Term, ...]


def dot_general(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A product is born where a signal meets data; one that meets further weights passes them on to its operand.

    `(Σ_t b_t a_tᵀ) Vᵀ = Σ_t b_t (V a_t)ᵀ` is what keeps a product of weights, `W V x`, factored in `W`.
    """
    signal, known = signal_and_known(inputs)
    if signal.is_zero:
        return [()]
    if signal.terms is not None and not known.data and all(term.data for term in signal.products):
        passed = _passed_on(params, inputs, signal, known)
        if passed is not None:
            return [passed]
    contract, batch = params["dimension_numbers"]
    operands = []
    for side, value in enumerate(inputs):
        free = [i for i in range(len(value.shape)) if i not in contract[side] and i not in batch[side]]
        other = inputs[1 - side]
        # An axis of the batch along which only the other operand varies needs no copy here.
        shared = [
            1 if not value.varying[i] and other.varying[j] else value.shape[i]
            for i, j in zip(batch[side], batch[1 - side])
        ]
        keep = [True] * len(value.shape)
        for i, length in zip(batch[side], shared):
            keep[i] = length == value.shape[i]
        # Positions along which one operand is repeated are one: the other is summed over them, as before a mean.
        summed = []
        for i, j in zip(contract[side], contract[1 - side]):
            if not value.varying[i] and (value is signal or other.varying[j]):
                keep[i] = False
            elif not other.varying[j]:
                summed.append(i)
        array = value.collapsed(keep).astype(params["preferred_element_type"] or value.dtype)
        array = array.sum(summed, keepdims=True)
        array = array.transpose(*contract[side], *batch[side], *free)
        positions = prod(array.shape[: len(contract[side])])
        lengths = [value.shape[i] for i in free]
        gap = [1] * (len(other.shape) - len(contract[side]) - len(batch[side]))
        operands.append(array.reshape(positions, *shared, *(lengths + gap if side == 0 else gap + lengths)))
    source = None if contract[0] or batch[0] else signal.array
    linear, known_side = operands if signal is inputs[0] else operands[::-1]
    return [(Term(linear, known_side, known.data, source),)]


def mul(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A signal times a known array: an outer product, or a product whose rows, columns or whole are scaled."""
    signal, known = signal_and_known(inputs)
    if signal.terms is None:
        return [_outer(signal, known, shapes[0])]
    return [_scaled(signal.products, known, lax.mul)]


def div(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A product divided by a known array."""
    signal, known = inputs
    if known.linear:
        raise NotRead("division by something that depends on the cotangent")
    return [_scaled(signal.products, known, lax.div)]


def select_n(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A product where a known condition holds, zero elsewhere."""
    which, *cases = inputs
    kept = [i for i, case in enumerate(cases) if not case.is_zero]
    if len(kept) != 1:
        raise NotRead("select between two arrays that are not zero" if kept else "select of zeros")
    mask = Value(lambda: which.array == kept[0], which.shape, bool, which.linear, which.data, which.varying)
    return [_scaled(cases[kept[0]].products, mask, lambda x, m: jnp.where(m, x, jnp.zeros_like(x)), both=True)]


def neg(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Sign reversed."""
    return [_negated(inputs[0].products)]


def add(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[tuple[Term | Held, ...]]:
    """Sums of products are sums of products: a weight used several times."""
    terms: list[Term | Held] = []
    for value in inputs:
        if value.terms is None:
            raise NotRead(value.origin)
        terms += value.terms
    return [tuple(terms)]


def sub(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """A difference of products."""
    return [(*inputs[0].products, *_negated(inputs[1].products))]


def reduce_sum(params: Params, inputs: Sequence[Value], shapes: Sequence[Shape]) -> list[Terms]:
    """Sums over axes: within the operand that varies there, or, where both do, into the sum over positions."""
    return [tuple(_summed(term, params["axes"]) for term in inputs[0].products)]


def signal_and_known(inputs: Sequence[Value]) -> tuple[Value, Value]:
    """The one of two inputs that depends on the cotangent, and the other."""
    first, second = inputs
    if first.linear and second.linear:
        raise NotRead("product of two arrays that both depend on the cotangent")
    return (first, second) if first.linear else (second, first)


def _outer(signal: Value, known: Value, shape: Shape) -> Terms:
    """`mul` of two arrays broadcast along different axes: an outer product along those."""
    if len(signal.shape) != len(shape) or len(known.shape) != len(shape):
        raise NotRead("mul")
    only_known = [b and not a for a, b in zip(signal.varying, known.varying)]
    only_signal = [a and not b for a, b in zip(signal.varying, known.varying)]
    if not (any(only_known) and any(only_signal)):
        raise NotRead("mul, entry by entry")
    linear = signal.collapsed([not only for only in only_known])[None]
    return (Term(linear, known.collapsed(known.varying)[None], known.data),)


def _scaled(
    terms: Terms, factor: Value, combine: Callable[[jax.Array, jax.Array], jax.Array], both: bool = False
) -> Terms:
    """Every term scaled by a known array that varies along axes of one operand only (or along none)."""
    scaled = []
    for linear, known, data, _ in terms:
        long = {i for i, varies in enumerate(factor.varying) if varies}
        if long and not data:
            # Not yet a weight's gradient: the signal on its way through the layer below. Its array goes on.
            raise NotRead("mul, entry by entry")
        array = factor.collapsed(factor.varying)
        array = array if array.dtype == bool else array.astype(linear.dtype)
        array = array[None] if factor.shape else array
        if long <= {i for i, full in enumerate(full_axes(linear)) if full}:
            linear = combine(linear, _like(array, linear))
            known = combine(known, _like(array, known)) if both and not long else known
        elif long <= {i for i, full in enumerate(full_axes(known)) if full}:
            known = combine(known, _like(array, known))
        else:
            raise NotRead("mul by an array that varies along rows and columns")
        scaled.append(Term(linear, known, data))
    return tuple(scaled)


def _like(array: jax.Array, operand: jax.Array) -> jax.Array:
    return jnp.broadcast_to(array, operand.shape)


def _negated(terms: Terms) -> Terms:
    return tuple(Term(-term.linear, term.known, term.data) for term in terms)


def _summed(term: Term, axes: Sequence[int]) -> Term:
    both = [i for i in axes if full_axes(term.linear)[i] and full_axes(term.known)[i]]
    operands = []
    for operand in (term.linear, term.known):
        moved = jnp.moveaxis(operand, [1 + i for i in both], range(1, 1 + len(both)))
        rest = [i for i in range(operand.ndim - 1) if i not in both]
        merged = moved.reshape(-1, *(operand.shape[1 + i] for i in rest))
        operands.append(merged.sum([1 + rest.index(i) for i in axes if i not in both]))
    return Term(operands[0], operands[1], term.data)


def _passed_on(params: Params, inputs: Sequence[Value], signal: Value, known: Value) -> Terms | None:
    """The terms of `C V`, where `V` acts on one operand of each; `None` where it would act on both."""
    contract, batch = params["dimension_numbers"]
    if batch[0]:
        return None
    side = 0 if inputs[0] is signal else 1
    mine, theirs = contract[side], contract[1 - side]
    matrix = known.array.astype(params["preferred_element_type"] or known.dtype)
    kept, gap = [i for i in range(len(signal.shape)) if i not in mine], [1] * (len(known.shape) - len(theirs))
    terms = []
    for term in signal.products:
        on_linear, on_known = (any(full_axes(x)[i] for i in mine) for x in (term.linear, term.known))
        if on_linear == on_known:
            return None
        acting, idle = (term.linear, term.known) if on_linear else (term.known, term.linear)
        lengths = [idle.shape[1 + i] for i in kept]
        idle = idle.reshape(idle.shape[0], *(lengths + gap if side == 0 else gap + lengths))
        axes = ([1 + i for i in mine], theirs)
        acting = jnp.tensordot(acting, matrix, axes, precision=lax.Precision.HIGHEST)
        if side == 1:
            own = 1 + len(kept)
            acting = acting.transpose(0, *range(own, acting.ndim), *range(1, own))
        linear, other = (acting, idle) if on_linear else (idle, acting)
        terms.append(Term(linear, other, term.data))
    return tuple(terms)
