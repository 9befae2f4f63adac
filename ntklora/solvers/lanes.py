"""Newton's method from many starts: one after the other, or through lanes side by side.

A processor's core is filled by one start (`minimize_each`). An accelerator takes many: in `minimize_all` a lane whose
start has arrived takes the next one from the queue, so no lane waits for the slowest start. The number of starts in the
queue may change without another compilation, and which lane serves a start does not change where it ends. Problems of
one form are taken side by side too, each with lanes of its own (`minimize_several`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ntklora.problem.problem import Problem
from ntklora.solvers.kernel import positions_are_cheaper
from ntklora.solvers.newton import Iterate, Limits, start, step
from ntklora.solvers.scale import scale_of
from ntklora.tangent.blocks import Factored, Transposed

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


@jax.jit
def minimize_each(problem: Problem, lams: Array, u: Matrices, v: Matrices, count: Array, limits: Limits) -> Ends:
    """Newton's method from the first `count` of the starts `u (S, m, r)`, `v (S, n, r)`, start `i` at `λ = lams[i]`.

    Rows from `count` on are returned as they came.
    """
    starts = lams.shape[0]
    scale = scale_of(problem)

    def body(row: Array, ends: Ends) -> Ends:
        at = eqx.tree_at(lambda p: p.lam, problem, lams[row])
        begin = start(*({k: x[row] for k, x in factor.items()} for factor in (u, v)))
        end = jax.lax.while_loop(lambda it: ~it.done, lambda it: step(at, scale, limits, it), begin)
        return jax.tree.map(lambda all_ends, x: all_ends.at[row].set(x), ends, _arrived(end))

    return jax.lax.fori_loop(0, count, body, _blank(u, v, starts))


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
        # Lanes under way write to the row after the last, which does not exist and is dropped.
        rows = jnp.where(arrived, items, starts)
        ends = jax.tree.map(lambda end, x: end.at[rows].set(x, mode="drop"), ends, _arrived(iterates))
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
    state = (items, jnp.asarray(lanes), *load(items), _blank(u, v, starts))
    *_, ends = jax.lax.while_loop(lambda state: (state[0] < count).any(), body, state)
    return ends


@partial(jax.jit, static_argnames=("lanes",))
def minimize_several(
    problems: Problem, lams: Array, u: Matrices, v: Matrices, counts: Array, limits: Limits, *, lanes: int
) -> Ends:
    """`minimize_all` of problems of one form at once, `lanes` for each: all but `limits` have their axis first."""
    each = partial(minimize_all, limits=limits, lanes=lanes)
    return jax.vmap(each)(problems, lams, u, v, counts)


def lane_bytes(problem: Problem, rank: int) -> int:
    """About what one lane of `minimize_all` sets aside for a step, for a problem on the host.

    Twice the arrays that are as large as the linear system, the directions or the weights: XLA's own figure, on a
    processor, is a quarter of it to all of it.
    """
    root = jax.eval_shape(problem.loss.hessian_factor, problem.f0, problem.y)
    felt, outputs = problem.num_samples * root.shape[2], problem.num_samples * problem.num_outputs
    entries = 3 * felt**2
    for name, block in problem.op.blocks.items():
        m, n = block.shape
        factored = block.of if isinstance(block, Transposed) else block
        if isinstance(factored, Factored) and positions_are_cheaper(factored, rank, root.shape[2]):
            met = felt * factored.num_positions
            entries += 3 * met**2 + 2 * met * (m + n)
        else:
            entries += (2 * outputs + 3 * felt) * rank * (m + n)
        entries += 4 * m * n + 2 * min(m, n) ** 2 + 8 * (m + n) * rank
        if problem.perturbation is not None:
            entries += 3 * len(problem.perturbation[name]) ** 2
    return 2 * entries * np.dtype(np.float64).itemsize


def _arrived(end: Iterate) -> Ends:
    return Ends(end.best_u, end.best_v, end.best_value, end.best_norm, end.converged, end.num_steps)


def _blank(u: Matrices, v: Matrices, starts: int) -> Ends:
    unknown = jnp.full(starts, jnp.inf)
    return Ends(u, v, unknown, unknown, jnp.zeros(starts, bool), jnp.zeros(starts, int))


def _choose(condition: Array, x: Array, y: Array) -> Array:
    return jnp.where(condition.reshape(-1, *[1] * (x.ndim - 1)), x, y)
