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


def mean_interval(values: Sequence[float]) -> Interval:
    """The mean with Student's interval, `mean ± t · sd/√n`: for independent values that are roughly normal.

    One value says nothing of its spread: the ends are infinite then. Errors: `ValueError` for no values.

    >>> low, mean, high = mean_interval([1.0, 2.0, 3.0])
    >>> mean, round(high - mean, 3) == round(4.302653 / 3**0.5, 3) == round(mean - low, 3)
    (2.0, True)
    """
    from scipy.special import stdtrit

    if not len(values):
        raise ValueError("mean_interval needs at least one value")
    array = np.asarray(values, float)
    mean = float(array.mean())
    if array.size == 1:
        return Interval(-np.inf, mean, np.inf)
    reach = float(stdtrit(array.size - 1, (1 + LEVEL) / 2) * array.std(ddof=1) / np.sqrt(array.size))
    return Interval(mean - reach, mean, mean + reach)


class Line(NamedTuple):
    """`y = intercept + slope · x`."""

    slope: float
    intercept: float


def log_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """The least-squares line of log y against log x; its slope is the exponent of a power law.

    Errors: `ValueError` for fewer than two different x, or a value that is not positive.

    >>> slope, intercept = log_line([1.0, 10.0, 100.0], [3.0, 0.3, 0.03])
    >>> round(slope, 12), round(float(np.exp(intercept)), 12)
    (-1.0, 3.0)
    """
    if len(set(x)) < 2 or min(x) <= 0 or min(y) <= 0:
        raise ValueError(
            f"log_line needs positive values at two different x at least, got x = {list(x)}, y = {list(y)}"
        )
    across, up = np.log(np.asarray(x, float)), np.log(np.asarray(y, float))
    centred = across - across.mean()
    slope = float((centred * up).sum() / (centred**2).sum())
    return Line(slope, float(up.mean() - slope * across.mean()))


def slope_interval(x: Sequence[float], samples: Sequence[Sequence[float]]) -> Interval:
    """Least-squares slope of `log median(samples[k])` against `log x[k]`, percentile bootstrap within each sample.

    The interval is that of the draws; how well a power law fits is not in it. Errors: `ValueError` as for `log_line`,
    and where a sample is missing or empty.

    >>> slope_interval([1.0, 10.0, 100.0], [[2.0, 2.0], [0.2, 0.2], [0.02, 0.02]]).value.__round__(9)
    -1.0
    """
    if len(x) != len(samples) or any(min(values, default=0.0) <= 0 for values in samples):
        raise ValueError("slope_interval needs a sample of positive values for every x")
    rng = np.random.default_rng(_SEED)
    resampled = [
        np.median(np.asarray(values, float)[rng.integers(0, len(values), (RESAMPLES, len(values)))], axis=1)
        for values in samples
    ]
    slopes = [log_line(x, list(medians)).slope for medians in zip(*resampled, strict=True)]
    low, high = np.quantile(slopes, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), log_line(x, [float(np.median(values)) for values in samples]).slope, float(high))
