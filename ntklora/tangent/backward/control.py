"""Opening nested functions, branches and loops.

A loop is run as one `lax.scan` that hands out the operands of every iteration beside its results. An accumulator to
which the body only adds products is not carried along: the sum is taken over the iterations' operands.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr

from ntklora.tangent.backward.value import (
    ArrayNeeded,
    Held,
    Shape,
    Term,
    Value,
    contract,
    known_value,
    sum_of_products,
)

Interpret = Callable[[Any, Sequence[Value], Sequence[Value]], list[Value]]

# Primitives that only wrap a function, and the parameter in which they keep its jaxpr.
NESTED = {
    "checkpoint": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "remat2": "jaxpr",
}


def open_nested(name: str, params: dict[str, Any], inputs: Sequence[Value], interpret: Interpret) -> list[Value]:
    """The body of a nested function, read in its place."""
    jaxpr, consts = _body(params[NESTED[name]])
    return interpret(jaxpr, consts, inputs)


def open_cond(params: dict[str, Any], inputs: Sequence[Value], interpret: Interpret) -> list[Value] | None:
    """All branches read, and the chosen one's operands kept; `None` if the choice depends on the cotangent.

    Every branch is computed, as under `vmap`. What is not chosen is replaced by zeros, never multiplied with them.
    """
    index, *operands = inputs
    if index.linear:
        return None
    chosen = index.array.astype(jnp.int32)
    branches = [interpret(*_body(branch), operands) for branch in params["branches"]]
    return [_select(chosen, index.data, cases) for cases in zip(*branches)]


def _select(chosen: jax.Array, data: bool, cases: Sequence[Value]) -> Value:
    first = cases[0]
    linear, data = any(case.linear for case in cases), data or any(case.data for case in cases)
    evaluate = functools.cache(lambda: lax.select_n(chosen, *(case.array for case in cases)))
    varying = tuple(any(axes) for axes in zip(*(case.varying for case in cases)))
    origin = next((case.origin for case in cases if case.linear and case.terms is None), "")
    terms: list[Term] | None = None
    if all(case.terms is not None and not any(isinstance(t, Held) for t in case.terms) for case in cases):
        terms = []
        for i, case in enumerate(cases):
            for term in case.products:
                signal, known = (jnp.where(chosen == i, x, jnp.zeros_like(x)) for x in (term.linear, term.known))
                terms.append(Term(signal, known, term.data))
    return Value(
        evaluate, first.shape, first.dtype, linear, data, varying, None if terms is None else tuple(terms), origin
    )


def open_scan(
    params: dict[str, Any], inputs: Sequence[Value], shapes: Sequence[Shape], interpret: Interpret
) -> list[Value]:
    """A loop of fixed length, read once; `shapes` are those of its outputs."""
    return _Loop(params, inputs, shapes, interpret).run()


class _Loop:
    """One loop while it is being read: which carried values depend on what, and which are only accumulated."""

    def __init__(self, params: dict[str, Any], inputs: Sequence[Value], shapes: Sequence[Shape], interpret: Interpret):
        self.jaxpr, self.closed = _body(params["jaxpr"])
        num_consts, self.num_carry = loop_counts(self.jaxpr, [value.shape for value in inputs], shapes)
        self.length, self.reverse, self.interpret = params["length"], params["reverse"], interpret
        self.consts = list(inputs[:num_consts])
        self.init = list(inputs[num_consts : num_consts + self.num_carry])
        self.slices = list(inputs[num_consts + self.num_carry :])
        self.carry = [
            replace(value, varying=tuple(size > 1 for size in value.shape), terms=None, origin="carry of a loop")
            for value in self.init
        ]
        self.held = [value.terms is not None for value in self.init]

    def run(self) -> list[Value]:
        for value in self.consts:
            _ = value.array  # computed out here: inside the loop's trace it could not be kept
        self._settle()
        step = functools.partial(self._step, record=None)
        final, (others, products) = lax.scan(
            step,
            [_strong(value.array, value.dtype) for value, held in zip(self.init, self.held) if not held],
            [value.array for value in self.slices],
            length=self.length,
            reverse=self.reverse,
        )
        carried, stacked, parts = iter(final), iter(others), iter(products)
        outputs = []
        for i, value in enumerate(self.outs):
            if i < self.num_carry and self.held[i]:
                outputs.append(_accumulated(self.init[i], next(parts)))
            elif i < self.num_carry:
                outputs.append(_computed(next(carried), value, value.shape))
            elif _handed_out(value):
                outputs.append(_stacked(next(parts), (self.length, *value.shape), value))
            else:
                outputs.append(_computed(next(stacked), value, (self.length, *value.shape)))
        return outputs

    def _settle(self) -> None:
        """Read the body until what is assumed of the carried values is what the body makes of them."""
        specs = [
            [jax.ShapeDtypeStruct(value.shape, value.dtype) for value in self.carry],
            [jax.ShapeDtypeStruct(value.shape[1:], value.dtype) for value in self.slices],
        ]
        settled = False
        while not settled:
            carry = [spec for spec, held in zip(specs[0], self.held) if not held]
            record: list[Value] = []
            try:
                jax.eval_shape(functools.partial(self._step, record=record), carry, specs[1])
            except ArrayNeeded as needed:
                self.held[needed.number] = False
                continue
            self.outs, settled = record, True
            for i, (value, out) in enumerate(zip(self.carry, record)):
                linear, data = value.linear or out.linear, value.data or out.data
                if (linear, data) != (value.linear, value.data):
                    self.carry[i], settled = replace(value, linear=linear, data=data), False
                if self.held[i] and not _only_added_to(i, out):
                    self.held[i] = settled = False

    def _step(self, carry: list[jax.Array], slices: list[jax.Array], record: list[Value] | None) -> Any:
        arrays = iter(carry)
        values = [
            _accumulator(i, value) if held else replace(value, evaluate=functools.partial(_same, next(arrays)))
            for i, (value, held) in enumerate(zip(self.carry, self.held))
        ]
        values += [_slice_of(value, array) for value, array in zip(self.slices, slices)]
        outs = self.interpret(self.jaxpr, self.closed, [*self.consts, *values])
        if record is not None:
            record[:] = outs
        carried, stacked, parts = [], [], []
        for i, out in enumerate(outs):
            if i < self.num_carry and self.held[i]:
                parts.append([(term.linear, term.known) for term in out.terms or () if isinstance(term, Term)])
            elif i < self.num_carry:
                carried.append(_strong(out.array, self.carry[i].dtype))
            elif _handed_out(out):
                parts.append([(term.linear, term.known) for term in out.products])
            else:
                stacked.append(out.array)
        return carried, (stacked, parts)


def loop_counts(body: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> tuple[int, int]:
    """How many inputs of a scan are constant and how many are carried, from the shapes outside and inside of its body.

    The parameters that say so differ between releases of JAX. The order does not: constant, carried, sliced; carried,
    stacked. What is sliced or stacked has one axis more outside than inside.
    """
    whole = [
        sum(len(shape) == len(atom.aval.shape) for shape, atom in zip(shapes, atoms))
        for shapes, atoms in ((inputs, body.invars), (outputs, body.outvars))
    ]
    return whole[0] - whole[1], whole[1]


def _body(jaxpr: Any) -> tuple[Any, list[Value]]:
    if isinstance(jaxpr, ClosedJaxpr):
        return jaxpr.jaxpr, [known_value(const, data=False) for const in jaxpr.consts]
    return jaxpr, []


def _strong(array: Any, dtype: Any) -> jax.Array:
    """The array with a definite type: a loop may not turn a weak type into a strong one."""
    return array if jax.dtypes.issubdtype(dtype, jax.dtypes.extended) else jnp.asarray(array, dtype)


def _same(array: jax.Array) -> jax.Array:
    return array


def _needed(index: int) -> jax.Array:
    raise ArrayNeeded(index)


def _accumulator(index: int, value: Value) -> Value:
    return replace(value, evaluate=functools.partial(_needed, index), linear=True, terms=(Held(index),))


def _slice_of(value: Value, array: jax.Array) -> Value:
    zero = () if value.is_zero else None
    return replace(
        value,
        evaluate=functools.partial(_same, array),
        shape=value.shape[1:],
        varying=value.varying[1:],
        terms=zero,
    )


def _only_added_to(index: int, out: Value) -> bool:
    """The body's result is the accumulator plus products of the example's data."""
    terms = out.terms or ()
    added = [term for term in terms if isinstance(term, Term)]
    accumulators = [term.number for term in terms if isinstance(term, Held)]
    return accumulators == [index] and all(term.data for term in added)


def _handed_out(value: Value) -> bool:
    """Worth keeping as products: a signal on its way through the layers below is not."""
    terms = value.terms
    return value.linear and bool(terms) and all(isinstance(term, Term) and term.data for term in terms or ())


def _accumulated(start: Value, parts: Any) -> Value:
    """The start plus the products of all iterations, which join the sum over positions."""
    terms = [
        Term(linear.reshape(-1, *linear.shape[2:]), known.reshape(-1, *known.shape[2:]), True)
        for linear, known in parts
    ]

    def evaluate() -> jax.Array:
        return start.array + contract(terms, start.shape, start.dtype)

    value = sum_of_products(terms, start.shape, start.dtype)
    return replace(value, evaluate=functools.cache(evaluate), terms=(*(start.terms or ()), *terms))


def _stacked(parts: Any, shape: tuple[int, ...], like: Value) -> Value:
    """One product for each iteration, side by side along a new first axis."""
    terms = [Term(jnp.moveaxis(linear, 0, 1), jnp.moveaxis(known, 0, 1), True) for linear, known in parts]
    return sum_of_products(terms, shape, like.dtype)


def _computed(array: jax.Array, like: Value, shape: tuple[int, ...]) -> Value:
    return Value(
        functools.partial(_same, array),
        shape,
        like.dtype,
        like.linear,
        like.data,
        tuple(size > 1 for size in shape),
        None,
        like.origin or "scan",
    )
