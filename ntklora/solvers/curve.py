"""The path along which a Newton step is tried: straight, or bent so that the outputs stay on course.

    Q(t) = Q + tD + t²E,     D = −(H + μ)⁻¹ g,     E = −(H + μ)⁻¹ Jᵀ W Wᵀ A(du dvᵀ)

Along the straight line outputs are quadratic in `t`, and the quadratic term is what stops long steps in the curved,
narrow valley of nearly interpolating points. `E` cancels it to first order, at the price of one more solve (geodesic
acceleration, Transtrum & Sethna 2012): at `λ = 1e-3 λ_max` it halves the number of steps. Values along both are
polynomials in the outputs, so all trial lengths together cost little.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ntklora.problem.objective import training_loss
from ntklora.problem.problem import Problem
from ntklora.solvers.point import Factors, Point, inner, penalty_gradient, plus, scaled, second_change
from ntklora.solvers.stacked import Stacked, total
from ntklora.solvers.system import System, first_change, solve_pulled, solve_system
from ntklora.tangent.blocks import Block, Dense

Array = Any

# Lengths tried along every path, the longest first.
LENGTHS = tuple(2.0**k for k in range(2, -13, -1))
# Entries of dense features that no core's cache holds: from there on reading them takes the time, and two products in
# one go take little longer than one (170 µs against 300 for 128 matrices 64×64; for 32 of 32×32 it is 12 against 5).
_BEYOND_CACHE = 2**19


class Curve(NamedTuple):
    """`D` and `E`, the slope `<g, D>` (never positive: an uphill direction is reversed, `uphill` says so)."""

    direction: Factors
    bend: Factors
    slope: Array
    uphill: Array


def newton_curve(problem: Problem, system: System, point: Point) -> Curve:
    """The curve of one Newton step at the point where `system` was assembled."""
    direction = scaled(solve_system(system, point.gradient), -1.0)
    slope = inner(point.gradient, direction)
    direction = scaled(direction, jnp.where(slope > 0, -1.0, 1.0))
    drift = jnp.einsum("ika,ik->ia", system.factor, second_change(problem, direction))
    bend = scaled(solve_pulled(system, drift), -1.0)
    return Curve(direction, bend, -jnp.abs(slope), slope > 0)


def values_along(problem: Problem, at: Factors, point: Point, curve: Curve) -> tuple[Array, Array]:
    """`F_P` at every length in `LENGTHS`: on the straight line, and on the bent one."""
    direction, bend = curve.direction, curve.bend
    first, second = first_change(point.jacobians, direction), second_change(problem, direction)
    bent_second = second + first_change(point.jacobians, bend)
    third, fourth = _outputs_beyond(problem, bend, direction)
    penalty = point.objective - training_loss(problem, point.z)
    push, push_bend = penalty_gradient(problem, direction), penalty_gradient(problem, bend)
    linear, quadratic = inner(at, push), 0.5 * inner(direction, push)
    bent_quadratic, cubic, quartic = (
        quadratic + inner(at, push_bend),
        inner(direction, push_bend),
        inner(bend, push_bend),
    )

    def value(t: Array, outputs: tuple[Array, ...], penalties: tuple[Array, ...]) -> Array:
        z, p = jnp.zeros_like(point.z), jnp.zeros_like(t)
        for coefficient, price in zip(reversed(outputs), reversed(penalties)):
            z, p = t * (coefficient + z), t * (price + p)
        return training_loss(problem, point.z + z) + penalty + p

    lengths = jnp.asarray(LENGTHS, point.z.dtype)
    straight = ((first, second), (linear, quadratic))
    bent = ((first, bent_second, third, fourth), (linear, bent_quadratic, cubic, 0.5 * quartic))
    return tuple(jax.vmap(lambda t, c=c: value(t, *c))(lengths) for c in (straight, bent))


def moved(at: Factors, curve: Curve, length: Array, bent: Array) -> Factors:
    """`Q + tD`, or with `bent` also `+ t²E`."""
    return plus(plus(at, curve.direction, length), curve.bend, jnp.where(bent, length**2, 0.0))


def _outputs_beyond(problem: Problem, bend: Factors, direction: Factors) -> tuple[Array, Array]:
    """`A(e_u d_vᵀ + d_u e_vᵀ)` and `A(e_u e_vᵀ)`, `(N, K)`: the outputs' terms of third and fourth order in `t`."""
    third, fourth = jnp.zeros_like(problem.f0), jnp.zeros_like(problem.f0)
    for name, block in problem.op.blocks.items():
        mixed, own = _mixed_and_own(block, *(half[name] for factors in (bend, direction) for half in factors))
        third, fourth = third + mixed, fourth + own
    return third, fourth


def _mixed_and_own(block: Block | Stacked, e_u: Array, e_v: Array, d_u: Array, d_v: Array) -> tuple[Array, Array]:
    match block:
        case Stacked():
            each, own = jax.vmap(_mixed_and_own)(block.of, e_u, e_v, d_u, d_v)
            return total(each), total(own)
        case Dense():
            return _applied_to_two(block, e_u @ d_v.T + d_u @ e_v.T, e_u @ e_v.T)
    return block.apply_factors(e_u, d_v) + block.apply_factors(d_u, e_v), block.apply_factors(e_u, e_v)


def _applied_to_two(block: Dense, one: Array, other: Array) -> tuple[Array, Array]:
    if block.g.size < _BEYOND_CACHE:
        return block.apply(one), block.apply(other)
    both = jnp.stack([one.reshape(-1), other.reshape(-1)], 1)
    changes = block.g.reshape(-1, len(both)) @ both
    return changes[:, 0].reshape(block.g.shape[:2]), changes[:, 1].reshape(block.g.shape[:2])
