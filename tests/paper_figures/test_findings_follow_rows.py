"""Property: what is said of a figure is computed: rows turned around make it say the opposite."""

from math import log10

import pytest

from ntklora.sweeps import Profile
from ntklora.sweeps.catalogue import all_experiments, all_figures
from tests.paper_figures.synthetic import (
    curve_row,
    generalization_row,
    landscape_row,
    loud_row,
    path_row,
    plateau_row,
    preheating_row,
    rank_row,
    regime_row,
    steps_row,
    width_row,
)


def say(name, run, profile=Profile.smoke):
    """The finding of a figure whose one experiment has these rows."""
    figure = all_figures()[name]
    (source,) = figure.experiments
    experiment = all_experiments()[source]
    empty = dict.fromkeys(column.name for column in experiment.columns)
    rows = [{**cell, **empty, **run(cell)} for cell in experiment.cells(profile)]
    return figure.finding(figure.tabulate({source: rows}))


def moved(row, **changes):
    """The row with some endpoints moved from one class to another."""
    return {**row, **{name: row[name] + change for name, change in changes.items()}}


def test_landscape_contradicts_t2_strict_as_soon_as_one_endpoint_does():
    assert "as T2-strict demands" in say("landscape", landscape_row)

    def one_spurious(cell):
        row = landscape_row(cell)
        return row if row["spurious"] else moved(row, **{"global": -1, "spurious": 1})

    said = say("landscape", one_spurious)
    assert "contradicts T2-strict" in said
    assert "as T2-strict demands" not in said


def test_landscape_doubts_its_zeros_when_planted_minima_are_not_found():
    def finds_nothing(cell):
        row = landscape_row(cell)
        return moved(row, **{"global": row["spurious"], "spurious": -row["spurious"]})

    assert "the zeros elsewhere show little" not in say("landscape", landscape_row, Profile.default)
    assert "the zeros elsewhere show little" in say("landscape", finds_nothing, Profile.default)


def test_landscape_counts_starts_without_a_verdict():
    def undecided(cell):
        row = landscape_row(cell)
        return moved(row, **{"global": -2, "unconverged": -1, "inconclusive": 3})

    cells = len(all_experiments()["landscape"].cells(Profile.smoke))
    assert f"{cells:,} of" in say("landscape", landscape_row)
    assert f"{3 * cells:,} of" in say("landscape", undecided)


def test_minimizer_rank_contradicts_t1_when_a_reduced_rank_exceeds_the_bound():
    assert "keeps T1's bound on all" in say("minimizer_rank", rank_row)

    def above(cell):
        row = rank_row(cell)
        return moved(row, reduced_rank=int(cell["seed"] == 1))

    said = say("minimizer_rank", above)
    assert "contradicts T1" in said
    assert "keeps T1's bound" not in said


def test_minimizer_rank_says_when_a_reduction_lost_the_optimum():
    said = say("minimizer_rank", lambda cell: {**rank_row(cell), "reduced_gap": 0.8 * (cell["seed"] == 1)})
    assert "lost the optimum" in said
    assert "keeps T1's bound" not in said


@pytest.mark.parametrize(("shift", "said"), [(2, "exceeds it in"), (0, "never exceeds it")])
def test_minimizer_rank_says_where_the_unreduced_rank_lies(shift, said):
    def row(cell):
        made = rank_row(cell)
        return {**made, "rank": made["pataki_rank"] + shift}

    assert said in say("minimizer_rank", row)


def test_regularization_path_contradicts_t1_where_the_bound_is_exceeded():
    said = say("regularization_path", path_row)
    assert "keeps T1's bound at every point" in said
    assert "the optimum is 0 everywhere" in said
    assert "falls never" in said

    def turned(cell):
        row = path_row(cell)
        return {**row, "reduced_rank": [row["pataki_rank"] + 1 + rank for rank in row["reduced_rank"][::-1]]}

    said = say("regularization_path", turned)
    assert "which contradicts T1" in said
    assert "At λ_max it is not 0 in 2 settings" in said
    assert "rises 0 times and falls" in said
    assert "falls never" not in said


