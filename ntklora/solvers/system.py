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
from ntklora.solvers.point import Factors, Point, plus
from ntklora.solvers.shifted import Inverse, invert_shifted
from ntklora.tangent.blocks import Block, Dense, Factored, Transposed

Array = Any


class System(NamedTuple):
    """`H + μI` at a point, factorized: `M⁻¹` by weight, `W (N, K, c)`, and the LU factors of `I + WᵀKW (Nc, Nc)`."""

    at: Factors
    inverses: dict[str, Inverse]
    factor: Array
    lu: tuple[Array, Array]


def assemble(problem: Problem, at: Factors, point: Point, shift: Array) -> System:
    """The system at `(u, v)` for the shift `μ`."""
    u, v = at
    factor = problem.loss.hessian_factor(point.z, problem.y) / jnp.sqrt(problem.num_samples)
    capacitance = jnp.eye(factor.shape[0] * factor.shape[2], dtype=point.z.dtype)
    inverses = {}
    for name, block in problem.op.blocks.items():
        matrix = None if problem.perturbation is None else problem.perturbation[name]
        inverses[name] = invert_shifted(point.gammas[name], problem.lam + shift, matrix)
        capacitance = capacitance + curvature_kernel(block, inverses[name], u[name], v[name], factor)
    return System(at, inverses, factor, jax.scipy.linalg.lu_factor(capacitance))


def solve_system(problem: Problem, system: System, right: Factors) -> Factors:
    """`(H + μI)⁻¹ right`."""
    bent = _bend_back(system, right)
    felt = jnp.einsum("ika,ik->ia", system.factor, first_change(problem, system.at, bent))
    return plus(bent, solve_pulled(problem, system, felt), -1.0)


def solve_pulled(problem: Problem, system: System, beta: Array) -> Factors:
    """`(H + μI)⁻¹ JᵀW β = M⁻¹ JᵀW (I + WᵀKW)⁻¹ β` for `β (N, c)`."""
    return _bend_back(system, pull_back(problem, system.at, _weighted_solve(system, beta)))


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


def first_change(problem: Problem, at: Factors, direction: Factors) -> Array:
    """`J(du, dv) = A(du vᵀ + u dvᵀ)`, shape `(N, K)`."""
    (u, v), (du, dv) = at, direction
    return sum(_change(block, u[k], v[k], du[k], dv[k]) for k, block in problem.op.blocks.items())


def _change(block: Block, u: Array, v: Array, du: Array, dv: Array) -> Array:
    if isinstance(block, Dense):
        # They have been multiplied by u and v for the kernel already; what came of it is m/r times as small as they.
        along_u = jnp.einsum("ikmr,mr->ik", block.times_v(v), du)
        return along_u + jnp.einsum("iknr,nr->ik", block.times_u(u), dv)
    return _mixed(block, u, v, du, dv)


def mixed_change(problem: Problem, x: Factors, y: Factors) -> Array:
    """`A(x_u y_vᵀ + y_u x_vᵀ)`, shape `(N, K)`: `first_change` at a point whose products are not needed elsewhere."""
    return sum(_mixed(block, x[0][k], x[1][k], y[0][k], y[1][k]) for k, block in problem.op.blocks.items())


def _mixed(block: Block, u: Array, v: Array, du: Array, dv: Array) -> Array:
    if isinstance(block, Dense):
        return block.apply(u @ dv.T + du @ v.T)
    return block.apply_factors(du, v) + block.apply_factors(u, dv)


def pull_back(problem: Problem, at: Factors, alpha: Array) -> Factors:
    """`Jᵀ α = (A*(α) v, A*(α)ᵀ u)` for `α (N, K)`."""
    pairs = {k: _pulled(block, at[0][k], at[1][k], alpha) for k, block in problem.op.blocks.items()}
    return {k: pair[0] for k, pair in pairs.items()}, {k: pair[1] for k, pair in pairs.items()}


def _pulled(block: Block, u: Array, v: Array, alpha: Array) -> tuple[Array, Array]:
    match block:
        case Dense():
            left = jnp.einsum("ik,ikmr->mr", alpha, block.times_v(v))
            return left, jnp.einsum("ik,iknr->nr", alpha, block.times_u(u))
        case Factored() if u.shape[1] < min(block.shape):
            # Products with the factors first: A*(α) itself would cost min(m, n)/r times as much.
            left = jnp.einsum("iktm,iktr->mr", block.b, alpha[:, :, None, None] * (block.a @ v)[:, None])
            return left, jnp.einsum("itn,itr->nr", block.a, jnp.einsum("ik,iktr->itr", alpha, block.b @ u))
        case Transposed():
            right, left = _pulled(block.of, v, u, alpha)
            return left, right
        case _:
            matrix = block.adjoint(alpha)
            return matrix @ v, matrix.T @ u
