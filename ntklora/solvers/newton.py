"""Regularized Newton's method on LoRA's objective, one linear system of size `NK` for each step [derived].

Problem: nonconvex, any loss with a Hessian factor, several weights, `λ ≥ 0`, `P ⪰ 0`. Each step solves
`(H + μI) D = −g` (`system`), and goes the best of a few lengths along a straight or a bent path (`curve`). Rate:
quadratic near minima that are strict modulo the gauge, linear near flat ones. It finds stationary points, not minima:
now and then a saddle, which only an end verdict can tell. Columns of `Q` that are zero stay exactly zero, so one
compilation at a padded rank serves every smaller one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ntklora.problem.problem import Problem
from ntklora.solvers.curve import LENGTHS, moved, newton_curve, values_along
from ntklora.solvers.point import Point, evaluate, inner
from ntklora.solvers.scale import Scale, scale_of
from ntklora.solvers.system import assemble

Array = Any
Matrices = dict[str, Any]

# Below this predicted decrease, relative to F, comparing two values of F compares rounding errors: then the full step
# is taken and the gradient norm judges.
_RESOLUTION = 1e-11
# Local steps in a row that do not halve the gradient norm after which its rounding floor is considered reached.
_PATIENCE = 1
# The shift: raised after a short step, lowered after one that gained what the model said, and at least this multiple of
# ‖g‖/‖Q‖. Tuned on Gaussian and digits problems with three losses at λ/λ_max from 0.01 to 1e-3, ranks 1 to 8: steps
# change by ±10% around these; a multiple of 1.5 takes 1.7 times as many at 1e-3, one of 5 a seventh more everywhere.
_RAISE, _LOWER, _LEAST = 4.0, 0.03, 2.5
# The full step is taken where it gains this share of what the best length gains: 3 to 24% fewer steps on Gaussian and
# digits problems, a tenth as a rule, and a little less at 0.5 or 0.3.
_FULL_GAIN = 0.7


class Limits(NamedTuple):
    """When to stop: `‖g‖ ≤ tolerance` counts as converged, `‖g‖ ≤ polish` ends at once, both in units of the problem.

    The unit is `slope · max(‖Q‖, factors/100)` of `Scale`: not relative to `‖Q‖` alone, which would never fire at zero.
    Between the two, a run goes on as long as a step halves the gradient. Where a verdict needs it at its rounding floor
    the certificates take the last step themselves.
    """

    tolerance: float = 1e-9
    polish: float = 1e-12
    max_steps: int = 200


DEFAULT = Limits()


class Iterate(NamedTuple):
    """State of one run; `best_*`: the point of smallest gradient norm since `F` stopped telling points apart.

    `local`: the last step was too short for `F` to judge it.
    """

    u: Matrices
    v: Matrices
    shift: Array
    num_steps: Array
    local: Array
    best_u: Matrices
    best_v: Matrices
    best_value: Array
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
        local=jnp.asarray(False),
        best_u=u,
        best_v=v,
        best_value=jnp.asarray(jnp.inf, dtype),
        best_norm=jnp.asarray(jnp.inf, dtype),
        stalled=jnp.asarray(0),
        converged=jnp.asarray(False),
        done=jnp.asarray(False),
    )


def step(problem: Problem, scale: Scale, limits: Limits, iterate: Iterate) -> Iterate:
    """Judge the current point; then, unless it is the end, move to the next one."""
    at = (iterate.u, iterate.v)
    point = evaluate(problem, at)
    size = jnp.maximum(jnp.sqrt(inner(at, at)), 0.01 * scale.factors(problem.lam))
    unit = scale.slope(problem.lam) * size

    better = point.gradient_norm < 0.5 * iterate.best_norm
    keep = (point.gradient_norm < iterate.best_norm) | ~iterate.local
    best_norm = jnp.where(keep, point.gradient_norm, iterate.best_norm)
    stalled = jnp.where(iterate.local & ~better, iterate.stalled + 1, 0)
    converged = best_norm <= limits.tolerance * unit
    over = iterate.num_steps >= limits.max_steps
    done = (best_norm <= limits.polish * unit) | (converged & (stalled >= _PATIENCE)) | over
    judged = iterate._replace(
        best_u=_choose(keep, at[0], iterate.best_u),
        best_v=_choose(keep, at[1], iterate.best_v),
        best_value=jnp.where(keep, point.objective, iterate.best_value),
        best_norm=best_norm,
        stalled=stalled,
        converged=converged,
        done=done,
    )
    return jax.lax.cond(done, lambda: judged, lambda: _advance(problem, judged, point, size, unit))


def _advance(problem: Problem, iterate: Iterate, point: Point, size: Array, unit: Array) -> Iterate:
    at = (iterate.u, iterate.v)
    shift = jnp.where(iterate.shift < 0, _first_shift(point), iterate.shift)
    # ‖g‖/‖Q‖ vanishes with the gradient (so the end is quadratic), yet keeps the gauge directions regular.
    shift = jnp.maximum(shift, (_LEAST * point.gradient_norm + 1e-14 * unit) / size)
    curve = newton_curve(problem, assemble(problem, point, shift), point)
    predicted = -0.5 * curve.slope + 0.5 * shift * inner(curve.direction, curve.direction)

    values = jnp.concatenate(values_along(problem, at, point, curve))
    values = jnp.where(jnp.isfinite(values), values, jnp.inf)
    full = LENGTHS.index(1.0)
    noise = _RESOLUTION * jnp.abs(point.objective)
    local = (predicted <= noise) & (values[full] <= point.objective + noise)
    best = jnp.where(local, full, chosen_value(values, point.objective))
    gain = point.objective - values[best]
    length = jnp.asarray(LENGTHS, point.z.dtype)[best % len(LENGTHS)]
    # No length decreases F although the model says it should: stay, and let the larger shift shorten the next step.
    length = jnp.where(local | (gain > 0), length, 0.0)
    new = moved(at, curve, length, best >= len(LENGTHS))
    raised = curve.uphill | (length < 0.5)
    lowered = local | (gain > 0.5 * predicted)
    return iterate._replace(
        u=new[0],
        v=new[1],
        shift=shift * jnp.where(raised, _RAISE, jnp.where(lowered, _LOWER, 1.0)),
        num_steps=iterate.num_steps + 1,
        local=local,
    )


def chosen_value(values: Array, objective: Array) -> Array:
    """Which of the values along the curve: the smaller one at length 1 where it gains enough, else the smallest.

    What gains most tends to end on the far wall of a valley, where the gradient is as large as it was.
    """
    full = LENGTHS.index(1.0)
    best, bent = jnp.argmin(values), full + len(LENGTHS)
    full_best = jnp.where(values[full] <= values[bent], full, bent)
    enough = objective - values[full_best] >= _FULL_GAIN * (objective - values[best])
    return jnp.where(enough, full_best, best)


def minimize(problem: Problem, u: Matrices, v: Matrices, limits: Limits = DEFAULT) -> Iterate:
    """Run from `(u, v)` to a stationary point: the `best_*`, `converged`, `num_steps`."""
    scale = scale_of(problem)
    return jax.lax.while_loop(lambda it: ~it.done, lambda it: step(problem, scale, limits, it), start(u, v))


def _first_shift(point: Point) -> Array:
    """`‖Γ‖_F` over the weights: large enough to make `M` positive definite at the start."""
    return jnp.sqrt(sum((gamma**2).sum() for gamma in point.gammas.values()))


def _choose(condition: Array, x: Matrices, y: Matrices) -> Matrices:
    return {name: jnp.where(condition, x[name], y[name]) for name in x}
