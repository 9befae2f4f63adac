"""The scales against which a solver's numbers are small or large, computed once per problem."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ntklora.problem.objective import dual_vector, gradient_matrices, training_loss
from ntklora.problem.problem import Problem

Array = Any


class Scale(NamedTuple):
    """Units of a problem at `λ`.

    `slope`: unit of `Γ`, `max(λ, 1e-4 ‖Γ(0)‖_F)`, so that `λ = 0` has one too. `factors`: the bound `√(2F(0)/slope)`
    on `‖Q‖` over the sublevel set of `F(0)`. `step`: `‖δ‖_F` of the exact line search from 0 along `−Γ(0)` on the
    quadratic model of the loss: the size that a solution has before `λ` shrinks it.
    """

    slope: Array
    factors: Array
    step: Array


def scale_of(problem: Problem) -> Scale:
    """The `Scale` of a problem."""
    loss = training_loss(problem, problem.f0)
    gammas = gradient_matrices(problem, dual_vector(problem, problem.f0))
    norm = jnp.sqrt(sum((gamma**2).sum() for gamma in gammas.values()))
    moved = problem.op.apply(problem.op.like(gammas))
    bent = jnp.einsum("ika,ik->ia", problem.loss.hessian_factor(problem.f0, problem.y), moved)
    curvature = (bent**2).sum() / problem.num_samples
    slope = jnp.maximum(problem.lam, 1e-4 * norm)
    tiny = jnp.finfo(norm.dtype).tiny
    return Scale(
        slope=jnp.maximum(slope, tiny),
        factors=jnp.sqrt(2 * loss / jnp.maximum(slope, tiny)),
        step=norm**3 / jnp.maximum(curvature, tiny),
    )
