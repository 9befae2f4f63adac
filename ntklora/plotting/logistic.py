"""Where a share turns from none to all: logistic regression with intervals over independent instances.

    P(success) = 1/(1 + exp(−xᵀθ)),        the boundary {x : xᵀθ = 0}, where half of the instances succeed

Estimate: Firth's penalized maximum likelihood (Biometrika 1993), which is finite where successes and failures can be
separated and has no first-order bias. Interval: percentile bootstrap over *groups* of rows, because rows of one
instance (its ranks) are not independent of each other; instances are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from ntklora.plotting.intervals import LEVEL, RESAMPLES, Interval

_SEED = 0  # of the resampling: the same rows give the same bytes
_STEPS = 500
_SETTLED = 1e-9  # of a step, as below
_LONGEST = 5.0  # of a Newton step, in coefficients of standardized covariates


class Regression(NamedTuple):
    """Coefficients `theta (p,)`, and those of `B ≤ RESAMPLES` resamples, `resampled (B, p)`."""

    theta: Float[np.ndarray, " p"]
    resampled: Float[np.ndarray, "B p"]


def regress_shares(
    x: Float[np.ndarray, "rows p"],
    successes: Float[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"],
    strata: Int[np.ndarray, " rows"],
) -> Regression | None:
    """The regression of shares in [0, 1] (one per row, of an instance) on the covariates `x`, a constant among them.

    Rows of one group are drawn together; resamples keep the number of groups of every stratum (a point of the grid).
    None where the rows, or more resamples than lie to one side of an interval, are all successes, all failures, or
    without an estimate that settles: there is no boundary to speak of then.
    Errors: `ValueError` for shares outside [0, 1] or arrays of different lengths.
    """
    x, successes = np.asarray(x, np.float64), np.asarray(successes, np.float64)
    if not len(x) == len(successes) == len(groups) == len(strata):
        raise ValueError(f"lengths differ: x {len(x)}, successes {len(successes)}, groups {len(groups)}")
    if len(successes) and not (successes.min() >= 0 and successes.max() <= 1):
        raise ValueError("successes are shares between 0 and 1")
    if not len(successes) or successes.min() == successes.max():
        return None
    # Rows with the same covariates are one binomial count: a resample is then as cheap as the grid is coarse.
    points, place = np.unique(x, axis=0, return_inverse=True)
    trials, hits = (np.zeros((1 + RESAMPLES, len(points))) for _ in range(2))
    for rows, weights in _resampled(np.asarray(groups), np.asarray(strata)):
        for row, weight in zip(rows, weights.T, strict=True):
            trials[:, np.ravel(place)[row]] += weight
            hits[:, np.ravel(place)[row]] += weight * successes[row]
    theta = _firth(points, hits, trials)
    settled = np.isfinite(theta).all(1)
    shown = settled & (hits.sum(1) > 0) & (hits.sum(1) < trials.sum(1))
    if not settled[0] or shown.mean() < (1 + LEVEL) / 2:
        return None
    return Regression(theta[0], theta[1:][settled[1:]])


def _resampled(groups: np.ndarray, strata: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Stratum by stratum its rows, and how often each counts: once in the sample, then in every resample."""
    rng = np.random.default_rng(_SEED)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        members, place = np.unique(groups[rows], return_inverse=True)
        drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), RESAMPLES)
        yield rows, np.concatenate([np.ones((1, len(rows))), drawn[:, np.ravel(place)]])


def _firth(x: np.ndarray, hits: np.ndarray, trials: np.ndarray) -> np.ndarray:
    """Roots of the modified score `Xᵀ(y − n p + h(1/2 − p))`, `h` the leverages, for every row of counts at once.

    NaN where Fisher scoring did not settle.
    """
    from scipy.special import expit

    centre, spread = x.mean(0), x.std(0)
    constant = spread == 0
    scaled = np.where(constant, 1.0, (x - centre) / np.where(constant, 1.0, spread))
    size = x.shape[1]
    products = (scaled[:, :, None] * scaled[:, None, :]).reshape(len(x), size * size)
    theta = np.zeros((len(hits), size))
    moving = np.arange(len(hits))
    for _ in range(_STEPS):
        n, y = trials[moving], hits[moving]
        p = expit(theta[moving] @ scaled.T)
        w = n * p * (1 - p)
        inverse = np.linalg.inv((w @ products).reshape(-1, size, size))
        leverage = w * (inverse.reshape(-1, size * size) @ products.T)
        score = (y - n * p + leverage * (0.5 - p)) @ scaled
        step = np.einsum("bpq,bq->bp", inverse, score)
        length = np.abs(step).max(1)
        theta[moving] += step * np.minimum(1.0, _LONGEST / np.maximum(length, _LONGEST))[:, None]
        moving = moving[length > _SETTLED]
        if not len(moving):
            break
    theta[moving] = np.nan
    slopes = np.where(constant, 0.0, theta / np.where(constant, 1.0, spread))
    slopes[:, constant] = theta[:, constant] - (slopes @ centre)[:, None]
    return slopes


def ratio_interval(regression: Regression, top: int, bottom: int) -> Interval | None:
    """`−θ_top/θ_bottom`, the boundary's coordinate or slope, between the percentiles of its resamples.

    None where the interval of `θ_bottom` itself contains 0: that of the ratio is unbounded then (Fieller 1954).
    """
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    below, above = np.quantile(regression.resampled[:, bottom], tails)
    if below <= 0 <= above:
        return None
    low, high = np.quantile(-regression.resampled[:, top] / regression.resampled[:, bottom], tails)
    return Interval(float(low), float(-regression.theta[top] / regression.theta[bottom]), float(high))
