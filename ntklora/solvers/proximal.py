"""Proximal gradient descent on full fine-tuning: the method that JLR run beside LoRA.

    δ ← prox_{ηλ‖·‖_*}(δ − η Γ(δ)),    prox: every singular value σ becomes max(σ − ηλ, 0)

with `η = 1/β`, `β = smoothness · ‖A‖²_op / N` (to a few per cent; every η < 2/β descends). Problem: convex, any loss,
several weights, `λ ≥ 0`. Rate: the objective never rises and `F(δ_k) − min F ≤ β‖δ*‖²/(2k)`; linear once the rank is
identified, but stalled where `λ` is small against `λ_max`: it draws curves, `solve` certifies optima.
Source: Beck & Teboulle 2009.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ntklora.arguments import require_rate, whole_number
from ntklora.arrays import outline
from ntklora.problem.objective import dual_vector, gradient_matrices, training_loss
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem
from ntklora.problem.smoothness import loss_smoothness

Array = Any
Matrices = dict[str, Any]


class FullPath(NamedTuple):
    """Final `delta` in the problem's form, `objective (steps + 1,)` with `F(0)` first, the step size used."""

    delta: Array | Matrices
    objective: Array
    learning_rate: Array

    def __repr__(self) -> str:
        return outline(self)


def train_full(problem: Problem, *, steps: int, learning_rate: float | None = None) -> FullPath:
    """Full fine-tuning from `δ = 0` by proximal gradient descent on `F(δ) = L(δ) + λ‖δ‖_*`.

    The step size is `N/(smoothness · ‖A‖²_op)` unless given; gradient-flow time is learning rate × step. Runs on the
    exactly reduced problem, whose iterates are the same.
    Errors: `ValueError` for a perturbed problem, or `steps` below 0.

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> import numpy as np
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> train_full(problem, steps=20).delta.round(6).tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """
    reduction = reduce_problem(problem)
    path = jax.device_get(descend_proximally(reduction.problem, steps=steps, learning_rate=learning_rate))
    return path._replace(delta=reduction.lift(path.delta))


def descend_proximally(problem: Problem, *, steps: int, learning_rate: float | Array | None = None) -> FullPath:
    """`train_full` on this very problem, in its precision: pure JAX, to be batched with `jax.vmap` over problems.

    Errors: `ValueError` for `steps` below 0.
    """
    steps = whole_number("steps", steps, 0)
    require_rate(learning_rate)
    return _run(problem, learning_rate, steps=steps)


def shrink_singular_values(delta: Array, threshold: Array) -> tuple[Array, Array]:
    """`argmin_x ½‖x − δ‖² + threshold · ‖x‖_*`, and its nuclear norm."""
    left, values, right = jnp.linalg.svd(delta, full_matrices=False)
    kept = jnp.maximum(values - threshold, 0.0)
    return (left * kept) @ right, kept.sum()


@partial(jax.jit, static_argnames="steps")
def _run(problem: Problem, learning_rate: Array | None, *, steps: int) -> FullPath:
    op, dtype = problem.op, jnp.asarray(problem.f0).dtype
    rate = jnp.asarray(1.0 / loss_smoothness(problem) if learning_rate is None else learning_rate, dtype)
    start = {name: jnp.zeros(shape, dtype) for name, shape in problem.shapes.items()}

    def step(carry: tuple[Matrices, Array], _: None) -> tuple[tuple[Matrices, Array], Array]:
        deltas, norm = carry
        z = problem.f0 + op.apply(op.like(deltas))
        gammas = gradient_matrices(problem, dual_vector(problem, z))
        shrunk = {k: shrink_singular_values(d - rate * gammas[k], rate * problem.lam) for k, d in deltas.items()}
        total = sum(size for _, size in shrunk.values())
        return ({k: d for k, (d, _) in shrunk.items()}, total), training_loss(problem, z) + problem.lam * norm

    (deltas, norm), values = jax.lax.scan(step, (start, jnp.zeros((), dtype)), length=steps)
    last = training_loss(problem, problem.f0 + op.apply(op.like(deltas))) + problem.lam * norm
    return FullPath(op.like(deltas), jnp.append(values, last), rate)
