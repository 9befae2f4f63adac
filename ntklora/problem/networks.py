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
    `params` is any pytree; `targets` names its leaves (`"hidden/w"`, patterns, several), or is `"matrices"` or
    `"parameters"`; `loss` is `"squared"`, `"logistic"`, `"cross_entropy"` or a loss object (`Problem` says which `y`
    each takes); `lam ≥ 0` is the weight decay.
    Errors: `ValueError` for an unknown target, targets `y` that do not fit the loss, `lam < 0`.

    >>> import numpy as np
    >>> x, y = np.eye(2), np.array([1.0, -1.0])
    >>> problem = make_problem(lambda w, x: w @ x, np.zeros((1, 2)), x, y, targets="matrices", loss="logistic", lam=0.1)
    >>> problem.num_samples, problem.num_outputs, problem.f0.tolist()
    (2, 1, [[0.0], [0.0]])
    """
    op = tangent_features(f, params, x, targets=targets)
    return Problem(op, jax.vmap(f, (None, 0))(params, x), y, loss, lam)


def predict(op: TangentOperator, f0: Array, delta: Array | dict[str, Array]) -> Array:
    """Outputs `(N, K)` of the linearized network with the change `δ`: `f0 + A(δ)`, for the operator of any samples.

    >>> import numpy as np
    >>> op = TangentOperator.from_factors(np.eye(2)[:, None], np.ones((2, 1, 1, 1)))  # one output, δ x
    >>> predict(op, np.zeros((2, 1)), np.array([[1.0, -1.0]])).tolist()
    [[1.0], [-1.0]]
    """
    return f0 + op.apply(delta)
