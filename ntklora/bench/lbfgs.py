"""The baseline of the endpoint finder: optax's L-BFGS on F(u, v), all starts under one vmap."""

from __future__ import annotations

from typing import Any

import jax
import optax

from ntklora.problem.objective import objective
from ntklora.problem.problem import Problem
from ntklora.solvers.lanes import Ends

Array = Any
Matrices = dict[str, Any]


@jax.jit
def lbfgs(problem: Problem, u: Matrices, v: Matrices, tolerance: Array, max_steps: int) -> Ends:
    """optax's L-BFGS (memory 10, zoom line search) from every start until `‖∇F‖ ≤ tolerance`, or for `max_steps`."""
    solver = optax.lbfgs()

    def run(u: Matrices, v: Matrices) -> Ends:
        def value(factors: tuple[Matrices, Matrices]) -> Array:
            return objective(problem, *factors)

        # The line search leaves value and gradient at the point it chose in the state: no second evaluation.
        value_and_grad = optax.value_and_grad_from_state(value)

        def unfinished(carry: tuple) -> Array:
            _, state, step = carry
            norm = optax.tree.norm(optax.tree.get(state, "grad"))
            return (step == 0) | ((step < max_steps) & (norm > tolerance))

        def body(carry: tuple) -> tuple:
            factors, state, step = carry
            level, gradient = value_and_grad(factors, state=state)
            updates, state = solver.update(gradient, state, factors, value=level, grad=gradient, value_fn=value)
            return optax.apply_updates(factors, updates), state, step + 1

        start = (u, v)
        factors, _, steps = jax.lax.while_loop(unfinished, body, (start, solver.init(start), 0))
        level, gradient = jax.value_and_grad(value)(factors)
        norm = optax.tree.norm(gradient)
        return Ends(*factors, level, norm, norm <= tolerance, steps)

    return jax.vmap(run)(u, v)
