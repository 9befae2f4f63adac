"""Training on minibatches: every step sees the loss on a random subset of the samples.

    F_B(u, v) = (1/|B|) Σ_{i ∈ B} ℓ(f0_i + A(u vᵀ)_i, y_i) + (λ/2)(‖u‖² + ‖v‖²) + <P, QQᵀ>,      E_B F_B = F

`B` is drawn anew at every step, without replacement, so the gradient is unbiased; its variance does not vanish at the
optimum of `F`, hence a constant step ends in a neighbourhood of it, and only a step that decays arrives.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jaxtyping import PRNGKeyArray

from ntklora.adapters.training import Path, scaled_objective
from ntklora.arguments import require_key, require_optimizer, whole_number
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]


def train_minibatches(
    problem: Problem,
    u: Array | Matrices,
    v: Array | Matrices,
    key: PRNGKeyArray,
    *,
    steps: int,
    batch_size: int,
    optimizer: optax.GradientTransformation,
) -> Path:
    """Train both factors from `(u, v)` for `steps` steps of `optimizer`, each on `batch_size` fresh samples.

    `.objective (steps + 1,)` is the whole `F`, not the minibatch's. Batch it with `jax.vmap` over keys.
    Errors: `ValueError` for `steps` below 0 or a batch that is empty or larger than N.

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> import numpy as np
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> decaying = optax.sgd(optax.linear_schedule(0.2, 0.0, 300))
    >>> path = train_minibatches(problem, np.eye(2), np.eye(2), jax.random.key(0), steps=300, batch_size=1,
    ...                          optimizer=decaying)
    >>> abs(float(path.objective[-1]) - 4.0) < 0.02
    True
    """
    steps, batch_size = whole_number("steps", steps, 0), whole_number("batch_size", batch_size, 0)
    require_key(key)
    require_optimizer(optimizer)
    if not 1 <= batch_size <= problem.num_samples:
        raise ValueError(f"batch_size = {batch_size}: expected 1 to N = {problem.num_samples}")
    us, vs, values = _run(
        problem,
        problem.op.as_dict(u),
        problem.op.as_dict(v),
        key,
        steps=steps,
        batch_size=batch_size,
        optimizer=optimizer,
    )
    return Path(problem.op.like(us), problem.op.like(vs), values, jnp.asarray(jnp.nan, values.dtype))


def restrict_to_samples(problem: Problem, samples: Array) -> Problem:
    """The problem of the samples at these indices `(B,)`, its loss their mean, its weight decay the same."""

    def taken(x: Array) -> Array:
        return jnp.take(jnp.asarray(x), samples, axis=0)

    seen = (jax.tree.map(taken, problem.op), taken(problem.f0), taken(problem.y))
    return eqx.tree_at(lambda p: (p.op, p.f0, p.y), problem, seen)


@partial(jax.jit, static_argnames=("steps", "batch_size", "optimizer"))
def _run(problem, us, vs, key, *, steps, batch_size, optimizer):
    us, vs = jax.tree.map(jnp.asarray, (us, vs))
    one = jnp.ones((), problem.f0.dtype)

    def value_of(factors, batch):
        return scaled_objective(batch, factors[0], factors[1], one)

    def step(carry, key):
        factors, state = carry
        samples = jax.random.permutation(key, problem.num_samples)[:batch_size]
        slopes = jax.grad(value_of)(factors, restrict_to_samples(problem, samples))
        updates, state = optimizer.update(slopes, state, factors)
        return (optax.apply_updates(factors, updates), state), value_of(factors, problem)

    start = ((us, vs), optimizer.init((us, vs)))
    (factors, _), values = jax.lax.scan(step, start, jax.random.split(key, steps))
    return *factors, jnp.append(values, value_of(factors, problem))
