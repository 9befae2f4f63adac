"""Power laws of several runs over the same x: the exponent, and the x from which on y stays below a level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, inf, log
from typing import NamedTuple

from ntklora.plotting.intervals import Interval, log_line, mean_interval

_LARGEST = 700.0  # exp overflows beyond


class RunPowerLaw(NamedTuple):
    """Mean exponent of `y ~ x^p` over the runs, and the x at which y falls to the level; None where there is none."""

    exponent: Interval | None
    reached: Interval | None


def run_power_law(curves: Sequence[Mapping[float, float]], level: float | None = None) -> RunPowerLaw:
    """A line through the logarithms of each run, `{x: y}`, and the means of these lines with Student's intervals.

    The points of one run share their data, so that the runs are what is independent. No exponent where a run has fewer
    than two points or one that is not positive; no `reached` without a level, or where a run does not fall. Of a single
    run the ends are infinite, those of `reached` 0 and infinity.

    >>> law = run_power_law([{1.0: 1.0, 10.0: 0.1}, {1.0: 2.0, 10.0: 0.2}], level=0.01)
    >>> round(law.exponent.value, 9), round(law.reached.value, 6) == round(100 * 2**0.5, 6)
    (-1.0, True)
    """
    if any(len(curve) < 2 or min(curve.values()) <= 0 for curve in curves):
        return RunPowerLaw(None, None)
    lines = [log_line(list(curve), list(curve.values())) for curve in curves]
    exponent = mean_interval([line.slope for line in lines])
    if level is None or max(line.slope for line in lines) >= 0:
        return RunPowerLaw(exponent, None)
    reached = mean_interval([(log(level) - line.intercept) / line.slope for line in lines])
    return RunPowerLaw(exponent, Interval(*(exp(end) if end < _LARGEST else inf for end in reached)))
