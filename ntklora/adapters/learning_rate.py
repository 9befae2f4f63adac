"""Smoothness of the LoRA objective, and the step sizes it allows.

L is β-smooth in δ with `β = (smoothness of ℓ)·‖A‖²_op/N`. Along D = (du, dv) the Hessian form of F(u, v) is at most

    ( λ + s‖Γ‖_op + s²β(‖u‖²_op + ‖v‖²_op) + 2‖P‖_op ) ‖D‖²         both factors trained          [derived]
    ( λ + s²β‖v‖²_op + 2‖P‖_op ) ‖du‖²                              u trained, v frozen           [derived]

(operator norms: the largest over the weights). The second does not depend on u: the objective is convex and smooth
there, and gradient descent with the reciprocal as its step descends always. The first holds near the point only.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ntklora.problem.objective import dual_vector
from ntklora.problem.problem import Problem
from ntklora.problem.smoothness import loss_smoothness
from ntklora.tangent.blocks import Block, Factored, Transposed

Matrices = dict[str, Any]


def frozen_factor_rate(problem: Problem, frozen: Matrices, scale: jax.Array) -> jax.Array:
    """`1/(λ + s²β‖v‖²_op + 2‖P‖_op)` with `v` the frozen factor, by name: the objective never rises."""
    curvature = problem.lam + scale**2 * loss_smoothness(problem) * _largest(frozen) ** 2 + _push(problem)
    # A frozen factor of zeros leaves nothing to train: any step does.
    return 1.0 / jnp.where(curvature > 0, curvature, 1.0)


def local_rate(problem: Problem, us: Matrices, vs: Matrices, scale: jax.Array) -> jax.Array:
    """`1/(λ + s‖Γ‖_op + s²β(‖u‖²_op + ‖v‖²_op) + 2‖P‖_op)`: the descent lemma's step at the point (u, v)."""
    op = problem.op
    z = problem.f0 + scale * op.apply_factors(op.like(us), op.like(vs))
    alpha = dual_vector(problem, z) / problem.num_samples
    slope = jnp.max(jnp.stack([adjoint_norm(block, alpha) for block in op.blocks.values()]))
    size = _largest(us) ** 2 + _largest(vs) ** 2
    curvature = problem.lam + scale * slope + scale**2 * loss_smoothness(problem) * size + _push(problem)
    return 1.0 / jnp.where(curvature > 0, curvature, 1.0)


def adjoint_norm(block: Block, alpha: Float[Array, "N K"]) -> jax.Array:
    """`operator_norm` of `Σ_ij α_ij G_ij` for the features of one weight.

    Factored features have it as `Bᵀ C A` with C sparse in α: where B has fewer rows than columns the squares of the
    singular values are eigenvalues of `(C AAᵀ Cᵀ)(BBᵀ)`, and the matrix of the weight's own size is never formed.
    """
    if isinstance(block, Transposed):
        return adjoint_norm(block.of, alpha)
    if not isinstance(block, Factored) or alpha.size * block.num_positions > min(block.shape):
        return operator_norm(block.adjoint(alpha))
    left, right = (jnp.asarray(x) for x in (block.b, block.a))
    gram = jnp.tensordot(right, right, (2, 2))[:, None, :, :, None, :]  # (N, 1, T, N, 1, T)
    inner = alpha[:, :, None, None, None, None] * gram * alpha[:, :, None]
    rows = left.reshape(-1, left.shape[3])
    return _root_of_largest(inner.reshape(len(rows), len(rows)) @ (rows @ rows.T))


def operator_norm(matrix: Float[Array, "m n"]) -> jax.Array:
    """The Schatten norm of order 128: above the largest singular value, by at most a factor min(m, n)^{1/128}.

    The smaller Gram matrix squared six times: no LAPACK call, which could hang beside another (see
    `ntklora.environment`), and an upper bound, as a safe step needs it.
    """
    matrix = jnp.asarray(matrix)
    return _root_of_largest(matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix)


def _root_of_largest(gram: Float[Array, "k k"]) -> jax.Array:
    """`(Σ_i λ_i^64)^{1/128}` for a matrix whose eigenvalues λ_i are nonnegative."""
    log_scale = jnp.zeros((), gram.dtype)  # gram^(2^k) is e^(2^k log_scale) times the matrix carried
    for k in range(7):
        trace = jnp.trace(gram)
        safe = jnp.where(trace > 0, trace, 1.0)
        log_scale = log_scale + jnp.log(safe) / 2**k
        gram = (gram / safe) @ (gram / safe)
    return jnp.where(jnp.any(gram != 0), jnp.exp(0.5 * log_scale), 0.0)


def _largest(matrices: Matrices) -> jax.Array:
    return jnp.max(jnp.stack([operator_norm(matrix) for matrix in matrices.values()]))


def _push(problem: Problem) -> jax.Array | float:
    return 0.0 if problem.perturbation is None else 2.0 * _largest(problem.perturbation)
