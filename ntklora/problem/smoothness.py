"""How smooth the training loss is in the change of the weights: what every step size starts from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ntklora.problem.problem import Problem

# After k power iterations the Rayleigh quotient is within log(size)/k of the largest eigenvalue, whatever the gaps
# [Kuczynski and Wozniakowski 1992]; a step size needs no better.
_POWER_ITERATIONS = 60


def _kernel(problem: Problem) -> Callable[[jax.Array], jax.Array]:
    """`A A*` on `(N, K)`: through the kernel where it is smaller than the weights, so that width costs one Gram."""
    op = problem.op
    if problem.f0.size**2 > sum(m * n for m, n in op.shapes.values()):
        return lambda alpha: op.apply(op.adjoint(alpha))
    gram = op.gram()
    return lambda alpha: jnp.einsum("ipjq,pq->ij", gram, alpha)


def loss_smoothness(problem: Problem) -> jax.Array:
    """`β = (smoothness of ℓ)·‖A‖²_op/N`, the Lipschitz constant of the gradient of L in δ, to a few per cent."""
    top = _top_eigenvalue(_kernel(problem), problem.f0.shape, jnp.asarray(problem.f0).dtype)
    return problem.loss.smoothness * top / problem.num_samples


def loss_curvature(problem: Problem, z: jax.Array) -> jax.Array:
    """The largest eigenvalue of `(1/N) Σ_i A_i* ∇²ℓ_i A_i`, the Hessian of L in δ, at outputs `z (N, K)`; at most `β`.

    To a few per cent. For squared loss it is `β` everywhere; for the others it falls as the data are fitted.
    """
    root = jnp.asarray(problem.loss.hessian_factor(jnp.asarray(z), problem.y))
    kernel = _kernel(problem)

    def image(x: jax.Array) -> jax.Array:
        return jnp.einsum("ika,ik->ia", root, kernel(jnp.einsum("ika,ia->ik", root, x)))

    return _top_eigenvalue(image, (root.shape[0], root.shape[2]), root.dtype) / problem.num_samples


def _top_eigenvalue(operator: Callable[[jax.Array], jax.Array], shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """The largest eigenvalue of a positive semidefinite operator on arrays of this shape, by power iteration."""

    def iterate(_: int, x: jax.Array) -> jax.Array:
        image = operator(x)
        return image / jnp.linalg.norm(image)

    # Any start with a component along the top vector will do; a fixed irregular one keeps the function pure.
    start = jnp.cos(jnp.arange(1, math.prod(shape) + 1, dtype=dtype)).reshape(shape)
    top = jax.lax.fori_loop(0, _POWER_ITERATIONS, iterate, start / jnp.linalg.norm(start))
    return jnp.linalg.norm(operator(top))
