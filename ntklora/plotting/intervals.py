"""Intervals for what a finite number of runs can say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

LEVEL = 0.95  # of every interval shown
RESAMPLES = 2000
_SEED = 0  # of the resampling: the same rows give the same bytes


class Interval(NamedTuple):
    """An estimate between the ends of its interval at level `LEVEL`."""

    low: float
    value: float
    high: float


def share_interval(successes: int, trials: int) -> Interval:
    """Clopper and Pearson's interval of a probability: exact, never too short.

        low  = max {p : P(Bin(n, p) >= k) <= (1 - LEVEL)/2},    high = min {p : P(Bin(n, p) <= k) <= (1 - LEVEL)/2}

    For k = 0 the upper end is 1 - ((1 - LEVEL)/2)^(1/n). It supposes independent trials; random starts on one instance
    are not, so a share of endpoints is described by it and a share of instances is estimated.

    Errors: `ValueError` unless 0 <= successes <= trials and trials >= 1.

    >>> low, share, high = share_interval(0, 10)
    >>> low, share, round(high, 4), round(1 - 0.025 ** 0.1, 4)
    (0.0, 0.0, 0.3085, 0.3085)
    """
    from scipy.special import betaincinv

    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"share_interval needs 0 <= successes <= trials and trials >= 1, got {successes} of {trials}")
    tail = (1 - LEVEL) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return Interval(low, successes / trials, high)


def median_interval(values: Sequence[float]) -> Interval:
    """The median with the percentile bootstrap's interval over `RESAMPLES` resamples; one value is its own interval.

    Errors: `ValueError` for no values.

    >>> median_interval([2.0, 2.0, 2.0])
    Interval(low=2.0, value=2.0, high=2.0)
    """
    if not len(values):
        raise ValueError("median_interval needs at least one value")
    array = np.asarray(values, float)
    draws = np.random.default_rng(_SEED).integers(0, array.size, (RESAMPLES, array.size))
    low, high = np.quantile(np.median(array[draws], axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(np.median(array)), float(high))
