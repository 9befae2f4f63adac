"""Property: intervals are the exact ones (SciPy's binomial test as oracle) and hold what they promise."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from ntklora.plotting.intervals import LEVEL, median_interval, share_interval, slope_interval


@pytest.mark.parametrize("trials", [1, 7, 64])
def test_a_share_has_clopper_and_pearsons_interval(trials):
    for successes in {0, 1, trials // 2, trials}:
        low, value, high = share_interval(successes, trials)
        oracle = binomtest(successes, trials).proportion_ci(LEVEL, method="exact")
        assert (low, high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)
        assert value == successes / trials


def test_the_interval_covers_the_probability_at_its_level_and_not_much_more():
    trials, ks = 40, np.arange(41)
    intervals = [share_interval(int(k), trials) for k in ks]
    coverage = []
    for p in np.linspace(0.3, 0.7, 81):
        inside = np.array([low <= p <= high for low, _, high in intervals])
        coverage.append(binom.pmf(ks, trials, p) @ inside)
    assert min(coverage) >= LEVEL  # valid
    assert min(coverage) < LEVEL + 0.01  # tight


@pytest.mark.parametrize(("successes", "trials"), [(-1, 3), (4, 3), (0, 0)])
def test_impossible_counts_are_refused(successes, trials):
    with pytest.raises(ValueError, match="share_interval"):
        share_interval(successes, trials)


def test_a_median_lies_in_its_interval_which_narrows_with_more_values():
    draws = np.random.default_rng(1).normal(size=400)
    few, many = median_interval(draws[:16]), median_interval(draws)
    assert few.low <= few.value <= few.high
    assert many.high - many.low < 0.5 * (few.high - few.low)
    assert median_interval(draws) == many  # the same values, the same bytes
    with pytest.raises(ValueError, match="at least one"):
        median_interval([])


def test_the_bootstrap_covers_the_median_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    intervals = [median_interval(rng.normal(size=41)) for _ in range(200)]
    covered = sum(low <= 0 <= high for low, _, high in intervals)
    assert covered >= binom.ppf(1e-4, 200, LEVEL - 0.02)  # the percentile bootstrap is a little short at 41 values


def test_slope_interval_covers_the_exponent_of_noisy_power_laws():
    rng, covered = np.random.default_rng(3), 0
    x = [1.0, 10.0, 100.0, 1000.0]
    for _ in range(60):
        low, _, high = slope_interval(
            x, [(3 * place**-0.7 * np.exp(0.3 * rng.normal(size=80))).tolist() for place in x]
        )
        covered += low <= -0.7 <= high
    assert covered >= 50
    with pytest.raises(ValueError, match="positive"):
        slope_interval([1.0, 2.0], [[1.0], [-1.0]])
