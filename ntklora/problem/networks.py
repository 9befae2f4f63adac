"""The problem of a network: linearize it at its parameters, take its outputs there, attach targets, loss and decay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax

from ntklora.problem.losses import Loss
from ntklora.problem.problem import Problem
from ntklora.tangent.features import tangent_features
from ntklora.tangent.operator import TangentOperator

Array = Any


def make_problem(
    f: Callable[[Any, Array], Array],
    params: Any,
    x: Array,
    y: Array,
    *,
    targets: str | Sequence[str],
    loss: str | Loss,
    lam: float,
) -> Problem:
    """The linearized fine-tuning problem of `f(params, x) -> (K,)` on samples `x (N, ...)` with targets `y`.

    `f0_i = f(params, x_i)`, and `A` holds the tangent features of the weights that `targets` names.
    Errors: `ValueError` for an unknown target, targets `y` that do not fit the loss, `lam < 0`.
    """
    op = tangent_features(f, params, x, targets=targets)
    return Problem(op, jax.vmap(f, (None, 0))(params, x), y, loss, lam)


def predict(op: TangentOperator, f0: Array, delta: Array | dict[str, Array]) -> Array:
    """Outputs `(N, K)` of the linearized network with the change `δ`: `f0 + A(δ)`, for the operator of any samples."""
    return f0 + op.apply(delta)
