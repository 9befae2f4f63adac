"""Property: the boundary of a share is found where it was put, and its interval holds what it promises."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import binom

from ntklora.plotting.intervals import LEVEL
from ntklora.plotting.logistic import ratio_interval, regress_shares

SIZES, RANKS = np.arange(4, 41, 4), np.arange(1, 6)
CONSTANT, EXPONENT = 1.4, 0.7


def drawn(rng, instances, slope=8.0):
    """Instances of every size at every rank; all ranks of one share its luck, as starts on the same data do."""
    n, instance, r = (x.ravel() for x in np.meshgrid(SIZES, np.arange(instances), RANKS, indexing="ij"))
    boundary = np.log(CONSTANT) + EXPONENT * np.log(n)  # of log r
    luck = rng.logistic(size=(SIZES.max() + 1, instances))[n, instance]
    hit = slope * (boundary - np.log(3.0 * r)) > luck
    return np.stack([np.ones(len(n)), np.log(n), np.log(3.0 * r)], 1), hit, instance, n


def test_the_interval_covers_the_truth_although_the_ranks_of_an_instance_share_its_luck():
    rng, runs, covered = np.random.default_rng(0), 40, np.zeros(2)
    for _ in range(runs):
        regression = regress_shares(*drawn(rng, 12))
        for place, (top, truth) in enumerate(((0, np.log(CONSTANT)), (1, EXPONENT))):
            low, value, high = ratio_interval(regression, top, 2)
            assert low <= value <= high
            covered[place] += low <= truth <= high
    assert covered.min() >= binom.ppf(1e-4, runs, LEVEL - 0.02)  # a percentile bootstrap of a dozen is a little short


def test_many_instances_find_the_truth_closely():
    regression = regress_shares(*drawn(np.random.default_rng(1), 200))
    low, value, high = ratio_interval(regression, 1, 2)
    assert value == pytest.approx(EXPONENT, abs=0.08)
    assert high - low < 0.25


def test_it_is_the_maximum_of_the_likelihood_penalized_by_jeffreys_prior():
    rng = np.random.default_rng(2)
    x, hit, instance, n = drawn(rng, 3)
    shares = np.where(hit, rng.uniform(0.5, 1.0, len(hit)), 0.0)  # of thinned starts

    def loss(theta):
        p = expit(x @ theta).clip(1e-12, 1 - 1e-12)
        _, information = np.linalg.slogdet((x * (p * (1 - p))[:, None]).T @ x)
        return -(shares @ np.log(p) + (1 - shares) @ np.log1p(-p)) - 0.5 * information

    oracle = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(regress_shares(x, shares, instance, n).theta, oracle.x, rtol=1e-4)


def test_separated_rows_have_a_finite_border_between_them():
    x = np.stack([np.ones(8), np.log([1, 2, 3, 4, 6, 7, 8, 9])], 1)
    regression = regress_shares(x, np.repeat([1, 0], 4), np.arange(8), np.zeros(8, int))
    low, value, high = ratio_interval(regression, 0, 1)
    assert np.log(4) < value < np.log(6)
    assert np.isfinite([low, high]).all()


def test_a_boundary_that_the_rows_do_not_show_has_no_interval():
    rng = np.random.default_rng(6)
    x, hit, instance, n = drawn(rng, 12)
    regression = regress_shares(x, rng.permutation(hit), instance, n)
    assert ratio_interval(regression, 1, 2) is None
    single = np.arange(len(hit)) == 0  # a third of the resamples miss it
    assert regress_shares(x, single, instance, n) is regress_shares(x, ~single, instance, n) is None


def test_inverted_rows_turn_the_slope():
    x, hit, instance, n = drawn(np.random.default_rng(3), 12)
    one, other = (regress_shares(x, each, instance, n).theta for each in (hit, ~hit))
    np.testing.assert_allclose(other, -one, rtol=1e-6)


def test_without_a_border_there_is_none():
    x, hit, instance, n = drawn(np.random.default_rng(4), 2)
    assert regress_shares(x, np.zeros(len(hit)), instance, n) is None
    assert regress_shares(x, np.ones(len(hit)), instance, n) is None
    assert regress_shares(x[:0], hit[:0], instance[:0], n[:0]) is None


def test_what_is_no_share_is_refused():
    x, hit, instance, n = drawn(np.random.default_rng(5), 2)
    with pytest.raises(ValueError, match="between 0 and 1"):
        regress_shares(x, 2.0 * hit, instance, n)
    with pytest.raises(ValueError, match="lengths differ"):
        regress_shares(x, hit[1:], instance, n)
