"""Property: the exponent and the crossing of power laws that are known, and their intervals' coverage."""

import numpy as np
import pytest

from ntklora.plotting.power_law import run_power_law

X = (64.0, 128.0, 256.0, 512.0)


def runs(rng, count):
    """`y = 3 x^-1` with a random factor for each run and noise for each point."""
    factors = np.exp(0.3 * rng.standard_normal(count))
    return [{x: float(3 * factor / x * np.exp(0.1 * rng.standard_normal())) for x in X} for factor in factors]


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    laws = [run_power_law(runs(rng, 6), level=0.01) for _ in range(400)]
    hits = [(law.exponent.low <= -1 <= law.exponent.high, law.reached.low <= 300 <= law.reached.high) for law in laws]
    # Of 400 draws 380 are expected; five standard deviations are 22.
    assert (np.sum(hits, axis=0) >= 358).all()
    assert (np.sum(hits, axis=0) < 400).all()


def test_what_cannot_be_said_is_not_said():
    one = run_power_law([{1.0: 1.0, 10.0: 0.1}], level=0.01)
    assert one.exponent.value == pytest.approx(-1)
    assert np.isinf([one.exponent.low, one.exponent.high, one.reached.high]).all()
    assert run_power_law([{1.0: 1.0, 10.0: 2.0}] * 2, level=0.01).reached is None
    assert run_power_law([{1.0: 1.0, 10.0: 0.1}] * 2).reached is None
    assert run_power_law([{1.0: 1.0}, {1.0: 1.0, 10.0: 0.1}]).exponent is None
    assert run_power_law([{1.0: 0.0, 10.0: 0.1}]).exponent is None
