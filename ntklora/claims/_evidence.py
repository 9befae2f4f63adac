"""Tests of means at a family-wise level, and how several of them become one piece of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from ntklora.claims.claim import Evidence, Outcome

LEVEL = 1e-3  # of a claim: shared by its tests (Bonferroni)
MISSED = 1e-3  # chance of not refuting an error as large as `effect`
_WORST_FIRST = (Outcome.refuted, Outcome.inconclusive, Outcome.consistent)


class Draws(NamedTuple):
    """Final losses, one for each draw, and bounds of how far they lie above the limits of training."""

    loss: np.ndarray
    excess: np.ndarray


class Finding(NamedTuple):
    """One comparison of a claim: `margin` as in `Evidence`."""

    name: str
    outcome: Outcome
    predicted: float
    measured: float
    margin: float


def critical_value(num_tests: int, sides: int = 2) -> float:
    """The normal quantile that `num_tests` tests together exceed with probability LEVEL at most."""
    return NormalDist().inv_cdf(1.0 - LEVEL / (num_tests * sides))


def required_draws(deviation: float, effect: float, num_tests: int) -> int:
    """Draws with which a mean off by `effect` is refuted with probability 1 − MISSED: `((z_α + z_β)·sd/effect)²`."""
    reach = critical_value(num_tests) + NormalDist().inv_cdf(1.0 - MISSED)
    return ceil((reach * deviation / effect) ** 2)


def compare_mean(
    name: str,
    draws: np.ndarray,
    predicted: float,
    num_tests: int,
    *,
    deviation: float | None = None,
    excess: np.ndarray | float = 0.0,
    at_most: bool = False,
) -> Finding:
    """Whether the mean of the limits equals `predicted` (or with `at_most` stays below it).

    `excess` bounds how far each draw lies above its limit, so the limits' mean lies in an interval: all of it inside
    the tolerance is consistent, all outside refuted, anything else inconclusive. `deviation` is the exact standard
    deviation of a draw where the theory gives it; otherwise it is estimated.
    """
    spread = float(np.std(draws, ddof=1)) if deviation is None else deviation
    tolerance = critical_value(num_tests, 1 if at_most else 2) * spread / sqrt(len(draws))
    # Rounding of the mean itself: the tolerance where every draw is the same.
    tolerance += 1e-10 * max(abs(predicted), abs(float(np.mean(draws))))
    high = float(np.mean(draws)) - predicted
    low = high - float(np.mean(excess))
    worst, best = (high, low) if at_most else (max(abs(low), abs(high)), _least_distance(low, high))
    if worst <= tolerance:
        outcome = Outcome.consistent
    else:
        outcome = Outcome.refuted if best > tolerance else Outcome.inconclusive
    return Finding(name, outcome, predicted, predicted + high, 1.0 - worst / tolerance)


def compare_variance(
    name: str, draws: np.ndarray, predicted: float, num_tests: int, *, excess: np.ndarray | float = 0.0
) -> Finding:
    """Whether the variance of the limits is `predicted`, by the fourth moment's standard error."""
    centred = draws - draws.mean()
    measured = float(np.mean(centred**2))
    error = sqrt(max(float(np.mean(centred**4)) - measured**2, 0.0) / len(draws))
    # |Var(L) − Var(L − e)| ≤ 2 sd(L) sd(e) + Var(e)
    slack = 2.0 * sqrt(measured) * float(np.std(excess)) + float(np.var(excess))
    tolerance = critical_value(num_tests) * error
    distance = abs(measured - predicted)
    if distance + slack <= tolerance:
        outcome = Outcome.consistent
    else:
        outcome = Outcome.refuted if distance - slack > tolerance else Outcome.inconclusive
    return Finding(name, outcome, predicted, measured, 1.0 - (distance + slack) / tolerance)


def compare_values(
    name: str, values: np.ndarray, predicted: np.ndarray | float, tolerance: float, *, excess: np.ndarray | float = 0.0
) -> Finding:
    """Whether every value is its prediction up to `tolerance`: an identity, draw by draw.

    Reported is the pair that is furthest apart.
    """
    expected, above = (np.ravel(np.broadcast_to(each, np.shape(values))) for each in (predicted, excess))
    values = np.ravel(values)
    high = values - expected
    low = high - above
    worst = np.maximum(np.abs(low), np.abs(high))
    best = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    at = int(np.argmax(worst))
    if worst[at] <= tolerance:
        outcome = Outcome.consistent
    else:
        outcome = Outcome.refuted if best.max() > tolerance else Outcome.inconclusive
    return Finding(name, outcome, float(expected[at]), float(values[at]), 1.0 - float(worst[at]) / tolerance)


def compare_order(name: str, lower: Draws, upper: Draws, tolerance: float) -> Finding:
    """Whether `lower` has its limit at or below that of `upper`, draw by draw.

    The limits' difference lies between `lower − excess − upper` and `lower − upper + upper's excess`: reported is the
    largest rise that the second leaves possible.
    """
    possible = np.maximum(lower.loss - upper.loss + upper.excess, 0.0)
    return compare_values(name, possible, 0.0, tolerance, excess=np.minimum(possible, lower.excess + upper.excess))


def compare_limits(name: str, first: Draws, second: Draws, tolerance: float) -> Finding:
    """Whether two ways of training have the same limit, draw by draw."""
    possible = first.loss - second.loss + second.excess
    return compare_values(name, possible, 0.0, tolerance, excess=first.excess + second.excess)


def evidence(findings: Sequence[Finding]) -> Evidence:
    """All comparisons as one: the worst outcome, the smallest margin, every number by name."""
    outcomes = {finding.outcome for finding in findings}
    return Evidence(
        next(outcome for outcome in _WORST_FIRST if outcome in outcomes),
        {finding.name: finding.predicted for finding in findings},
        {finding.name: finding.measured for finding in findings},
        min(finding.margin for finding in findings),
    )


def _least_distance(low: float, high: float) -> float:
    return 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
