"""Full-batch training of the factors: the dynamics that the papers analyse.

    F_s(u, v) = L(s u vᵀ) + (λ/2)(‖u‖² + ‖v‖²) + <P, Q Qᵀ>,  Q = [u; v]

by gradient descent or any optax optimizer, on both factors (*classic* LoRA) or on one (*asymmetric*).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ntklora.adapters.descent import descent
from ntklora.adapters.learning_rate import frozen_factor_rate, local_rate
from ntklora.arguments import one_of, require_optimizer, require_rate, whole_number
from ntklora.arrays import outline
from ntklora.problem.objective import factor_penalty, training_loss
from ntklora.problem.problem import Problem
from ntklora.tangent.blocks import Dense, Factored

Array = Any
Matrices = dict[str, Any]

_MOST_HALVINGS = 60


class Trained(StrEnum):
    """Which factor moves. `left` is u (the theory's B), `right` is v (A)."""

    both = "both"
    left = "left"
    right = "right"


class Path(NamedTuple):
    """Final factors in the problem's form, the objective before each step and after the last `(steps + 1,)` or at the
    steps kept, the step size used (NaN for an optimizer of the caller's)."""

    u: Array | Matrices
    v: Array | Matrices
    objective: jax.Array
    learning_rate: jax.Array

    def __repr__(self) -> str:
        return outline(self)


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
    kept: Sequence[int] | None = None,
) -> Path:
    """Train from `(u, v)` for `steps` full-batch steps of gradient descent, or of `optimizer`.

    Without a learning rate: with one factor frozen the step is `frozen_factor_rate`, for which the objective never
    rises. With both trained there is no bound ahead of time on the curvature along the path: the step is
    `local_rate` at the start; wherever the objective rises, it is halved and the path begins again. That ends, because
    by the descent lemma any step below the reciprocal of the curvature on {F ≤ F(u, v)} qualifies. Gradient-flow time
    is learning rate × step. `kept` are the steps, from 0 to `steps`, whose objective is wanted: all unless given.
    Zero columns of both factors stay zero, for `∂F/∂u = Γv + λu` (+ …) has them too: factors of several ranks can be
    padded to one shape. Batch it with `jax.vmap` over the factors.
    Errors: `ValueError` for a learning rate that is not positive or stands beside an optimizer, an optimizer that is
    none of optax, `steps` below 0, `kept` outside 0 … `steps`, an unknown `trained`, factors of the wrong shape.
    """
    if optimizer is not None and learning_rate is not None:
        raise ValueError("give learning_rate or optimizer, not both: an optimizer carries its own learning rate")
    steps = whole_number("steps", steps, 0)
    require_rate(learning_rate)
    require_optimizer(optimizer)
    wanted = tuple(range(steps + 1)) if kept is None else tuple(int(step) for step in kept)
    if not wanted or list(wanted) != sorted(set(wanted)) or wanted[0] < 0 or wanted[-1] > steps:
        raise ValueError(f"kept = {kept}: expected rising steps from 0 to {steps}")
    left, right, values, rate = _run(
        problem,
        *_checked_factors(problem, u, v),
        learning_rate,
        jnp.asarray(scale),
        steps=steps,
        optimizer=optimizer,
        trained=one_of("trained", trained, Trained),
        kept=wanted,
    )
    return Path(problem.op.like(left), problem.op.like(right), values, rate)


def train_to_end(
    problem: Problem,
    u: Array | Matrices,
    v: Array | Matrices,
    *,
    steps: int | jax.Array,
    learning_rate: float | jax.Array | None = None,
    trained: Trained | str = Trained.both,
    scale: float | jax.Array = 1.0,
) -> Path:
    """The end of `train_factors`' path by gradient descent, with `objective ()` after the last step alone.

    `steps ≥ 0` may be traced: one compilation serves every number of them, and nothing grows with it. Batch it with
    `jax.vmap` over the factors.
    Errors: `ValueError` for a learning rate that is not positive, `steps` below 0, an unknown `trained`, factors of the
    wrong shape.
    """
    if not isinstance(steps, jax.Array):
        steps = whole_number("steps", steps, 0)
    require_rate(learning_rate)
    us, vs = _checked_factors(problem, u, v)
    left, right, value, rate = _run_to_end(
        problem, us, vs, learning_rate, jnp.asarray(scale), steps, trained=one_of("trained", trained, Trained)
    )
    return Path(problem.op.like(left), problem.op.like(right), value, rate)


def scaled_objective(problem: Problem, us: Matrices, vs: Matrices, scale: jax.Array) -> jax.Array:
    """`F_s(u, v)`, factors by name: the product is `s u vᵀ`, the penalties see the factors themselves."""
    op = problem.op
    z = problem.f0 + op.apply_factors(op.like({name: scale * u for name, u in us.items()}), op.like(vs))
    return training_loss(problem, z) + factor_penalty(problem, op.like(us), op.like(vs))


