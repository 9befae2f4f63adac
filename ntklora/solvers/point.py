"""First-order information at factors `(u, v)`, and the arithmetic of dicts of factors by weight."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from ntklora.problem.objective import dual_vector, gradient_matrices, stack, training_loss
from ntklora.problem.problem import Problem
from ntklora.solvers.jacobian import Jacobian, jacobian_at

Array = Any
Matrices = dict[str, Any]
Factors = tuple[Matrices, Matrices]  # (u, v), or a direction (du, dv): by weight, (m, r) and (n, r)


class Point(NamedTuple):
    """At `(u, v)`: the objective `F_P`, outputs `z (N, K)`, their Jacobian and `Γ` by weight, the gradient's two halves
    and its norm."""

    objective: Array
    z: Array
    jacobians: dict[str, Jacobian]
    gammas: Matrices
    gradient: Factors
    gradient_norm: Array


def evaluate(problem: Problem, at: Factors) -> Point:
    """Value and gradient of `F_P`: `g = 2SQ = (Γv + λu, Γᵀu + λv) + 2PQ`."""
    u, v = at
    jacobians = {name: jacobian_at(block, u[name], v[name]) for name, block in problem.op.blocks.items()}
    z = problem.f0 + sum(jacobian.outputs() for jacobian in jacobians.values())
    gammas = gradient_matrices(problem, dual_vector(problem, z))
    push = penalty_gradient(problem, at)
    gradient = plus(({k: g @ v[k] for k, g in gammas.items()}, {k: g.mT @ u[k] for k, g in gammas.items()}), push)
    objective = training_loss(problem, z) + 0.5 * inner(at, push)
    return Point(objective, z, jacobians, gammas, gradient, jnp.sqrt(inner(gradient, gradient)))


def penalty_gradient(problem: Problem, at: Factors) -> Factors:
    """`λQ + 2PQ`: half its inner product with `Q` is the penalty `(λ/2)‖Q‖² + <P, QQᵀ>`."""
    u, v = at
    if problem.perturbation is None:
        return scaled(at, problem.lam)
    push_u, push_v = {}, {}
    for name, matrix in problem.perturbation.items():
        q = stack(u[name], v[name])
        push = problem.lam * q + 2 * matrix @ q
        push_u[name], push_v[name] = push[: len(u[name])], push[len(u[name]) :]
    return push_u, push_v


def second_change(problem: Problem, direction: Factors) -> Array:
    """`A(du dvᵀ)`, shape `(N, K)`."""
    return sum(block.apply_factors(direction[0][k], direction[1][k]) for k, block in problem.op.blocks.items())


def inner(x: Factors, y: Factors) -> Array:
    """`Σ_l <x_u^l, y_u^l> + <x_v^l, y_v^l>`."""
    return sum((x[side][name] * y[side][name]).sum() for side in (0, 1) for name in x[side])


def plus(x: Factors, y: Factors, length: Array | float = 1.0) -> Factors:
    """`x + length · y`."""
    left, right = ({k: x[side][k] + length * y[side][k] for k in x[side]} for side in (0, 1))
    return left, right


def scaled(x: Factors, factor: Array) -> Factors:
    """`factor · x`."""
    left, right = ({k: factor * value for k, value in half.items()} for half in x)
    return left, right
