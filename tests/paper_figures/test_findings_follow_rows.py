"""Property: what is said of a figure is computed: rows turned around make it say the opposite."""

from math import log10

import pytest

from ntklora.sweeps import Profile
from ntklora.sweeps.catalogue import all_experiments
from tests.paper_figures.synthetic import generalization_row, landscape_row, path_row, preheating_row, rank_row, say


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
