"""The scales against which a solver's numbers are small or large, computed once per problem.

NumPy in, NumPy out; JAX in, JAX out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ntklora.arrays import namespace
from ntklora.problem.objective import dual_vector, gradient_matrices, training_loss
from ntklora.problem.problem import Problem

Array = Any


class Scale(NamedTuple):
    """Units of a problem, for every weight decay: `loss = L(0)`, `gradient = ‖Γ(0)‖_F` over all weights, and `step`.

    `step` is `‖δ‖_F` after the exact line search from 0 along `−Γ(0)` on the quadratic model of the loss, but no more
    than twice the distance at which the linear model reaches zero (saturated samples have next to no curvature): the
    size that a solution has before `λ` shrinks it.
    """

    loss: Array
    gradient: Array
    step: Array

    def slope(self, lam: Array) -> Array:
        """Unit of `Γ`: `max(λ, 1e-4 ‖Γ(0)‖_F)`, so that `λ = 0` has one too."""
        xp = namespace(lam, self.gradient)
        return xp.maximum(xp.maximum(lam, 1e-4 * self.gradient), xp.finfo(self.loss.dtype).tiny)

    def factors(self, lam: Array) -> Array:
        """Bound `√(2 F(0)/slope)` on `‖Q‖` over the sublevel set of `F(0)`."""
        return namespace(lam, self.loss).sqrt(2 * self.loss / self.slope(lam))


def scale_of(problem: Problem) -> Scale:
    """The `Scale` of a problem."""
    gammas = gradient_matrices(problem, dual_vector(problem, problem.f0))
    xp = namespace(problem.f0)
    norm = xp.sqrt(sum((gamma**2).sum() for gamma in gammas.values()))
    moved = problem.op.apply(problem.op.like(gammas))
    bent = xp.einsum("ika,ik->ia", problem.loss.hessian_factor(problem.f0, problem.y), moved)
    curvature = (bent**2).sum() / problem.num_samples
    loss, tiny = training_loss(problem, problem.f0), xp.finfo(norm.dtype).tiny
    step = xp.minimum(norm**3 / xp.maximum(curvature, tiny), 2 * loss / xp.maximum(norm, tiny))
    return Scale(loss, norm, step)
