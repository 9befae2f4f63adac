"""The tests behind the claims keep their level, have their power, and say inconclusive where training stopped early."""

import numpy as np
import pytest

from ntklora.claims import Outcome
from ntklora.claims._evidence import (
    LEVEL,
    MISSED,
    Draws,
    Finding,
    compare_limits,
    compare_mean,
    compare_order,
    compare_values,
    compare_variance,
    critical_value,
    evidence,
    required_draws,
)

RNG = np.random.default_rng(0)


def test_critical_value_shares_the_level_among_the_tests():
    assert critical_value(1) == pytest.approx(3.2905, abs=1e-4)
    assert critical_value(1, sides=1) == pytest.approx(3.0902, abs=1e-4)
    tails = RNG.standard_normal((200_000, 4))
    rate = np.mean(np.any(np.abs(tails) > critical_value(4), 1))
    assert abs(rate - LEVEL) < 5 * np.sqrt(LEVEL / 200_000)


def test_required_draws_refute_the_effect_with_the_power_promised():
    """Sums of Gaussians need no simulation of every draw: the mean is drawn itself."""
    draws, trials = required_draws(2.0, 0.1, 3), 50_000
    means = 0.1 + 2.0 / np.sqrt(draws) * RNG.standard_normal(trials)
    kept = np.mean(np.abs(means) <= critical_value(3) * 2.0 / np.sqrt(draws))
    assert abs(kept - MISSED) < 5 * np.sqrt(MISSED / trials)


def test_means_and_variances_of_the_right_law_are_consistent_and_of_a_wrong_one_refuted():
    draws = 3.0 + 0.5 * RNG.standard_normal(4000)
    assert compare_mean("m", draws, 3.0, 1).outcome == Outcome.consistent
    assert compare_mean("m", draws, 3.1, 1).outcome == Outcome.refuted
    assert compare_mean("m", draws, 3.1, 1, at_most=True).outcome == Outcome.consistent
    assert compare_mean("m", draws, 2.9, 1, at_most=True).outcome == Outcome.refuted
    assert compare_variance("v", draws, 0.25, 1).outcome == Outcome.consistent
    assert compare_variance("v", draws, 0.30, 1).outcome == Outcome.refuted


def test_a_distance_to_the_limit_that_decides_is_inconclusive():
    draws = 3.0 + 0.5 * RNG.standard_normal(4000)
    assert compare_mean("m", draws, 2.5, 1, excess=0.6).outcome == Outcome.inconclusive
    assert compare_mean("m", draws, 2.5, 1, excess=0.3).outcome == Outcome.refuted
    assert compare_mean("m", draws, 3.0, 1, excess=0.3).outcome == Outcome.inconclusive
    assert compare_variance("v", draws, 0.25, 1, excess=RNG.uniform(0, 0.5, 4000)).outcome == Outcome.inconclusive
    assert compare_values("x", np.array([1.0, 2.0]), 1.0, 1e-9, excess=np.array([0.0, 1.5])).outcome == (
        Outcome.inconclusive
    )


def test_order_and_equality_of_limits_draw_by_draw():
    zero = np.zeros(2)
    low, high = Draws(np.array([1.0, 2.0]), zero), Draws(np.array([1.5, 2.0]), zero)
    assert compare_order("o", low, high, 1e-9).outcome == Outcome.consistent
    assert compare_order("o", high, low, 1e-9).outcome == Outcome.refuted
    assert compare_order("o", high, Draws(low.loss, np.full(2, 0.1)), 1e-9).outcome == Outcome.refuted
    assert compare_order("o", Draws(high.loss, np.full(2, 0.6)), low, 1e-9).outcome == Outcome.inconclusive
    assert compare_limits("l", low, Draws(low.loss, zero), 1e-9).outcome == Outcome.consistent
    assert compare_limits("l", low, high, 1e-9).outcome == Outcome.refuted
    assert compare_limits("l", low, Draws(high.loss, np.full(2, 0.7)), 1e-9).outcome == Outcome.inconclusive


def test_evidence_is_as_bad_as_its_worst_finding():
    findings = [Finding(o, o, 1.0, 2.0, m) for o, m in ((Outcome.consistent, 0.5), (Outcome.inconclusive, -1.0))]
    found = evidence(findings)
    assert (found.outcome, found.margin) == (Outcome.inconclusive, -1.0)
    assert found.measured == {"consistent": 2.0, "inconclusive": 2.0}
    assert evidence([*findings, Finding("r", Outcome.refuted, 0.0, 0.0, -2.0)]).outcome == Outcome.refuted