def test_regularization_path_denounces_a_minimizer_that_a_neighbour_beats():
    assert "No optimum, as a candidate" in say("regularization_path", path_row)

    def beaten(cell):
        row = path_row(cell)
        dual = row["dual"][:]
        dual[-1] += row["lam"][-2] - row["lam"][-1]
        return {**row, "dual": dual}

    cells = len(all_experiments()["regularization_path"].cells(Profile.smoke))
    assert f"{cells} optima, as candidates at their neighbour's λ, fall below" in say("regularization_path", beaten)


def test_training_curves_count_the_curves_that_end_at_the_optimum():
    def stuck(cell):
        row = curve_row(cell)
        if cell["method"] == "lora" and cell["rank"] >= row["guaranteed_rank"]:
            row |= {"objective": [value + 0.1 for value in row["objective"]], "reached": False}
        return row

    guaranteed, smaller = say("training_curves", curve_row).split(";")[:2]
    assert "1 of 1 curves end within 1%" in guaranteed
    assert "0 of 1 curves end within 1%" in smaller
    assert "0 of 1 curves end within 1%" in say("training_curves", stuck).split(";")[0]


def test_training_curves_denounce_an_objective_below_the_dual_bound():
    def below(cell):
        row = curve_row(cell)
        return {**row, "objective": [*row["objective"][:-1], row["primal"] * (1 - 1e-6)]}

    assert "no run ends below" in say("training_curves", curve_row)
    assert "no correct certificate allows" in say("training_curves", below)


def test_preheating_contradicts_the_theory_when_a_mean_is_off():
    assert "means agree with the exact expectations, and none exceeds" in say("high_rank_preheating", preheating_row)

    def two_percent_off(cell):
        row = preheating_row(cell)
        return {**row, "mean": 1.02 * row["mean"]} if cell["preheat_rank"] == 12 else row

    said = say("high_rank_preheating", two_percent_off)
    assert "contradicts H2 or H6" in said
    assert "exceed H6's bound, which refutes it" in said


def test_preheating_says_gain_loss_and_null_case_as_they_come():
    def inverted(cell):
        row = preheating_row(cell)
        if cell["start"] != "preheated":
            return row
        return {**row, "mean": row["mean"] - 0.5 if cell["instance"] == "flat" else 1.5}

    said = say("high_rank_preheating", preheating_row)
    assert "(no gain, as the null case must)" in said
    assert "(a gain)" in said
    turned = say("high_rank_preheating", inverted)
    assert "(a gain, against the null case)" in turned
    assert "(a loss)" in turned


