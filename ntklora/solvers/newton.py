"""Regularized Newton's method on LoRA's objective, one linear system of size `NK` for each step [derived].

The Hessian of `F_P` at `Q = [u; v]` is `(2S) ⊗ I_r + Jᵀ W Wᵀ J`, with `∇²L = W Wᵀ` (theory §2.2). With `M = 2S + μI`
and `K = J M⁻¹ Jᵀ`, Woodbury's identity gives

    step = −(M⁻¹g − M⁻¹Jᵀ W (I + Wᵀ K W)⁻¹ Wᵀ J M⁻¹g).

Outputs along the step are quadratic in its length, so a dozen trial lengths cost `NK` each.

Problem: nonconvex, any loss with a Hessian factor, several weights, `λ ≥ 0`, `P ⪰ 0`. Rate: quadratic near minima that
are strict modulo the gauge, linear near flat ones. It finds stationary points, not minima: now and then a saddle, which
only an end verdict can tell. Columns of `Q` that are zero stay exactly zero, so one compilation at a padded rank serves
every smaller one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ntklora.problem.objective import dual_vector, gradient_matrices, stack, training_loss
from ntklora.problem.problem import Problem
from ntklora.solvers.kernel import curvature_kernel
from ntklora.solvers.scale import Scale, scale_of
from ntklora.solvers.shifted import invert_shifted

Array = Any
Matrices = dict[str, Any]

# Lengths tried along every step, the longest first.
_LENGTHS = tuple(2.0**k for k in range(2, -13, -1))
# Below this predicted decrease, relative to F, comparing two values of F compares rounding errors: then the full step
# is taken and the gradient norm judges.
_RESOLUTION = 1e-11
# Steps without progress of the gradient norm after which its rounding floor is considered reached.
_PATIENCE = 3


class Limits(NamedTuple):
    """When to stop: `‖g‖ ≤ tolerance` counts as converged, `‖g‖ ≤ polish` ends at once, both in units of the problem.

    The unit is `slope · max(‖Q‖, factors/100)`: not relative to `‖Q‖` alone, which would never fire at `Q = 0`.
    """

    tolerance: float = 1e-9
    polish: float = 1e-14
    max_steps: int = 200


DEFAULT = Limits()


class Point(NamedTuple):
    """First-order information at `(u, v)`: objective `F_P`, outputs `z`, `Γ`, gradient and its norm, by weight."""

    objective: Array
    z: Array
    gammas: Matrices
    gradient_u: Matrices
    gradient_v: Matrices
    gradient_norm: Array


class Iterate(NamedTuple):
    """State of one run; `best_*`: the point of smallest gradient norm since `F` stopped telling points apart."""

    u: Matrices
    v: Matrices
    shift: Array
    num_steps: Array
    best_u: Matrices
    best_v: Matrices
    best_norm: Array
    stalled: Array
    converged: Array
    done: Array


def start(u: Matrices, v: Matrices) -> Iterate:
    """The state at the starting point `(u, v)`, dicts of `(m, r)` and `(n, r)` by name."""
    dtype = next(iter(u.values())).dtype
    return Iterate(
        u,
        v,
        shift=jnp.asarray(-1.0, dtype),
        num_steps=jnp.asarray(0),
        best_u=u,
        best_v=v,
        best_norm=jnp.asarray(jnp.inf, dtype),
        stalled=jnp.asarray(0),
        converged=jnp.asarray(False),
        done=jnp.asarray(False),
    )


def evaluate(problem: Problem, u: Matrices, v: Matrices) -> Point:
    """Value and gradient of `F_P` at `(u, v)`: `g = 2SQ = (Γv + λu, Γᵀu + λv) + 2PQ`."""
    z = problem.f0 + problem.op.apply_factors(u, v)
    gammas = gradient_matrices(problem, dual_vector(problem, z))
    push_u, push_v = penalty_gradient(problem, u, v)
    gradient_u = {name: gamma @ v[name] + push_u[name] for name, gamma in gammas.items()}
    gradient_v = {name: gamma.T @ u[name] + push_v[name] for name, gamma in gammas.items()}
    penalty = 0.5 * (inner(u, push_u) + inner(v, push_v))
    norm = jnp.sqrt(inner(gradient_u, gradient_u) + inner(gradient_v, gradient_v))
    return Point(training_loss(problem, z) + penalty, z, gammas, gradient_u, gradient_v, norm)


def penalty_gradient(problem: Problem, u: Matrices, v: Matrices) -> tuple[Matrices, Matrices]:
    """`λQ + 2PQ` in its two halves; half its inner product with `Q` is the penalty `(λ/2)‖Q‖² + <P, QQᵀ>`."""
    push_u = {name: problem.lam * factor for name, factor in u.items()}
    push_v = {name: problem.lam * factor for name, factor in v.items()}
    for name, matrix in (problem.perturbation or {}).items():
        push = 2 * matrix @ stack(u[name], v[name])
        push_u[name] = push_u[name] + push[: len(u[name])]
        push_v[name] = push_v[name] + push[len(u[name]) :]
    return push_u, push_v


def newton_direction(
    problem: Problem, u: Matrices, v: Matrices, point: Point, shift: Array
) -> tuple[Matrices, Matrices]:
    """`−(H + μI)⁻¹ g` at `(u, v)` for the shift `μ`, in its two halves."""
    outputs = problem.num_samples * problem.num_outputs
    factor = problem.loss.hessian_factor(point.z, problem.y) / jnp.sqrt(problem.num_samples)
    c = problem.lam + shift
    kernel = jnp.zeros((outputs, outputs), point.z.dtype)
    inverses, x_u, x_v = {}, {}, {}
    for name, block in problem.op.blocks.items():
        matrix = None if problem.perturbation is None else problem.perturbation[name]
        inverses[name] = invert_shifted(point.gammas[name], c, matrix)
        x_u[name], x_v[name] = inverses[name].apply(point.gradient_u[name], point.gradient_v[name])
        kernel = kernel + curvature_kernel(block, inverses[name], u[name], v[name])
    moved = problem.op.apply_factors(x_u, v) + problem.op.apply_factors(u, x_v)
    capacitance = jnp.eye(outputs, dtype=kernel.dtype) + _sandwich(kernel, factor)
    coefficients = jnp.linalg.solve(capacitance, _transposed(factor, moved).reshape(outputs))
    pull = jnp.einsum("ika,ia->ik", factor, coefficients.reshape(point.z.shape))
    step_u, step_v = {}, {}
    for name, block in problem.op.blocks.items():
        matrix = block.adjoint(pull)
        back_u, back_v = inverses[name].apply(matrix @ v[name], matrix.T @ u[name])
        step_u[name], step_v[name] = back_u - x_u[name], back_v - x_v[name]
    return step_u, step_v


def step(problem: Problem, scale: Scale, limits: Limits, iterate: Iterate) -> Iterate:
    """One step: judge the current point, then move to the next one."""
    u, v = iterate.u, iterate.v
    point = evaluate(problem, u, v)
    size = jnp.maximum(jnp.sqrt(inner(u, u) + inner(v, v)), 0.01 * scale.factors(problem.lam))
    unit = scale.slope(problem.lam) * size

    shift = jnp.where(iterate.shift < 0, _first_shift(problem, point), iterate.shift)
    # ‖g‖/‖Q‖ vanishes with the gradient (so the end is quadratic), yet keeps the gauge directions regular.
    shift = jnp.maximum(shift, point.gradient_norm / size + 1e-14 * unit / size)
    du, dv = newton_direction(problem, u, v, point, shift)
    slope = inner(point.gradient_u, du) + inner(point.gradient_v, dv)
    uphill = slope > 0
    sign = jnp.where(uphill, -1.0, 1.0)
    du, dv, slope = scaled(du, sign), scaled(dv, sign), sign * slope
    predicted = -0.5 * slope + 0.5 * shift * (inner(du, du) + inner(dv, dv))

    lengths = jnp.asarray(_LENGTHS, point.z.dtype)
    values = values_along(problem, u, v, du, dv, point, lengths)
    full = _LENGTHS.index(1.0)
    noise = _RESOLUTION * jnp.abs(point.objective)
    local = (predicted <= noise) & (values[full] <= point.objective + noise)
    best = jnp.where(local, full, jnp.argmin(jnp.where(jnp.isfinite(values), values, jnp.inf)))
    length = lengths[best]
    gain = point.objective - values[best]
    # No length decreases F although the model says it should: stay, and let the larger shift shorten the next step.
    length = jnp.where(local | (gain > 0), length, 0.0)
    shift = jnp.where(
        uphill | (length < 0.5), 4 * shift, jnp.where(local | (gain > 0.5 * predicted), 0.2 * shift, shift)
    )

    better = point.gradient_norm < 0.5 * iterate.best_norm
    keep = (point.gradient_norm < iterate.best_norm) | ~local
    best_norm = jnp.where(keep, point.gradient_norm, iterate.best_norm)
    stalled = jnp.where(local & ~better, iterate.stalled + 1, 0)
    num_steps = iterate.num_steps + 1
    converged = best_norm <= limits.tolerance * unit
    done = (best_norm <= limits.polish * unit) | (converged & (stalled >= _PATIENCE)) | (num_steps >= limits.max_steps)
    return Iterate(
        u=moved_by(u, du, length),
        v=moved_by(v, dv, length),
        shift=shift,
        num_steps=num_steps,
        best_u=_where(keep, u, iterate.best_u),
        best_v=_where(keep, v, iterate.best_v),
        best_norm=best_norm,
        stalled=stalled,
        converged=converged,
        done=done,
    )


def minimize(problem: Problem, u: Matrices, v: Matrices, limits: Limits = DEFAULT) -> Iterate:
    """Run from `(u, v)` to a stationary point: `best_u`, `best_v`, `best_norm`, `converged`, `num_steps`."""
    scale = scale_of(problem)
    return jax.lax.while_loop(lambda it: ~it.done, lambda it: step(problem, scale, limits, it), start(u, v))


def values_along(
    problem: Problem, u: Matrices, v: Matrices, du: Matrices, dv: Matrices, point: Point, lengths: Array
) -> Array:
    """`F_P(u + t du, v + t dv)` for every `t` in `lengths`: outputs and penalty are quadratic in `t`."""
    first = problem.op.apply_factors(du, v) + problem.op.apply_factors(u, dv)
    second = problem.op.apply_factors(du, dv)
    push_u, push_v = penalty_gradient(problem, du, dv)
    constant = point.objective - training_loss(problem, point.z)
    linear = inner(u, push_u) + inner(v, push_v)
    quadratic = 0.5 * (inner(du, push_u) + inner(dv, push_v))

    def value(t: Array) -> Array:
        return training_loss(problem, point.z + t * (first + t * second)) + constant + t * (linear + t * quadratic)

    return jax.vmap(value)(lengths)


def _first_shift(problem: Problem, point: Point) -> Array:
    """`‖Γ‖_F` over the weights: large enough to make `M` positive definite at the start."""
    return jnp.sqrt(sum((gamma**2).sum() for gamma in point.gammas.values()))


def inner(x: Matrices, y: Matrices) -> Array:
    """`Σ_l <x^l, y^l>`."""
    return sum((x[name] * y[name]).sum() for name in x)


def scaled(x: Matrices, factor: Array) -> Matrices:
    """`factor · x`, weight by weight."""
    return {name: factor * value for name, value in x.items()}


def moved_by(x: Matrices, direction: Matrices, length: Array) -> Matrices:
    """`x + length · direction`, weight by weight."""
    return {name: value + length * direction[name] for name, value in x.items()}


def _where(condition: Array, x: Matrices, y: Matrices) -> Matrices:
    return {name: jnp.where(condition, x[name], y[name]) for name in x}


def _sandwich(kernel: Array, factor: Array) -> Array:
    """`Wᵀ K W` for the block-diagonal `W (N, K, K)`."""
    n, k = factor.shape[:2]
    if k == 1:
        scales = factor[:, 0, 0]
        return scales[:, None] * kernel * scales[None, :]
    left = jnp.einsum("ika,ikx->iax", factor, kernel.reshape(n, k, n * k)).reshape(n * k, n, k)
    return jnp.einsum("xjl,jlb->xjb", left, factor).reshape(n * k, n * k)


def _transposed(factor: Array, z: Array) -> Array:
    """`Wᵀ z`, shape `(N, K)`."""
    return jnp.einsum("ika,ik->ia", factor, z)
