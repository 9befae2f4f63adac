"""Whether a point is stationary, and what of its curvature a point that is only nearly so can show.

An endpoint comes with a gradient that is small but not zero. `polish` moves it to the stationary point next to it,
`sign_is_resolved` asks whether that point could still curve the other way, `valley_is_exhibited` walks along a
direction without curvature to see whether the objective really stays constant.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ntklora.certificates.hessian import Hessian, count_below, hessian, solve_shifted, to_coordinates, to_factors
from ntklora.problem.objective import factor_gradients, lam_max, objective_and_gradients, stack, training_loss
from ntklora.problem.problem import Problem

Matrices = dict[str, Any]

# The gradient norm of a stationary point, in units of `gradient_scale`.
STATIONARY = 1e-9
# Polishing may move a point by this share of its size and no further: beyond, it would be another point.
REACH = 1e-2
_MAX_STEPS = 20
# A valley is walked over this share of the point's size; on its floor the objective repeats to this share of itself.
_WALK = 1e-2
_LEVEL = 1e-11


class Point(NamedTuple):
    """Factors by name, the objective F_P there, the norm of its gradient, and how far polishing has moved it."""

    us: Matrices
    vs: Matrices
    objective: float
    gradient_norm: float
    moved: float


def norm(us: Matrices, vs: Matrices) -> float:
    """`‖Q‖_F` over all weights."""
    return float(np.sqrt(sum((us[name] ** 2).sum() + (vs[name] ** 2).sum() for name in us)))


def point_at(problem: Problem, us: Matrices, vs: Matrices, moved: float = 0.0) -> Point:
    """A point of a problem on the host."""
    value, gradients = objective_and_gradients(problem, us, vs)
    return Point(us, vs, float(value), norm(*gradients), moved)


class Units(NamedTuple):
    """The units of a problem, the same at all of its points.

    `size`: a hundredth of `√(2F(0)/λ_max)`, the size that `Q` must have to fit the data. By convexity
    `L(δ) ≥ F(0) − λ_max ‖δ‖_*`, and `‖Q‖² ≥ 2‖δ‖_*`. It is the unit near `Q = 0`. `decay = λ + 2‖P‖`, the size of what
    the gradient cancels, for a `Q` of size 1; at `λ = 0` without perturbation nothing need cancel, and `λ_max` stands
    for `λ`.
    """

    size: float
    decay: float


def units_of(problem: Problem) -> Units:
    """The `Units` of a problem on the host."""
    steepest = lam_max(problem)
    perturbation = max((np.linalg.norm(p, 2) for p in (problem.perturbation or {}).values()), default=0.0)
    size = 0.01 * float(np.sqrt(2 * float(training_loss(problem, problem.f0)) / steepest)) if steepest > 0 else 1.0
    return Units(size, float(problem.lam) + 2 * float(perturbation) or steepest)


def gradient_scale(units: Units, us: Matrices, vs: Matrices) -> float:
    """The size of the terms that cancel in the gradient at a stationary point: `decay · max(‖Q‖, size)`."""
    return units.decay * max(norm(us, vs), units.size)


def is_stationary(units: Units, point: Point) -> bool:
    """Whether the gradient is below 1e-9 of `gradient_scale`."""
    return point.gradient_norm <= STATIONARY * gradient_scale(units, point.us, point.vs)


def polish(problem: Problem, units: Units, point: Point, reach: float = REACH) -> Point:
    """The stationary point next to this one, by regularized Newton steps that ignore the gauge.

    A step solves `(H + ‖g‖/‖Q‖) dQ = −g`, whatever the signs of `H`: minima, saddles and valleys all attract. It is
    taken only while the gradient is above rounding and a step halves it, and the point stays within `reach` of where it
    started, relative to its size.
    """
    return polished(problem, units, point, reach)[0]


def polished(problem: Problem, units: Units, point: Point, reach: float = REACH) -> tuple[Point, Hessian | None]:
    """`polish`, and the Hessian at its point where a last step was tried from there."""
    start, limit = point, reach * max(norm(point.us, point.vs), units.size)
    h = None
    for _ in range(_MAX_STEPS):
        if point.gradient_norm <= _rounding(units, point):
            break
        h = hessian(problem, point.us, point.vs)
        if not h.diagonal.size:
            break
        gradient = to_coordinates(h, *factor_gradients(problem, point.us, point.vs))
        shift = point.gradient_norm / max(norm(point.us, point.vs), np.finfo(np.float64).tiny)
        du, dv = to_factors(h, -solve_shifted(h, -shift, gradient))
        us, vs = _moved(point.us, du, 1.0), _moved(point.vs, dv, 1.0)
        away = norm(_moved(us, start.us, -1.0), _moved(vs, start.vs, -1.0))
        trial = point_at(problem, us, vs, start.moved + away)
        if away > limit or not trial.gradient_norm < 0.5 * point.gradient_norm:
            break
        point, h = trial, None
    return point, h


def sign_is_resolved(
    problem: Problem, units: Units, point: Point, curvature: float, direction: tuple[Matrices, Matrices]
) -> bool:
    """Whether the smallest curvature keeps its sign on both sides of the true stationary point.

    The gradient, or its own rounding, may hide a stationary point as far as `‖g‖/|κ|` along the softest direction.
    There the projected Hessian must still be above `κ/2` (for `κ > 0`), or still have an eigenvalue below it.
    """
    hidden = max(point.gradient_norm, _rounding(units, point)) / max(abs(curvature), np.finfo(np.float64).tiny)
    if hidden > REACH * max(norm(point.us, point.vs), units.size):
        return False
    for side in (hidden, -hidden):
        beside = hessian(problem, _moved(point.us, direction[0], side), _moved(point.vs, direction[1], side))
        if (count_below(beside, 0.5 * curvature) > 0) != (curvature < 0):
            return False
    return True


def valley_is_exhibited(problem: Problem, units: Units, point: Point, direction: tuple[Matrices, Matrices]) -> bool:
    """Whether walking along `direction` ends at another stationary point, modulo gauge, of the same objective.

    Curvature within rounding of zero is either a valley or a minimum too weak to be told; only the walk says which.
    """
    length = _WALK * norm(point.us, point.vs)
    aside = point_at(problem, _moved(point.us, direction[0], length), _moved(point.vs, direction[1], length))
    floor = polish(problem, units, aside, reach=0.5 * _WALK)
    level = abs(floor.objective - point.objective) <= _LEVEL * abs(point.objective)
    return level and is_stationary(units, floor) and _distance(problem, point, floor) > 0.1 * _WALK


def _rounding(units: Units, point: Point) -> float:
    """What the gradient of a stationary point may be by rounding alone."""
    return 4 * float(np.finfo(np.float64).eps) * gradient_scale(units, point.us, point.vs)


def _distance(problem: Problem, first: Point, second: Point) -> float:
    """Gauge-invariant distance, relative: of `Q Qᵀ`, or of `u vᵀ` at `λ = 0`, `P = 0`."""
    apart, size = 0.0, 0.0
    for name in first.us:
        if problem.lam == 0 and problem.perturbation is None:
            one, two = first.us[name] @ first.vs[name].T, second.us[name] @ second.vs[name].T
        else:
            one, two = (x @ x.T for x in (stack(p.us[name], p.vs[name]) for p in (first, second)))
        apart, size = apart + ((one - two) ** 2).sum(), size + (one**2).sum()
    return float(np.sqrt(apart / size))


def _moved(factors: Matrices, by: Matrices, length: float) -> Matrices:
    return {name: factors[name] + length * by[name] for name in factors}
