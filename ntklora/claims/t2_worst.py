"""T2-worst: a strict spurious minimum pays for its excess with curvature, and the price is exact.

The bound B(κ) is held against stationary points of full rank that are built not to be global: planted at random, and
found by an ascent over features, targets and spectrum that seeks to break it. The duality gap at the point bounds its
excess E from above, a better point of its rank from below. The closed form must attain B at every rank.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ntklora.certificates.conditioning import relative_curvature
from ntklora.certificates.duality import duality_gap
from ntklora.certificates.span import span_dimension
from ntklora.certificates.stationary import is_stationary, point_at, units_of
from ntklora.claims._evidence import Finding, compare_values, evidence
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.instances.adversarial import search_worst_minimum
from ntklora.instances.planted import plant_spurious_minimum
from ntklora.instances.worst_case import WorstMinimum, plant_worst_minimum
from ntklora.problem.losses import Squared
from ntklora.problem.objective import objective
from ntklora.problem.problem import Problem
from ntklora.theory.ranks import planting_threshold
from ntklora.theory.worst_case import worst_case_applies, worst_excess

Bound = Callable[[float], float]

_RANKS = {Profile.smoke: (1, 2), Profile.default: (1, 2, 3, 4, 5), Profile.full: (1, 2, 3, 4, 5, 6)}
_CURVATURES = (0.02, 0.1, 0.3, 0.5, 0.9)
_RANDOM_EXCESS = (1.0, 1e-1, 1e-2, 1e-3)
_DRAWS = {Profile.smoke: 3, Profile.default: 10, Profile.full: 100}
# The ranks at which the bound is attacked, and how much curvature the attack seeks for its excess.
_ATTACKED = {Profile.smoke: (), Profile.default: (2,), Profile.full: (1, 2, 3, 4, 5)}
_BALANCES = (3.0, 1.0, 0.3)
_TOLERANCE = 1e-9  # of F; rounding of gaps and objectives stays below 1e-12


class _Point(NamedTuple):
    """A stationary point of full rank, and a better one where one is exhibited."""

    problem: Problem
    u: np.ndarray
    v: np.ndarray
    better: tuple[np.ndarray, np.ndarray] | None


class _Measured(NamedTuple):
    """Relative curvature, and where the relative excess lies: `low ≤ E ≤ high`."""

    curvature: float
    low: float
    high: float


def _check(profile: Profile, *, bound: Bound = worst_excess) -> Evidence:
    """The bound at random, searched and closed-form points, and attained by the last."""
    ranks = _RANKS[profile]
    closed = {rank: [_closed_form(rank, curvature) for curvature in _CURVATURES] for rank in ranks}
    random = [point for rank in ranks for point in _planted(rank, _DRAWS[profile])]
    groups = {"closed form": [point for points in closed.values() for point in points], "planted at random": random}
    if ranks := _ATTACKED[profile]:
        groups["searched"] = [_searched(rank, balance) for rank in ranks for balance in _BALANCES]
    return judge_excess(groups, closed, bound)


def judge_excess(
    groups: Mapping[str, Sequence[_Point]], attained: Mapping[int, Sequence[_Point]], bound: Bound = worst_excess
) -> Evidence:
    """Whether no strict point of any group lies above the bound, and those in `attained`, by rank, reach it.

    Inapplicable where a point is outside the hypotheses: squared loss, λ > 0, P = 0, d < r(r+3)/2 + r².
    """
    points = [point for group in (*groups.values(), *attained.values()) for point in group]
    if not all(map(_applies, points)):
        return INAPPLICABLE
    if not all(map(_is_stationary, points)):
        return Evidence(Outcome.inconclusive, None, None, None)
    above = (_none_above(name, group, bound) for name, group in groups.items())
    reached = (_reached(rank, group, bound) for rank, group in attained.items())
    findings = [*filter(None, above), *reached]
    return evidence(findings) if findings else Evidence(Outcome.inconclusive, None, None, None)


def _none_above(name: str, points: Sequence[_Point], bound: Bound) -> Finding | None:
    """How far E may lie above B at the strict points of one group; None where none is strict."""
    strict = [found for point in points if (found := _measure(point)).curvature > 0]
    if not strict:
        return None
    low, high = (
        np.array([getattr(found, end) - bound(found.curvature) for found in strict]) for end in ("low", "high")
    )
    above = np.maximum(high, 0.0)
    name = f"E above B, {name}, {len(strict)} strict of {len(points)}"
    return compare_values(name, above, 0.0, _TOLERANCE, excess=np.minimum(above, high - low))


def _reached(rank: int, points: Sequence[_Point], bound: Bound) -> Finding:
    """E is B, within the bounds that are proved of E."""
    found = [_measure(point) for point in points]
    bounds = np.array([bound(one.curvature) for one in found])
    high, low = (np.array(ends) for ends in ([one.high for one in found], [one.low for one in found]))
    return compare_values(f"E, closed form, r = {rank}", high, bounds, _TOLERANCE, excess=high - low)


def _measure(point: _Point) -> _Measured:
    """E from above: weak duality at a better point, where one is known, else at the point itself; from below: by it."""
    value = float(objective(point.problem, point.u, point.v))
    if point.better is None:
        return _Measured(_curvature(point), 0.0, duality_gap(point.problem, point.u @ point.v.T).gap)
    u, v = point.better
    proved = duality_gap(point.problem, u @ v.T)
    least = max(proved.dual, duality_gap(point.problem, point.u @ point.v.T).dual)
    return _Measured(_curvature(point), 1.0 - float(objective(point.problem, u, v)) / value, 1.0 - least / value)


def _curvature(point: _Point) -> float:
    return relative_curvature(point.problem, point.u, point.v)


def _applies(point: _Point) -> bool:
    problem = point.problem
    plain = isinstance(problem.loss, Squared) and problem.perturbation is None and problem.lam > 0
    return plain and worst_case_applies(point.u.shape[1], span_dimension(problem))


def _is_stationary(point: _Point) -> bool:
    host = point.problem.host()
    return is_stationary(units_of(host), point_at(host, host.op.as_dict(point.u), host.op.as_dict(point.v)))


def _closed_form(rank: int, curvature: float) -> _Point:
    return _Point(*_parts(plant_worst_minimum(rank, curvature=curvature, seed=rank)))


def _searched(rank: int, balance: float) -> _Point:
    return _Point(*_parts(search_worst_minimum(rank, planting_threshold(rank), seed=0, balance=balance)))


def _parts(found: WorstMinimum) -> tuple[Problem, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    return found.problem, found.u, found.v, (found.better_u, found.better_v)


def _planted(rank: int, draws: int, later: int = 0) -> Iterator[_Point]:
    for excess in _RANDOM_EXCESS:
        for seed in range(draws):
            planted = plant_spurious_minimum(rank, planting_threshold(rank) + later, seed=seed, excess=excess)
            yield _Point(planted.problem, planted.u, planted.v, None)


def _moved(point: _Point) -> _Point:
    return point._replace(u=point.u + 1e-3)


def _of_half_the_sharpness(curvature: float) -> float:
    """B with h = 1/κ in place of 2/κ: as if the r eigenvalues of 2S at 2λ were at λ."""
    return worst_excess(min(2 * curvature, 1.0))


claim = Claim(
    id="T2-worst",
    statement="Squared loss, λ > 0, P = 0, d < r(r+3)/2 + r²: at a stationary point of full rank, strict modulo gauge, "
    "with κ its least curvature over the largest and E its excess over F, E ≤ B(κ) = q (1 + qκ/2)/(1 + κ/2), "
    "q = (2 − 2κ)/(2 − κ); attained at d = r(r+3)/2 for every r and κ.",
    source="derived; theory.worst_case",
    label=Label.derived,
    version=1,
    check=_check,
    controls=(
        Control(
            "the bound with h = 1/κ instead of 2/κ",
            Outcome.refuted,
            lambda profile: _check(Profile.smoke, bound=_of_half_the_sharpness),
        ),
        Control(
            "the bound without the loss's share: E ≤ q",
            Outcome.refuted,
            lambda profile: _check(Profile.smoke, bound=lambda kappa: (2 - 2 * kappa) / (2 - kappa)),
        ),
        Control(
            "points that are not stationary",
            Outcome.inconclusive,
            lambda profile: judge_excess({"moved": [_moved(point) for point in _planted(2, 1)]}, {}),
        ),
        Control(
            "planted on r(r+3)/2 + r^2 samples",
            Outcome.inapplicable,
            lambda profile: judge_excess({"planted at random": list(_planted(2, 1, later=4))}, {}),
        ),
    ),
)
