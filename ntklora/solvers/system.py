"""The regularized Newton system of `F_P(u, v)`, solved through a matrix of size `NK` [derived, theory §2.2].

The Hessian at `Q = [u; v]` is `(2S) ⊗ I_r + Jᵀ W Wᵀ J` with `∇²L = W Wᵀ`. With `M = 2S + μI`, `K = J M⁻¹ Jᵀ` and
Woodbury's identity,

    (H + μI)⁻¹ g = M⁻¹g − M⁻¹Jᵀ W (I + Wᵀ K W)⁻¹ Wᵀ J M⁻¹g.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.scipy.linalg

from ntklora.problem.problem import Problem
from ntklora.solvers.jacobian import Jacobian
from ntklora.solvers.point import Factors, Point, plus
from ntklora.solvers.shifted import Inverse, StackedInverse, invert_shifted

Array = Any


class System(NamedTuple):
    """`H + μI` at a point: `J` and `M⁻¹` by weight, `W (N, K, c)`, and the LU factors of `I + WᵀKW (Nc, Nc)`."""

    jacobians: dict[str, Jacobian]
    inverses: dict[str, Inverse | StackedInverse]
    factor: Array
    lu: tuple[Array, Array]


def assemble(problem: Problem, point: Point, shift: Array) -> System:
    """The system at the point for the shift `μ`."""
    factor = problem.loss.hessian_factor(point.z, problem.y) / jnp.sqrt(problem.num_samples)
    capacitance = jnp.eye(factor.shape[0] * factor.shape[2], dtype=point.z.dtype)
    inverses: dict[str, Any] = {}
    for name, jacobian in point.jacobians.items():
        matrix = None if problem.perturbation is None else problem.perturbation[name]
        inverses[name] = invert_shifted(point.gammas[name], problem.lam + shift, matrix)
        capacitance = capacitance + jacobian.curvature(inverses[name], factor)
    return System(point.jacobians, inverses, factor, jax.scipy.linalg.lu_factor(capacitance))


def solve_system(system: System, right: Factors) -> Factors:
    """`(H + μI)⁻¹ right`."""
    bent = _bend_back(system, right)
    felt = jnp.einsum("ika,ik->ia", system.factor, first_change(system.jacobians, bent))
    return plus(bent, solve_pulled(system, felt), -1.0)


def solve_pulled(system: System, beta: Array) -> Factors:
    """`(H + μI)⁻¹ JᵀW β = M⁻¹ JᵀW (I + WᵀKW)⁻¹ β` for `β (N, c)`."""
    return _bend_back(system, pull_back(system.jacobians, _weighted_solve(system, beta)))


def _weighted_solve(system: System, beta: Array) -> Array:
    """`W (I + WᵀKW)⁻¹ β`."""
    solved = jax.scipy.linalg.lu_solve(system.lu, beta.reshape(-1)).reshape(beta.shape)
    return jnp.einsum("ika,ia->ik", system.factor, solved)


def _bend_back(system: System, right: Factors) -> Factors:
    """`M⁻¹ right`."""
    x_u, x_v = {}, {}
    for name, inverse in system.inverses.items():
        x_u[name], x_v[name] = inverse.apply(right[0][name], right[1][name])
    return x_u, x_v


def first_change(jacobians: dict[str, Jacobian], direction: Factors) -> Array:
    """`J(du, dv) = A(du vᵀ + u dvᵀ)`, shape `(N, K)`."""
    return sum(jacobian.change(direction[0][k], direction[1][k]) for k, jacobian in jacobians.items())


def pull_back(jacobians: dict[str, Jacobian], alpha: Array) -> Factors:
    """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
    pairs = {k: jacobian.pull(alpha) for k, jacobian in jacobians.items()}
    return {k: pair[0] for k, pair in pairs.items()}, {k: pair[1] for k, pair in pairs.items()}
