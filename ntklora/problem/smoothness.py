"""How smooth the training loss is in the change of the weights: what every step size starts from."""

from __future__ import annotations

from collections.abc import Callable

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
    kernel = _kernel(problem)

    def iterate(_: int, alpha: jax.Array) -> jax.Array:
        image = kernel(alpha)
        return image / jnp.linalg.norm(image)

    # Any start with a component along the top vector will do; a fixed irregular one keeps the function pure.
    size = problem.num_samples * problem.num_outputs
    start = jnp.cos(jnp.arange(1, size + 1, dtype=jnp.asarray(problem.f0).dtype)).reshape(problem.f0.shape)
    top = jax.lax.fori_loop(0, _POWER_ITERATIONS, iterate, start / jnp.linalg.norm(start))
    return problem.loss.smoothness * jnp.linalg.norm(kernel(top)) / problem.num_samples
