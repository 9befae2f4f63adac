"""Full-batch training of the factors: the dynamics that the papers analyse.

    F_s(u, v) = L(s u vᵀ) + (λ/2)(‖u‖² + ‖v‖²) + <P, Q Qᵀ>,  Q = [u; v]

by gradient descent or any optax optimizer, on both factors (*classic* LoRA) or on one (*asymmetric*).
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from ntklora.adapters.learning_rate import frozen_factor_rate, local_rate
from ntklora.problem.objective import factor_penalty, training_loss
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]

_MOST_HALVINGS = 60


class Trained(StrEnum):
    """Which factor moves. `left` is u (the theory's B), `right` is v (A)."""

    both = "both"
    left = "left"
    right = "right"


class Path(NamedTuple):
    """Final factors in the problem's form, the objective before each step and after the last `(steps + 1,)`, the step
    size used (NaN for an optimizer of the caller's)."""

    u: Array | Matrices
    v: Array | Matrices
    objective: jax.Array
    learning_rate: jax.Array


def train_factors(
    problem: Problem,
    u: Array | Matrices,
    v: Array | Matrices,
    *,
    steps: int,
    learning_rate: float | jax.Array | None = None,
    optimizer: optax.GradientTransformation | None = None,
    trained: Trained | str = Trained.both,
    scale: float | jax.Array = 1.0,
) -> Path:
    """Train from `(u, v)` for `steps` full-batch steps of gradient descent, or of `optimizer`.

    Without a learning rate: with one factor frozen the step is `frozen_factor_rate`, for which the objective never
    rises. With both trained there is no bound ahead of time on the curvature along the path: the step is
    `local_rate` at the start, halved until the objective of the whole path never rises (one run for each halving).
    That ends, because by the descent lemma any step below the reciprocal of the curvature on {F ≤ F(u, v)} qualifies.
    Gradient-flow time is learning rate × step. Batch it with `jax.vmap` over the factors.
    Errors: `ValueError` for a learning rate beside an optimizer, `steps` below 0, an unknown `trained`, factors of the
    wrong shape.
    """
    if optimizer is not None and learning_rate is not None:
        raise ValueError("give learning_rate or optimizer, not both: an optimizer carries its own learning rate")
    if steps < 0:
        raise ValueError(f"steps = {steps} must be at least 0")
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
    for name, (m, n) in problem.shapes.items():
        if us[name].ndim != 2 or us[name].shape[0] != m or vs[name].shape != (n, us[name].shape[1]):
            raise ValueError(
                f"factors of {name!r} have shapes u {us[name].shape}, v {vs[name].shape}; "
                f"expected ({m}, r) and ({n}, r)"
            )
    left, right, values, rate = _run(
        problem, us, vs, learning_rate, jnp.asarray(scale), steps=steps, optimizer=optimizer, trained=Trained(trained)
    )
    return Path(problem.op.like(left), problem.op.like(right), values, rate)


def scaled_objective(problem: Problem, us: Matrices, vs: Matrices, scale: jax.Array) -> jax.Array:
    """`F_s(u, v)`, factors by name: the product is `s u vᵀ`, the penalties see the factors themselves."""
    op = problem.op
    z = problem.f0 + op.apply_factors(op.like({name: scale * u for name, u in us.items()}), op.like(vs))
    return training_loss(problem, z) + factor_penalty(problem, op.like(us), op.like(vs))


@partial(jax.jit, static_argnames=("steps", "optimizer", "trained"))
def _run(problem, us, vs, learning_rate, scale, *, steps, optimizer, trained):
    us, vs = jax.tree.map(jnp.asarray, (us, vs))
    if optimizer is not None:
        return (*_scan(problem, us, vs, scale, optimizer, steps, trained), jnp.asarray(jnp.nan))
    if learning_rate is not None:
        rate = jnp.asarray(learning_rate)
    elif trained is not Trained.both:
        rate = frozen_factor_rate(problem, vs if trained is Trained.left else us, scale)
    else:
        return _monotone(problem, us, vs, scale, steps)
    return (*_scan(problem, us, vs, scale, optax.sgd(rate), steps, trained), rate)


def _scan(problem, us, vs, scale, optimizer, steps, trained):
    """The path under `optimizer`: final factors and the objective before, between and after the steps."""

    def factors(moving):
        if trained is Trained.both:
            return moving
        return (moving, vs) if trained is Trained.left else (us, moving)

    def value_of(moving):
        left, right = factors(moving)
        return scaled_objective(problem, left, right, scale)

    value_and_gradient = jax.value_and_grad(value_of)

    def step(carry, _):
        moving, state = carry
        value, gradient = value_and_gradient(moving)
        updates, state = optimizer.update(gradient, state, moving)
        return (optax.apply_updates(moving, updates), state), value

    # The frozen factor never reaches the optimizer: its weight decay or momentum could move it.
    start = {Trained.both: (us, vs), Trained.left: us, Trained.right: vs}[trained]
    (moving, _), values = jax.lax.scan(step, (start, optimizer.init(start)), length=steps)
    us, vs = factors(moving)
    return us, vs, jnp.append(values, scaled_objective(problem, us, vs, scale))


def _monotone(problem, us, vs, scale, steps):
    """The path of the largest step `local_rate · 2^{-j}` along which the objective never rises."""

    def halve(state):
        rate, count, _, _ = state
        path = _scan(problem, us, vs, scale, optax.sgd(0.5 * rate), steps, Trained.both)
        # At a fixed point the objective jitters by rounding; NaN compares false, so divergence halves too.
        slack = 16 * jnp.finfo(path[2].dtype).eps * jnp.abs(path[2][0])
        return 0.5 * rate, count + 1, path, jnp.all(path[2][1:] <= path[2][:-1] + slack)

    # Starting above the first candidate, so that the path is compiled once, in the loop's body.
    nothing = (us, vs, jnp.full(steps + 1, jnp.inf, scaled_objective(problem, us, vs, scale).dtype))
    start = (2.0 * local_rate(problem, us, vs, scale), jnp.asarray(0), nothing, jnp.asarray(False))
    rate, _, path, _ = jax.lax.while_loop(lambda s: ~s[3] & (s[1] < _MOST_HALVINGS), halve, start)
    return (*path, rate)
