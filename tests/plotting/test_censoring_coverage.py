"""Property: the median of censored times is Kaplan and Meier's (SciPy's as oracle), its interval covers exactly."""

import numpy as np
import pytest
from scipy.stats import CensoredData, binom, ecdf

from ntklora.plotting.censoring import _largest_place, censored_median
from ntklora.plotting.intervals import LEVEL


@pytest.mark.parametrize("count", [5, 8, 9, 24])
def test_the_median_is_that_of_kaplan_and_meier(count):
    rng = np.random.default_rng(count)
    for cap in (0.5, 1.0, 3.0):
        times = rng.exponential(size=count)
        given = [float(time) if time <= cap else None for time in times]
        found = censored_median(given)
        observed = [time for time in given if time is not None]
        survival = ecdf(CensoredData(uncensored=observed, right=[cap] * (count - len(observed)))).sf
        at_half = [float(q) for q, p in zip(survival.quantiles, survival.probabilities) if p <= 0.5 + 1e-12]
        # The two conventions for an even number of times: the smallest of at most half, or midway to the next.
        if found.value is None:
            assert not at_half or (count % 2 == 0 and at_half[0] == max(observed))
        else:
            assert at_half[0] <= found.value <= sorted(observed)[count // 2]
        if count % 2 and at_half:
            assert found.value == at_half[0]


@pytest.mark.parametrize("count", [6, 8, 9, 12, 32])
def test_the_interval_is_never_too_short_and_as_short_as_it_may_be(count):
    """The l-th smallest to the l-th largest of n holds the median with probability 1 − 2 P(Bin(n, ½) < l)."""
    place = _largest_place(count)
    assert 1 - 2 * binom.cdf(place - 1, count, 0.5) >= LEVEL
    assert 1 - 2 * binom.cdf(place, count, 0.5) < LEVEL
    times = [float(time) for time in range(1, count + 1)]
    assert censored_median(times)[::2] == (place, count + 1 - place)


def test_censoring_moves_the_upper_end_first_and_then_the_median():
    times = [float(time) for time in range(1, 10)]
    assert censored_median(times) == (2.0, 5.0, 8.0)
    assert censored_median([*times[:7], None, None]) == (2.0, 5.0, None)
    assert censored_median([*times[:4], *[None] * 5]) == (2.0, None, None)
    assert censored_median([None] * 9) == (None, None, None)


def test_few_times_have_no_interval_and_none_no_median():
    assert censored_median([1.0, 3.0]) == (None, 2.0, None)
    with pytest.raises(ValueError, match="at least one time"):
        censored_median([])
