"""The interpreter: equation by equation, arrays as they are, products noted beside them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, DropVar, Literal, jaxpr_as_fun

from ntklora.tangent.backward import control
from ntklora.tangent.backward.rules import LAYOUT, RULES
from ntklora.tangent.backward.spread import varying_axes
from ntklora.tangent.backward.value import NotRead, Value, known_value

# Primitives that pass the origin of an array on: the reason shown is what was computed, not how it was moved.
_TRANSPARENT = frozenset((*LAYOUT, "add", "add_any", "concatenate", "dynamic_update_slice", "neg", "pad", "reduce_sum"))


def interpret(jaxpr: Any, consts: Sequence[Value], inputs: Sequence[Value]) -> list[Value]:
    """The values of the jaxpr's outputs."""
    known: dict[Any, Value] = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*consts, *inputs)))

    def lookup(atom: Any) -> Value:
        if isinstance(atom, Literal):
            return known_value(np.asarray(atom.val, getattr(atom.aval, "dtype", None)), data=False)
        return known[atom]

    for equation in jaxpr.eqns:
        outputs = _read(jaxpr, equation, [lookup(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, outputs))
    return [lookup(atom) for atom in jaxpr.outvars]


def _read(jaxpr: Any, equation: Any, inputs: list[Value]) -> list[Value]:
    name, params, linear = equation.primitive.name, equation.params, any(value.linear for value in inputs)
    if linear and name in control.NESTED:
        return control.open_nested(name, params, inputs, interpret)
    shapes = [var.aval.shape for var in equation.outvars]
    if linear and name == "scan":
        return control.open_scan(params, inputs, shapes, interpret)
    if linear and name == "cond":
        opened = control.open_cond(params, inputs, interpret)
        if opened is not None:
            return opened
    compute = functools.cache(lambda: _evaluate(jaxpr, equation, inputs))
    reason = _origin(name, inputs)
    terms: Sequence[tuple[Any, ...] | None] = [None] * len(shapes)
    if name in RULES and (linear or (name in LAYOUT and inputs[0].is_zero)):
        try:
            terms = RULES[name](params, inputs, shapes)
        except NotRead as stop:
            reason = str(stop) or reason
    if terms[0] is None:
        compute()
    data = any(value.data for value in inputs)
    return [
        Value(
            functools.partial(_output, compute, i),
            shape,
            var.aval.dtype,
            linear,
            data,
            varying_axes(name, params, inputs, shape),
            terms[i],
            "" if terms[i] is not None else reason,
        )
        for i, (var, shape) in enumerate(zip(equation.outvars, shapes))
    ]


def _origin(name: str, inputs: Sequence[Value]) -> str:
    """The primitive that made an array, looked up through those that only move it."""
    if name in _TRANSPARENT:
        return next((value.origin for value in inputs if value.linear and value.origin), name)
    return name


def _output(compute: Callable[[], Sequence[Any]], index: int) -> Any:
    return compute()[index]


def _evaluate(jaxpr: Any, equation: Any, inputs: Sequence[Value]) -> Sequence[jax.Array | None]:
    """The equation's outputs, by JAX itself: a jaxpr of this one equation, run as a function."""
    variables = [atom for atom in equation.invars if not isinstance(atom, Literal)]
    arrays = [value.array for value, atom in zip(inputs, equation.invars) if not isinstance(atom, Literal)]
    wanted = [var for var in equation.outvars if not isinstance(var, DropVar)]
    alone = jaxpr.replace(constvars=[], invars=variables, outvars=wanted, eqns=[equation], effects=equation.effects)
    results = iter(jaxpr_as_fun(ClosedJaxpr(alone, []))(*arrays))
    return [None if isinstance(var, DropVar) else next(results) for var in equation.outvars]
