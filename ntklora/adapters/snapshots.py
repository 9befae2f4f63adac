"""Gradient descent with the factors kept along the way: what a study of the path itself needs.

The path is that of `train_factors` at a given learning rate, in the coordinates that the data see (`descent`): the
factors are made at the steps kept alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.adapters.descent import descent
from ntklora.arrays import outline
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]


class Snapshots(NamedTuple):
    """At the `S` steps kept: `u (S, m, r)`, `v (S, n, r)` in the problem's form; `objective (steps + 1,)` at all."""

    u: Array | Matrices
    v: Array | Matrices
    objective: jax.Array

    def __repr__(self) -> str:
        return outline(self)


def descend_with_snapshots(
    problem: Problem,
    u: Array | Matrices,
    v: Array | Matrices,
    *,
    learning_rate: float | jax.Array,
    kept: Sequence[int],
) -> Snapshots:
    """Gradient descent on both factors from `(u, v)` up to the last of the steps `kept`, whose factors it returns.

    Gradient-flow time is learning rate × step. Batch it with `jax.vmap` over the factors.
    Errors: `ValueError` unless `kept` are rising steps from 0 on.
    """
    steps = tuple(int(step) for step in kept)
    if not steps or list(steps) != sorted(set(steps)) or steps[0] < 0:
        raise ValueError(f"kept = {kept}: expected rising steps from 0 on")
    us, vs, values = _run(problem, problem.op.as_dict(u), problem.op.as_dict(v), learning_rate, kept=steps)
    return Snapshots(problem.op.like(us), problem.op.like(vs), values)


@partial(jax.jit, static_argnames="kept")
def _run(problem, us, vs, learning_rate, *, kept):
    down = descent(problem, us, vs, jnp.asarray(1.0, problem.f0.dtype), (True, True))

    def step(place, carry):
        state, values = carry
        value, slopes = down.value_and_slopes(state)
        return down.advanced(state, slopes, learning_rate), values.at[place].set(value)

    def stretch(carry, ends):
        carry = jax.lax.fori_loop(ends[0], ends[1], step, carry)
        return carry, carry[0]

    kept = np.asarray(kept)
    values = jnp.zeros(kept[-1] + 1, down.start.shrunk.dtype)
    (last, values), states = jax.lax.scan(stretch, (down.start, values), (np.append(0, kept[:-1]), kept))
    values = values.at[-1].set(down.value_and_slopes(last)[0])
    return *jax.vmap(down.factors)(states), values
