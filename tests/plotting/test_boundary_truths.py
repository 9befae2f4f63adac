"""Property: the fits of the typical boundary find what the surveys were made with."""

from itertools import product
from math import log

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import linregress

from ntklora.plotting.boundary import (
    count_ratio,
    fit_constant,
    fit_drift,
    fit_growth,
    fit_power_law,
    hit_chance,
    usual_decay,
)
from ntklora.theory import parameter_count

SHAPES = ((6, 6), (8, 8), (5, 9))


def surveys(chance, seeds=12, starts=16, shapes=SHAPES):
    """Surveys of instances whose starts are spurious all together with `chance(rank, num_samples, shape)`."""
    rng, rows = np.random.default_rng(0), []
    for shape, n, seed, r in product(shapes, range(4, 41, 4), range(seeds), range(1, 5)):
        hit = int(rng.random() < chance(r, n, shape))
        rows.append(
            {"fan_out": shape[0], "fan_in": shape[1], "lam_ratio": 0.01, "num_samples": n, "num_outputs": 1}
            | {"seed": seed, "rank": r, "starts": starts, "spurious": hit * starts // 2}
        )
    return rows


def by_count(constant, drift=0.0):
    def chance(r, n, shape):
        return expit(8 * (log(constant) + drift * log(r) - log(parameter_count(r, *shape) / n)))

    return chance


@pytest.mark.parametrize("constant", [1.0, 1.35, 2.0])
def test_one_constant_is_found_and_does_not_drift(constant):
    rows = surveys(by_count(constant))
    low, value, high = fit_constant(rows)
    assert abs(value - constant) < high - low < 0.2 * value
    low, _, high = fit_drift(rows)
    assert low < 0 < high


@pytest.mark.parametrize("drift", [-0.5, 0.4])
def test_a_constant_that_depends_on_the_rank_is_seen_to(drift):
    low, value, high = fit_drift(surveys(by_count(1.4, drift)))
    assert abs(value - drift) < high - low < 0.4
    assert low * high > 0


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_the_growth_of_the_critical_rank(exponent):
    prefactor = 2.5 / 20**exponent

    def chance(r, n, shape):
        return expit(8 * (log(prefactor) + exponent * log(n) - log(r)))

    law = fit_growth(surveys(chance, seeds=30, shapes=((12, 12),)))
    low, value, high = law.exponent
    assert abs(value - exponent) < high - low < 0.3
    assert law.prefactor * 20**law.exponent.value == pytest.approx(2.5, rel=0.1)


def test_inverted_surveys_move_the_boundary_not_the_words():
    rows = surveys(by_count(1.4))
    turned = [{**row, "spurious": row["starts"] - row["spurious"] if not row["spurious"] else 0} for row in rows]
    assert fit_constant(turned).value == pytest.approx(fit_constant(rows).value, rel=1e-6)
    none = [{**row, "spurious": 0} for row in rows]
    assert fit_constant(none) is fit_drift(none) is fit_growth(none) is None


def test_surveys_far_below_the_boundary_do_not_count():
    rows = surveys(by_count(1.4))
    benign = [{**row, "spurious": 0} if count_ratio(row) < 0.5 else row for row in rows]
    assert benign != rows
    assert fit_constant(benign) == fit_constant(rows)


def test_the_chance_with_fewer_starts_is_that_of_drawing_them():
    row = {"starts": 7, "spurious": 2}
    assert hit_chance(row, 1) == pytest.approx(2 / 7)
    assert hit_chance(row, 7) == 1.0
    assert hit_chance({"starts": 7, "spurious": 0}, 7) == 0.0
    rng = np.random.default_rng(1)
    drawn = [rng.choice(7, 3, replace=False).min() < 2 for _ in range(20_000)]
    assert hit_chance(row, 3) == pytest.approx(np.mean(drawn), abs=0.015)
    with pytest.raises(ValueError, match="8 of a survey with 7"):
        hit_chance(row, 8)


def test_fewer_starts_see_a_boundary_at_fewer_parameters():
    rows = [{**row, "spurious": min(row["spurious"], 1)} for row in surveys(by_count(1.4))]
    assert fit_constant(rows, starts=4).value < fit_constant(rows).value


def test_a_power_law_is_least_squares_in_logarithms():
    x, y = [2, 5, 9, 14, 20], [1, 2, 3, 4, 5]
    oracle = linregress(np.log(x), np.log(y))
    law = fit_power_law(x, y)
    assert (law.exponent.value, law.prefactor) == pytest.approx((oracle.slope, np.exp(oracle.intercept)), rel=1e-12)
    assert law.exponent.high - law.exponent.value == pytest.approx(3.182446 * oracle.stderr, rel=1e-6)  # t(3), 97.5%
    exact = fit_power_law([1, 4, 16, 64], [3, 6, 12, 24])
    assert exact.exponent == pytest.approx((0.5, 0.5, 0.5), abs=1e-12)
    assert fit_power_law([1, 2], [1, 2]) is None


def test_the_usual_decay_is_that_of_most_records_and_never_none():
    assert usual_decay([{"lam_ratio": x} for x in (0.0, 0.0, 0.0, 0.1, 0.01, 0.01)]) == 0.01
    assert usual_decay([{"lam_ratio": 0.0}]) == 0.0
