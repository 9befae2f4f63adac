"""Where the typical landscape turns, fitted to surveys: the constant of a parameter count, the growth of the rank.

A survey is a row with `rank` r, `num_samples` N, `num_outputs` K, `fan_out` m, `fan_in` n, `lam_ratio`, `seed`,
`starts` and the counts of endpoint classes; (m, n, λ, N, seed) is an instance. With P the share of instances that have
a spurious endpoint among their starts, the boundary is where P = 1/2. Every fit is `logistic.regress_shares`:

    constant   logit P = s (log C − log q),           q = (r(m+n) − r²)/(KN)
    drift      logit P = s (c + γ log r − log q)      one C serves all ranks only if γ = 0
    growth     logit P = s (b + a log KN − log r)     the critical rank of one shape, r_c = e^b (KN)^a

Surveys with q < 1/2 are left out of the fits: with few parameters on many noisy targets the landscape turns benign a
second time, and P is no monotone function of q.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, exp, log
from typing import Any, NamedTuple

import numpy as np

from ntklora.plotting.intervals import LEVEL, Interval
from ntklora.plotting.logistic import Regression, ratio_interval, regress_shares
from ntklora.sweeps.experiment import Row
from ntklora.theory import parameter_count

_INSTANCE = ("fan_out", "fan_in", "lam_ratio", "num_samples", "seed")
_STRATUM = _INSTANCE[:-1]
_LEAST_COUNT = 0.5  # of q, see the module


class PowerLaw(NamedTuple):
    """`prefactor · x^exponent`, the exponent with its interval."""

    prefactor: float
    exponent: Interval


def usual_decay(records: Sequence[Row]) -> float:
    """The weight decay, as a share of λ_max, of most records that have one: what is shown where there are several.

    0 where there is none.
    """
    decays = [record["lam_ratio"] for record in records if record["lam_ratio"]]
    return max(sorted(set(decays)), key=decays.count, default=0.0)


def count_ratio(row: Row) -> float:
    """q = (r(m+n) − r²)/(KN): LoRA's parameters without the gauge, per number that is fitted."""
    count = parameter_count(row["rank"], row["fan_out"], row["fan_in"])
    return float(count / (row["num_samples"] * row["num_outputs"]))


def hit_chance(row: Row, starts: int) -> float:
    """The chance that one at least of `starts` starts, drawn from those of the survey, ended in a spurious minimum.

        1 − C(S − k, s)/C(S, s)

    With all starts it is 0 or 1. Errors: `ValueError` for more starts than there were.
    """
    if not 1 <= starts <= row["starts"]:
        raise ValueError(f"starts = {starts} of a survey with {row['starts']}")
    return 1 - comb(row["starts"] - row["spurious"], starts) / comb(row["starts"], starts)


def fit_constant(rows: Sequence[Row], starts: int | None = None) -> Interval | None:
    """C with its interval; of as few as `starts` starts of each survey. None where there is no boundary to fit."""
    regression = _regress(rows, starts, lambda row: (log(count_ratio(row)),))
    logarithm = None if regression is None else ratio_interval(regression, 0, 1)
    return None if logarithm is None else Interval(*(exp(value) for value in logarithm))


def fit_drift(rows: Sequence[Row]) -> Interval | None:
    """γ of C ∝ r^γ with its interval. None where there is no boundary, or no two ranks, to fit."""
    if len({row["rank"] for row in rows}) < 2:
        return None
    regression = _regress(rows, None, lambda row: (log(count_ratio(row)), log(row["rank"])))
    return None if regression is None else ratio_interval(regression, 2, 1)


def fit_growth(rows: Sequence[Row]) -> PowerLaw | None:
    """The critical rank over KN, for surveys of one shape. None where there is no boundary, or no two N, to fit."""
    if len({row["rank"] for row in rows}) < 2 or len({row["num_samples"] for row in rows}) < 2:
        return None
    regression = _regress(rows, None, lambda row: (log(row["num_samples"] * row["num_outputs"]), log(row["rank"])))
    exponent = None if regression is None else ratio_interval(regression, 1, 2)
    if regression is None or exponent is None:
        return None
    constant, _, slope = regression.theta
    return PowerLaw(exp(-constant / slope), exponent)


def fit_power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw | None:
    """Least squares of log y over log x, with Student's interval: what a straight line leaves over. None below 3."""
    from scipy.special import stdtrit

    if len(x) < 3:
        return None
    across, up = np.log(np.asarray(x, np.float64)), np.log(np.asarray(y, np.float64))
    centred = across - across.mean()
    slope = float(centred @ up / (centred @ centred))
    residual = up - up.mean() - slope * centred
    error = float(np.sqrt(residual @ residual / (len(x) - 2) / (centred @ centred)))
    reach = float(stdtrit(len(x) - 2, (1 + LEVEL) / 2)) * error
    return PowerLaw(float(np.exp(up.mean() - slope * across.mean())), Interval(slope - reach, slope, slope + reach))


def _regress(
    rows: Sequence[Row], starts: int | None, covariates: Callable[[Row], tuple[float, ...]]
) -> Regression | None:
    near = [row for row in rows if count_ratio(row) >= _LEAST_COUNT]
    if not near:
        return None
    shares = [hit_chance(row, row["starts"] if starts is None else starts) for row in near]
    x = np.array([(1.0, *covariates(row)) for row in near])
    return regress_shares(x, np.array(shares), _numbered(near, _INSTANCE), _numbered(near, _STRATUM))


def _numbered(rows: Sequence[Row], names: tuple[str, ...]) -> np.ndarray:
    """The same number for rows that agree in these names."""
    known: dict[tuple[Any, ...], int] = {}
    return np.array([known.setdefault(tuple(row[name] for name in names), len(known)) for row in rows])
