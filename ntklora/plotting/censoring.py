"""The median of waiting times of which some were not waited out."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import NamedTuple

from ntklora.plotting.intervals import LEVEL


class CensoredMedian(NamedTuple):
    """A median between the ends of its interval at level `LEVEL`; None where an end is not among the times observed."""

    low: float | None
    value: float | None
    high: float | None


def censored_median(times: Sequence[float | None]) -> CensoredMedian:
    """The median of waiting times, None for one that was cut off at a cap that all share, later than all observed.

    Censored at one common cap, the Kaplan-Meier median is that of the ordered times with the censored ones last. The
    interval is the sign test's, exact for any distribution and never too short: from the l-th smallest time to the l-th
    largest, with the largest l such that P(Bin(n, 1/2) < l) <= (1 - LEVEL)/2. With fewer than six times there is none.

    Errors: `ValueError` for no times.

    >>> censored_median([30.0, 10.0, None, 20.0, None, 25.0])
    CensoredMedian(low=10.0, value=27.5, high=None)
    >>> censored_median([30.0, None, None])
    CensoredMedian(low=None, value=None, high=None)
    """
    if not len(times):
        raise ValueError("censored_median needs at least one time")
    count = len(times)
    ordered: list[float | None] = [*sorted(time for time in times if time is not None)]
    ordered += [None] * (count - len(ordered))
    lower, upper = ordered[(count - 1) // 2], ordered[count // 2]
    value = None if lower is None or upper is None else 0.5 * (lower + upper)
    place = _largest_place(count)
    if place == 0:
        return CensoredMedian(None, value, None)
    return CensoredMedian(ordered[place - 1], value, ordered[count - place])


def _largest_place(count: int) -> int:
    """The largest l with `P(Bin(count, 1/2) < l) <= (1 - LEVEL)/2`, 0 if there is none."""
    place, below = 0, 0
    while (below := below + comb(count, place)) <= 2**count * (1 - LEVEL) / 2:
        place += 1
    return place
