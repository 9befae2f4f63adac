"""How smooth the training loss is in the change of the weights: what every step size starts from."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ntklora.problem.problem import Problem

# After k power iterations the Rayleigh quotient is within log(size)/k of the largest eigenvalue, whatever the gaps
# [Kuczynski and Wozniakowski 1992]; a step size needs no better.
_POWER_ITERATIONS = 60


def loss_smoothness(problem: Problem) -> jax.Array:
    """`β = (smoothness of ℓ)·‖A‖²_op/N`, the Lipschitz constant of the gradient of L in δ, to a few per cent."""
    op = problem.op

    def iterate(_: int, alpha: jax.Array) -> jax.Array:
        image = op.apply(op.adjoint(alpha))
        return image / jnp.linalg.norm(image)

    # Any start with a component along the top vector will do; a fixed irregular one keeps the function pure.
    size = problem.num_samples * problem.num_outputs
    start = jnp.cos(jnp.arange(1, size + 1, dtype=jnp.asarray(problem.f0).dtype)).reshape(problem.f0.shape)
    top = jax.lax.fori_loop(0, _POWER_ITERATIONS, iterate, start / jnp.linalg.norm(start))
    return problem.loss.smoothness * jnp.linalg.norm(op.apply(op.adjoint(top))) / problem.num_samples
