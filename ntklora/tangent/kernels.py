"""Which parameters are convolution kernels, read from the forward pass.

A kernel is a leaf that reaches the filter of a convolution with its axes intact: permuted, converted, reversed or
changed entry by entry (weight standardization), but neither merged nor cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Literal

from ntklora.tangent.backward.control import NESTED, loop_counts
from ntklora.tangent.backward.spread import ENTRYWISE
from ntklora.tangent.folding import Fold, kernel_fold
from ntklora.tangent.targets import Parameters


class _Leaf(NamedTuple):
    """An array that is a leaf up to the order of its axes: axis `i` is axis `axes[i]` of the leaf."""

    name: str
    axes: tuple[int, ...]


def find_kernels(f: Callable[[Any, Any], Any], parameters: Parameters, example: Any) -> dict[str, Fold]:
    """For each convolution kernel, how it reads as the matrix `(C_out, C_in·window)`; `example` is one `x`."""
    candidates = {name: array for name, array in parameters.arrays.items() if array.ndim > 2}
    if not candidates:
        return {}
    closed = jax.make_jaxpr(lambda arrays, x: f(parameters.rebuild(arrays), x))(candidates, example)
    names = sorted(candidates)  # the order in which JAX flattens a dict
    seen = {var: _Leaf(name, tuple(range(len(var.aval.shape)))) for name, var in zip(names, closed.jaxpr.invars)}
    found: dict[str, Fold] = {}
    _walk(closed.jaxpr, seen, {name: array.shape for name, array in candidates.items()}, found)
    return found


def _walk(jaxpr: Any, seen: dict[Any, _Leaf], shapes: Mapping[str, tuple[int, ...]], found: dict[str, Fold]) -> None:
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        inputs = [None if isinstance(atom, Literal) else seen.get(atom) for atom in equation.invars]
        if name == "conv_general_dilated" and inputs[1] is not None:
            leaf, numbers = inputs[1], equation.params["dimension_numbers"]
            c_out, c_in = (leaf.axes[axis] for axis in numbers.rhs_spec[:2])
            found.setdefault(leaf.name, kernel_fold(shapes[leaf.name], c_out, c_in))
        elif name in NESTED:
            body = equation.params[NESTED[name]]
            body = body.jaxpr if isinstance(body, ClosedJaxpr) else body
            inner = {var: leaf for var, leaf in zip(body.invars, inputs) if leaf is not None}
            _walk(body, inner, shapes, found)
            for atom, out in zip(body.outvars, equation.outvars):
                if not isinstance(atom, Literal) and atom in inner:
                    seen[out] = inner[atom]
        elif name == "scan":
            body = equation.params["jaxpr"].jaxpr
            outside = [[atom.aval.shape for atom in atoms] for atoms in (equation.invars, equation.outvars)]
            constants, _ = loop_counts(body, *outside)
            inner = {var: leaf for var, leaf in zip(body.invars[:constants], inputs) if leaf is not None}
            _walk(body, inner, shapes, found)
        elif name == "cond":
            for branch in equation.params["branches"]:
                inner = {var: leaf for var, leaf in zip(branch.jaxpr.invars, inputs[1:]) if leaf is not None}
                _walk(branch.jaxpr, inner, shapes, found)
        elif name == "transpose" and inputs[0] is not None:
            axes = tuple(inputs[0].axes[axis] for axis in equation.params["permutation"])
            seen[equation.outvars[0]] = _Leaf(inputs[0].name, axes)
        elif name == "rev" or name in ENTRYWISE:
            moved = [leaf for leaf, atom in zip(inputs, equation.invars) if leaf and atom.aval.shape]
            if moved:
                seen[equation.outvars[0]] = moved[0]
