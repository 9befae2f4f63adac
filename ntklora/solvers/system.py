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
from ntklora.solvers.kernel import curvature_kernel
from ntklora.solvers.point import Factors, Point
from ntklora.solvers.shifted import Inverse, invert_shifted

Array = Any


class System(NamedTuple):
    """`H + μI` at a point, factorized: `M⁻¹` by weight, `W (N, K, K)`, and the LU factors of `I + WᵀKW`."""

    at: Factors
    inverses: dict[str, Inverse]
    factor: Array
    lu: tuple[Array, Array]


def assemble(problem: Problem, at: Factors, point: Point, shift: Array) -> System:
    """The system at `(u, v)` for the shift `μ`."""
    u, v = at
    outputs = problem.num_samples * problem.num_outputs
    factor = problem.loss.hessian_factor(point.z, problem.y) / jnp.sqrt(problem.num_samples)
    kernel = jnp.zeros((outputs, outputs), point.z.dtype)
    inverses = {}
    for name, block in problem.op.blocks.items():
        matrix = None if problem.perturbation is None else problem.perturbation[name]
        inverses[name] = invert_shifted(point.gammas[name], problem.lam + shift, matrix)
        kernel = kernel + curvature_kernel(block, inverses[name], u[name], v[name])
    capacitance = jnp.eye(outputs, dtype=kernel.dtype) + _sandwich(kernel, factor)
    return System(at, inverses, factor, jax.scipy.linalg.lu_factor(capacitance))


def solve_system(problem: Problem, system: System, right: Factors) -> Factors:
    """`(H + μI)⁻¹ right`."""
    x_u, x_v = {}, {}
    for name, inverse in system.inverses.items():
        x_u[name], x_v[name] = inverse.apply(right[0][name], right[1][name])
    moved = jnp.einsum("ika,ik->ia", system.factor, first_change(problem, system.at, (x_u, x_v)))
    coefficients = jax.scipy.linalg.lu_solve(system.lu, moved.reshape(-1)).reshape(moved.shape)
    pulled_u, pulled_v = pull_back(problem, system.at, jnp.einsum("ika,ia->ik", system.factor, coefficients))
    for name, inverse in system.inverses.items():
        back_u, back_v = inverse.apply(pulled_u[name], pulled_v[name])
        x_u[name], x_v[name] = x_u[name] - back_u, x_v[name] - back_v
    return x_u, x_v


def first_change(problem: Problem, at: Factors, direction: Factors) -> Array:
    """`J(du, dv) = A(du vᵀ + u dvᵀ)`, shape `(N, K)`."""
    return problem.op.apply_factors(direction[0], at[1]) + problem.op.apply_factors(at[0], direction[1])


def pull_back(problem: Problem, at: Factors, alpha: Array) -> Factors:
    """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
    matrices = {name: block.adjoint(alpha) for name, block in problem.op.blocks.items()}
    return {k: x @ at[1][k] for k, x in matrices.items()}, {k: x.T @ at[0][k] for k, x in matrices.items()}


def _sandwich(kernel: Array, factor: Array) -> Array:
    """`Wᵀ K W` for the block-diagonal `W (N, K, K)`."""
    n, k = factor.shape[:2]
    if k == 1:
        scales = factor[:, 0, 0]
        return scales[:, None] * kernel * scales[None, :]
    left = jnp.einsum("ika,ikx->iax", factor, kernel.reshape(n, k, n * k)).reshape(n * k, n, k)
    return jnp.einsum("xjl,jlb->xjb", left, factor).reshape(n * k, n * k)