@partial(jax.jit, static_argnames=("steps", "optimizer", "trained", "kept"))
def _run(problem, us, vs, learning_rate, scale, *, steps, optimizer, trained, kept):
    us, vs = jax.tree.map(jnp.asarray, (us, vs))
    if optimizer is not None:
        problem = _with_lighter_features(problem, us, steps)
        us, vs, values = _scan(problem, us, vs, scale, optimizer, steps, trained)
        return us, vs, values[np.array(kept)], jnp.asarray(jnp.nan)
    down = descent(problem, us, vs, scale, _moves(trained))
    rate = _constant_rate(problem, us, vs, learning_rate, scale, trained)
    if rate is None:
        # A step's place among the values kept, one past their end for the others.
        place = np.full(steps + 1, len(kept))
        place[list(kept)] = np.arange(len(kept))
        first = local_rate(problem, us, vs, scale)
        us, vs, values, rate = _monotone(down, first, steps, len(kept) + 1, lambda step: jnp.asarray(place)[step])
        return us, vs, values[:-1], rate
    us, vs, values = _straight(down, rate, steps)
    return us, vs, values[np.array(kept)], rate


@partial(jax.jit, static_argnames="trained")
def _run_to_end(problem, us, vs, learning_rate, scale, steps, *, trained):
    us, vs = jax.tree.map(jnp.asarray, (us, vs))
    down = descent(problem, us, vs, scale, _moves(trained))
    rate = _constant_rate(problem, us, vs, learning_rate, scale, trained)
    if rate is None:
        # Every value has the same place: the last step's comes last.
        us, vs, (value,), rate = _monotone(down, local_rate(problem, us, vs, scale), steps, 1, lambda step: 0)
        return us, vs, value, rate
    state = jax.lax.fori_loop(
        0, steps, lambda _, state: down.advanced(state, down.value_and_slopes(state)[1], rate), down.start
    )
    return *down.factors(state), down.value_and_slopes(state)[0], rate


def _checked_factors(problem, u, v):
    """Both factors by name."""
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
    for name, (m, n) in problem.shapes.items():
        if us[name].ndim != 2 or us[name].shape[0] != m or vs[name].shape != (n, us[name].shape[1]):
            raise ValueError(
                f"factors of {name!r} have shapes u {us[name].shape}, v {vs[name].shape}; "
                f"expected ({m}, r) and ({n}, r)"
            )
    return us, vs


def _moves(trained):
    return trained is not Trained.right, trained is not Trained.left


def _constant_rate(problem, us, vs, learning_rate, scale, trained):
    """The step size where it is known ahead of the path, else None."""
    if learning_rate is not None:
        return jnp.asarray(learning_rate)
    if trained is Trained.both:
        return None
    return frozen_factor_rate(problem, vs if trained is Trained.left else us, scale)


def _straight(down, rate, steps):
    """The path of this step size: final factors and the objective before, between and after the steps."""

    def step(state, _):
        value, slopes = down.value_and_slopes(state)
        return down.advanced(state, slopes, rate), value

    state, values = jax.lax.scan(step, down.start, length=steps)
    return *down.factors(state), jnp.append(values, down.value_and_slopes(state)[0])


def _with_lighter_features(problem, us, steps):
    """The same problem, features as `G` itself where that takes fewer multiplications than its factors at this rank.

    A step takes `N T r (K m + n)` through the factors and `N K m n` through G, which is formed once: many positions T
    (a convolution's) speak for G. It may take four times the memory of the factors, no more.
    """
    blocks, k = {}, problem.num_outputs
    for name, block in problem.op.blocks.items():
        if isinstance(block, Factored):
            (m, n), t, r = block.shape, block.num_positions, us[name].shape[1]
            through_factors, through_features = t * r * (k * m + n), k * m * n
            if through_features * (steps + t) < through_factors * steps and k * m * n <= 4 * t * (k * m + n):
                block = Dense(block.dense())
        blocks[name] = block
    return eqx.tree_at(lambda problem: problem.op.blocks, problem, blocks)


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


def _monotone(down, rate, steps, size, place):
    """The path of the largest step `rate · 2^{-j}` along which the objective never rises; `size` values of it.

    One loop, in which every cell of a batch is at a step of its own: a step that is too large is found out early (in
    linearized networks within a tenth of the path), so that beginning again costs little and nobody waits for it.
    `place(step)` is where the value before a step is kept.
    """

    def advance(carry):
        state, rate, step, previous, slack, values, count = carry
        value, slopes = down.value_and_slopes(state)
        value = value.astype(previous.dtype)
        # At a fixed point the objective jitters by rounding; NaN compares false, so divergence halves too.
        rises = ~(value <= previous + slack) & (count < _MOST_HALVINGS)
        slack = jnp.where(step == 0, 16 * jnp.finfo(value.dtype).eps * jnp.abs(value), slack)
        moved = down.advanced(state, slopes, jnp.where(step < steps, rate, 0.0))
        return (
            jax.tree.map(partial(jnp.where, rises), down.start, moved),
            jnp.where(rises, 0.5 * rate, rate),
            jnp.where(rises, 0, step + 1),
            jnp.where(rises, jnp.inf, value),
            slack,
            values.at[place(step)].set(value),
            count + rises,
        )

    infinite = jnp.full_like(rate, jnp.inf)
    values = jnp.zeros(size, rate.dtype)
    begin = (down.start, rate, jnp.asarray(0), infinite, jnp.zeros_like(rate), values, jnp.asarray(0))
    state, rate, _, _, _, values, _ = jax.lax.while_loop(lambda carry: carry[2] <= steps, advance, begin)
    return *down.factors(state), values, rate