def test_generalization_refutes_t3_when_draws_exceed_the_bound():
    def exceeding(cell):
        return {**generalization_row(cell), "violations": cell["draws"] // 2}

    assert "as T3 demands" in say("generalization", generalization_row)
    assert "which refutes T3" in say("generalization", exceeding)


def test_generalization_compares_rates():
    def slow(cell):
        row = generalization_row(cell)
        return {**row, "excess": [value * (cell["num_samples"] / 1000) ** 0.5 for value in row["excess"]]}

    assert "N^-1.000" in (said := say("generalization", generalization_row))
    assert ", faster than the bound's" in said
    assert "no faster than the bound's" in say("generalization", slow)


def test_generalization_says_when_the_excess_follows_no_single_power():
    def bent(cell):
        row = generalization_row(cell)
        return {**row, "excess": [value * 2.0 ** (-(log10(cell["num_samples"]) ** 2)) for value in row["excess"]]}

    assert "no single power" not in say("generalization", generalization_row, Profile.default)
    assert "no single power: from N^" in say("generalization", bent, Profile.default)


def test_generalization_says_what_the_rank_does_and_where_the_constant_breaks():
    def by_rank(cell):
        row = generalization_row(cell)
        return {**row, "risk_difference": 0.1} if cell["rank"] else row

    said = say("generalization", generalization_row)
    assert "the rank has no part in it" in said
    assert "divided by 1,000" in said
    assert "T3 fails" in said
    assert "against T3" in say("generalization", by_rank)
    unbroken = say("generalization", lambda cell: {**generalization_row(cell), "violations": 0})
    assert "is not shown to fail" in unbroken


def test_loud_minima_say_which_scales_fail():
    def inverted(cell):
        return loud_row({**cell, "scale": 1 / cell["scale"]})

    assert "Large initializations run into the planted spurious minimum" in say("loud_minima", loud_row)
    assert "small initializations run into the planted minimum more often" in say("loud_minima", inverted)
    everywhere = say("loud_minima", lambda cell: loud_row({**cell, "scale": 1.0}))
    assert "makes no difference" in everywhere


def test_loud_minima_contradict_kkr_when_a_spurious_endpoint_is_quiet():
    def quiet(cell):
        row = loud_row(cell)
        return {**row, "loud_ratio": 0.02} if row["spurious"] else row

    assert "are loud as KKR says" in say("loud_minima", loud_row)
    assert "contradicts it" in say("loud_minima", quiet)


def test_loud_minima_tell_the_typical_instance_from_the_planted_one():
    def spurious_everywhere(cell):
        return loud_row({**cell, "family": "planted"})

    def excluded(cell):
        return {**spurious_everywhere(cell), "convexity": 3.0, "convexity_met": 3.0}

    assert "does not exclude spurious minima" in (said := say("loud_minima", loud_row))
    assert "none was met" in said
    assert "were met" in say("loud_minima", spurious_everywhere)
    assert "at any scale, which contradicts it" in say("loud_minima", excluded)


def test_infinite_width_says_whether_and_how_fast_it_is_approached():
    def powered(exponent):
        def row(cell):
            made = width_row(cell)
            return {**made, "kernel_distance": made["kernel_distance"] * (cell["width"] / 64) ** (exponent + 0.5)}

        return say("infinite_width", row, Profile.default)

    assert "falling as means over units do [derived: n^-0.5]: kernel" in powered(-0.5)
    assert "falling faster than means over units: kernel" in powered(-1.0)
    assert "falling more slowly than means over units: kernel" in powered(-0.2)
    assert "rising, against the limit: kernel" in powered(0.3)


def test_infinite_width_says_on_which_side_the_optimum_lies():
    def turned(cell):
        made = width_row(cell)
        return {**made, "primal_change": -made["primal_change"]}

    assert "the optimum lies 25% above its limit at the first" in say("infinite_width", width_row, Profile.default)
    assert "the optimum lies 25% below its limit at the first" in say("infinite_width", turned, Profile.default)


def test_infinite_width_says_how_near_the_optimum_is_where_its_side_is_open():
    def centred(cell):
        return {**width_row(cell), "primal_change": (-1) ** cell["seed"] * 1e-3}

    assert "within" not in say("infinite_width", width_row, Profile.default)
    assert "and within 0.1% of its limit at the last" in say("infinite_width", centred, Profile.default)


def test_infinite_width_counts_the_networks_with_the_limits_ranks():
    def never(cell):
        return {**width_row(cell), "rank_difference": 1}

    assert "the limit's rank in 16 of 16 networks" in say("infinite_width", width_row, Profile.default)
    assert "the limit's rank in 0 of 16 networks" in say("infinite_width", never, Profile.default)


def test_steps_say_who_arrives_whether_rank_helps_and_what_the_tail_contradicts():
    profile = Profile.default
    said = say("steps_to_optimum", steps_row, profile)
    assert "More rank is not faster" in said
    assert "Below the optimum's rank it does in 0 of 45." in said
    assert "117 of 117 runs where r(r+1)/2 > KN" in said
    assert "No tail is slower than the certified rate" in said
    assert "With the weight decay 10 times smaller the median number is 1 times as large" in said
    assert "cut off" not in said

    def turned(cell):
        row = steps_row(cell)
        if cell["method"] == "lora" and row["tail_rate"]:
            late = cell["rank"] >= row["guaranteed_rank"]
            sooner = None if late and cell["seed"] == 3 else 5000 // cell["rank"]
            row |= {
                "tail_rate": 0.9 * row["tail_rate"],
                "steps_fine": sooner,
                "excess": 1e-5 if sooner is None else 0.0,
            }
        return row

    said = say("steps_to_optimum", turned, profile)
    assert "104 of 117 runs where r(r+1)/2 > KN" in said
    assert "The others were cut off after 20,000 steps or more, at most 1e-05 above it." in said
    assert "More rank is faster" in say(
        "steps_to_optimum", lambda cell: fewer_with_rank(steps_row(cell), cell), profile
    )
    assert "slower than the certified rate -2 log(1 - eta mu), which contradicts it" in said
    mixed = say("steps_to_optimum", lambda cell: fewer_with_rank(steps_row(cell), cell, "gaussian"), profile)
    assert "More rank is not always faster" in mixed


def fewer_with_rank(row, cell, besides=None):
    """The row with steps that fall with the rank, except on one family."""
    same = row["steps_fine"] is None or not cell["rank"] or cell["family"] == besides
    return row if same else {**row, "steps_fine": 5000 // cell["rank"]}


def test_ways_to_train_say_who_is_faster_and_who_is_cut_off():
    said = say("ways_to_train", steps_row, Profile.default)
    assert "LoRA with momentum 0.2" in said
    assert "than gradient descent on LoRA in 5 of 5 settings" in said
    assert "in its fastest form it is the fastest of all in 5." in said
    assert "cut off" not in said

    def turned(cell):
        row = steps_row(cell)
        if cell["method"] == "accelerated":
            return {**row, "steps_fine": None, "excess": 0.25}
        return {**row, "steps_fine": 9} if cell["method"] == "lora" else row

    said = say("ways_to_train", turned, Profile.default)
    assert "than gradient descent on LoRA in 0 of 5 settings" in said
    assert "in its fastest form it is the fastest of all in 0." in said
    assert "Accelerated full fine-tuning is cut off before 1e-6 in 45 of 45 runs (worst excess 2e-01)" in said


def test_plateaus_are_attributed_to_saddles_only_where_they_are_near_one():
    said = say("plateaus", plateau_row, Profile.default)
    assert "From LoRA's own start 24 of 24 paths have plateaus, 24 plateaus in all; on 24 of them" in said
    assert "24 near saddles of higher rank (median distance 0.001" in said
    assert "conditioning is slow, not a saddle" in said

    def far(cell):
        return {**plateau_row(cell), "fastest_distance": 0.0, "negative_until": 900}

    said = say("plateaus", far, Profile.default)
    assert "on 0 of them the curvature is negative" in said
    assert "saddles are slow" in said

    def none(cell):
        empty = {name: [] for name in plateau_row(cell) if name.startswith("plateau_")}
        return {**plateau_row(cell), **empty}

    assert "no path of 24 has a plateau" in say("plateaus", none, Profile.default)


def test_ntk_regime_contradicts_the_orders_when_a_slope_is_another():
    def flat(cell):
        row = regime_row(cell)
        share = (cell["width"] / 64) ** (0.0 if cell["scaling"] == "mean_field" else 0.8)
        return {**row, "kernel_drift": [share * value for value in row["kernel_drift"]]}

    said, other = (say("ntk_regime", row, Profile.default) for row in (regime_row, flat))
    assert "20 of 20 exponents have the order of the theory [derived]" in said
    assert "misses it" not in said
    assert "16 of 20 exponents" in other
    assert "misses it by 0.79: kernel drift (tanh, " in other
    assert "kernel drift (tanh, LoRA) −0.20 [−0.21, −0.19] against −1" in other


def test_ntk_regime_says_when_the_control_becomes_linear():
    def linear(cell):
        row = regime_row(cell)
        return {**row, "kernel_drift": [64 / cell["width"] * value for value in row["kernel_drift"]]}

    assert "as it must, it does not become linear" in say("ntk_regime", regime_row)
    assert "becomes linear too, against the theory" in say("ntk_regime", linear)


def test_ntk_regime_says_from_which_width_on_outputs_are_linear():
    def growing(cell):
        return {**regime_row(cell), "held_out_distance": [0.0, *(0.01 * cell["width"] * step for step in range(1, 6))]}

    # 0.15 · 64/n = 0.05 at n = 192.
    assert "from n ≈ 190 [" in say("ntk_regime", regime_row).split("differ by less than 5%")[1]
    assert "at no width that can be foreseen (tanh, LoRA)" in say("ntk_regime", growing)

    def scattered(cell):
        row = regime_row(cell)
        level = 10.0 if cell["seed"] else 0.1
        return {**row, "held_out_distance": [level * value for value in row["held_out_distance"]]}

    assert "from a width that these seeds leave open (tanh, LoRA)" in say("ntk_regime", scattered)
