"""Floating-point operations of a program's matrix products and convolutions, counted in its jaxpr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr


def count_operations(f: Callable[..., Any], *args: Any) -> int:
    """Multiplications and additions of all `dot_general` and convolutions of `f(*args)`; a loop counts its rounds.

    Of a `cond` the largest branch counts. What the compiler leaves out because it comes twice is counted twice.
    Errors: `ValueError` for a `while`, whose rounds are not known beforehand.

    >>> import jax.numpy as jnp
    >>> count_operations(lambda a, b: a @ b, jnp.ones((2, 3)), jnp.ones((3, 5)))
    60
    """
    return _count(jax.make_jaxpr(f)(*args).jaxpr)


def _count(jaxpr: Any) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        lengths = equation.invars[0].aval.shape
        return 2 * prod(equation.outvars[0].aval.shape) * prod(lengths[axis] for axis in contracted)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        outputs = kernel[params["dimension_numbers"].rhs_spec[0]]
        return 2 * prod(equation.outvars[0].aval.shape) * prod(kernel) // outputs
    inner = [_count(body) for body in _bodies(params)]
    if name == "while" and any(inner):
        raise ValueError("f has a while loop with matrix products: how many rounds it makes is not known beforehand")
    if name == "cond":
        return max(inner)
    return sum(inner) * (params["length"] if name == "scan" else 1)


def _bodies(params: dict[str, Any]) -> Iterator[Any]:
    """The jaxprs among an equation's parameters."""
    for value in params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, ClosedJaxpr):
                yield one.jaxpr
            elif isinstance(one, Jaxpr):
                yield one
