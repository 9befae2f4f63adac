"""The first-order model of a network around its initialization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax

from ntklora.tangent.targets import split_parameters


def linearize(f: Callable[[Any, Any], Any], params: Any) -> Callable[[Any, Any], Any]:
    """First-order Taylor expansion of `f` in its parameters at `params`.

        f_lin(p, x) = f(params, x) + Df(params, x)[p − params]

    `f(params, x)` takes any pytree and any `x`, one example or a batch; `f_lin` has the same signature. Leaves that are
    no floating-point arrays (integers, functions) keep the value they have in `params`.
    Errors: `ValueError` when `params` has no floating-point array, or `p` is another pytree than `params`.
    Source: the NTK regime [paper, JLR]; theory §1.

    >>> f_lin = linearize(lambda p, x: p["w"] ** 2 * x, {"w": 3.0 * jax.numpy.ones(1)})
    >>> float(f_lin({"w": 4.0 * jax.numpy.ones(1)}, 2.0)[0])  # 9·2 + 2·3·(4−3)·2
    30.0
    """
    base = split_parameters(params)

    def f_lin(p: Any, x: Any) -> Any:
        if jax.tree.structure(p) != base.treedef:
            raise ValueError(f"expected a pytree like params, {base.treedef}, got {jax.tree.structure(p)}")
        moved = split_parameters(p).arrays
        change = {name: jax.numpy.asarray(moved[name], array.dtype) - array for name, array in base.arrays.items()}
        value, slope = jax.jvp(lambda arrays: f(base.rebuild(arrays), x), (base.arrays,), (change,))
        return jax.tree.map(lambda v, s: v + s, value, slope)

    return f_lin


class Centred(eqx.Module):
    """`f_c(p, x) = f(p, x) − f(params, x)`: the network with its outputs at `params` taken away, see `centred`."""

    f: Callable[[Any, Any], Any]
    params: Any

    def __call__(self, p: Any, x: Any) -> Any:
        """`f_c(p, x)`."""
        return jax.tree.map(lambda now, start: now - start, self.f(p, x), self.f(self.params, x))


def centred(f: Callable[[Any, Any], Any], params: Any) -> Centred:
    """The network whose outputs at `params` are 0, with the derivatives of `f`: `f_c(p, x) = f(p, x) − f(params, x)`.

    Source: the centred network of theory §1.1, whose `f0` is 0.

    >>> f_c = centred(lambda p, x: p * x, 3.0)
    >>> f_c(3.0, 2.0), f_c(4.0, 2.0)
    (0.0, 2.0)
    """
    return Centred(f, params)
