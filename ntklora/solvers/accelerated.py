"""Accelerated proximal gradient descent on full fine-tuning, restarted when its momentum points uphill.

    x_{k+1} = prox_{ηλ‖·‖_*}(y_k − η Γ(y_k)),    y_{k+1} = x_{k+1} + ((t_k − 1)/t_{k+1})(x_{k+1} − x_k)

`t_{k+1} = (1 + √(1 + 4t_k²))/2`; where `<y_k − x_{k+1}, x_{k+1} − x_k> > 0` the momentum is dropped (`t_k = 1`).
Problem: as `proximal`, with the same step `η = 1/β`. Rate: `F(x_k) − min F ≤ 2β‖δ*‖²/(k+1)²` between restarts, and
after the rank is identified a linear rate in the square root of the condition number, where that of `proximal` is in
the condition number itself. The objective may rise now and then.
Source: Beck & Teboulle 2009; O'Donoghue & Candès 2015 (the restart).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ntklora.arguments import require_rate, whole_number
from ntklora.problem.objective import dual_vector, gradient_matrices, training_loss
from ntklora.problem.problem import Problem
from ntklora.problem.smoothness import loss_smoothness
from ntklora.solvers.proximal import FullPath, shrink_singular_values

Array = Any
Matrices = dict[str, Any]


def descend_accelerated(problem: Problem, *, steps: int, learning_rate: float | Array | None = None) -> FullPath:
    """Full fine-tuning from `δ = 0` for `steps` accelerated proximal steps of size `learning_rate`, or `1/β`.

    On this very problem, in its precision: pure JAX, to be batched with `jax.vmap` over problems.
    Errors: `ValueError` for `steps` below 0.
    """
    steps = whole_number("steps", steps, 0)
    require_rate(learning_rate)
    return _run(problem, learning_rate, steps=steps)


@partial(jax.jit, static_argnames="steps")
def _run(problem: Problem, learning_rate: Array | None, *, steps: int) -> FullPath:
    op, dtype = problem.op, jnp.asarray(problem.f0).dtype
    rate = jnp.asarray(1.0 / loss_smoothness(problem) if learning_rate is None else learning_rate, dtype)
    start = {name: jnp.zeros(shape, dtype) for name, shape in problem.shapes.items()}

    def value(deltas: Matrices, norm: Array) -> Array:
        return training_loss(problem, problem.f0 + op.apply(op.like(deltas))) + problem.lam * norm

    def step(carry: tuple[Matrices, Matrices, Array], _: None) -> tuple[tuple[Matrices, Matrices, Array], Array]:
        now, ahead, t = carry
        gammas = gradient_matrices(problem, dual_vector(problem, problem.f0 + op.apply(op.like(ahead))))
        shrunk = {k: shrink_singular_values(y - rate * gammas[k], rate * problem.lam) for k, y in ahead.items()}
        after = {k: delta for k, (delta, _) in shrunk.items()}
        uphill = sum(((ahead[k] - after[k]) * (after[k] - now[k])).sum() for k in now) > 0
        t = jnp.where(uphill, 1.0, t)
        longer = 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * t**2))
        ahead = {k: after[k] + (t - 1.0) / longer * (after[k] - now[k]) for k in now}
        return (after, ahead, longer), value(after, sum(norm for _, norm in shrunk.values()))

    first = value(start, jnp.zeros((), dtype))
    (deltas, _, _), values = jax.lax.scan(step, (start, start, jnp.ones((), dtype)), length=steps)
    return FullPath(op.like(deltas), jnp.append(first, values), rate)
