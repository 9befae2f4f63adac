"""Many starts through a fixed number of lanes: a lane whose start has arrived takes the next one from the queue.

One `while_loop` of vmapped Newton steps: no lane waits for the slowest start, and the number of starts in the queue may
change without another compilation. Which lane serves a start does not change where it ends.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from ntklora.problem.objective import objective
from ntklora.problem.problem import Problem
from ntklora.solvers.newton import Limits, start, step
from ntklora.solvers.scale import scale_of

Array = Any
Matrices = dict[str, Any]


class Ends(NamedTuple):
    """Where each of `S` starts ended: `u (S, m, r)`, `v (S, n, r)` by weight, and what is known about it, `(S,)`."""

    u: Matrices
    v: Matrices
    objective: Array
    gradient_norm: Array
    converged: Array
    num_steps: Array


@partial(jax.jit, static_argnames=("lanes",))
def minimize_all(
    problem: Problem, lams: Array, u: Matrices, v: Matrices, count: Array, limits: Limits, *, lanes: int
) -> Ends:
    """Newton's method from the first `count` of the starts `u (S, m, r)`, `v (S, n, r)`, start `i` at `λ = lams[i]`.

    Rows from `count` on are returned as they came.
    """
    starts = lams.shape[0]
    scale = scale_of(problem)

    def at(lam: Array) -> Problem:
        return eqx.tree_at(lambda p: p.lam, problem, lam)

    def load(items: Array) -> tuple[Array, Any]:
        rows = jnp.minimum(items, starts - 1)
        return lams[rows], jax.vmap(start)(*jax.tree.map(lambda x: x[rows], (u, v)))

    def body(state: tuple) -> tuple:
        items, following, lane_lams, iterates, ends = state
        iterates = jax.vmap(lambda lam, iterate: step(at(lam), scale, limits, iterate))(lane_lams, iterates)
        arrived = iterates.done & (items < count)
        result = (iterates.best_u, iterates.best_v, iterates.best_norm, iterates.converged, iterates.num_steps)
        # Lanes under way write to the row after the last, which does not exist and is dropped.
        rows = jnp.where(arrived, items, starts)
        ends = jax.tree.map(lambda end, x: end.at[rows].set(x, mode="drop"), ends, result)
        items = jnp.where(arrived, following + jnp.cumsum(arrived) - 1, items)
        fresh_lams, fresh = load(items)
        choose = partial(_choose, arrived)
        return (
            items,
            following + arrived.sum(),
            choose(fresh_lams, lane_lams),
            jax.tree.map(choose, fresh, iterates),
            ends,
        )

    items = jnp.arange(lanes)
    blank = (u, v, jnp.full(starts, jnp.inf), jnp.zeros(starts, bool), jnp.zeros(starts, int))
    state = (items, jnp.asarray(lanes), *load(items), blank)
    *_, ends = jax.lax.while_loop(lambda state: (state[0] < count).any(), body, state)
    values = jax.vmap(lambda lam, u, v: objective(at(lam), u, v))(lams, ends[0], ends[1])
    return Ends(ends[0], ends[1], values, *ends[2:])


def _choose(condition: Array, x: Array, y: Array) -> Array:
    return jnp.where(condition.reshape(-1, *[1] * (x.ndim - 1)), x, y)
