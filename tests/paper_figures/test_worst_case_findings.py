"""Property: what is said of the worst case turns when the rows do."""

from ntklora.sweeps import Profile
from ntklora.sweeps.catalogue import all_experiments, all_figures
from tests.paper_figures.synthetic import worst_case_row


def say(run):
    """The finding of the figure from these rows."""
    figure, experiment = all_figures()["worst_case"], all_experiments()["worst_case"]
    empty = dict.fromkeys(column.name for column in experiment.columns)
    rows = [{**cell, **empty, **run(cell)} for cell in experiment.cells(Profile.smoke)]
    return figure.finding(figure.tabulate({"worst_case": rows}))


def test_it_contradicts_t2_strict_when_a_point_below_is_strict():
    assert "as T2-strict demands" in say(worst_case_row)

    def strict_below(cell):
        row = worst_case_row(cell)
        return {**row, "flat": 0, "spurious": 1, "curvature": 1e-3} if row["flat"] else row

    said = say(strict_below)
    assert "contradicts T2-strict" in said
    assert "as T2-strict demands" not in said


def test_it_refutes_its_bound_when_a_minimum_passes_it():
    def beyond(cell):
        row = worst_case_row(cell)
        return {**row, "excess": 1.01 * row["excess"]} if cell["mode"] == "closed_form" else row

    said = say(worst_case_row)
    assert "strict minima exceeds T2-worst's bound; the search reaches 99.0% of it" in said
    assert "exceed T2-worst's bound, which refutes it" in say(beyond)


def test_it_says_who_finds_minima_of_large_excess():
    def inverted(cell):
        row = worst_case_row(cell)
        if row["spurious"] and cell["mode"] == "random":
            return {**row, "excess": 0.5}
        return {**row, "spurious": 0, "saddle": 1, "curvature": -1e-3} if cell["mode"] == "adversarial" else row

    said, turned = say(worst_case_row), say(inverted)
    assert "at every rank (2; 1 of 1 searches" in said
    assert "Random planting does in 0 of 2 draws" in said
    assert "at 0 of 1 ranks (2; 0 of 1 searches)" in turned
    assert "Random planting does in 2 of 2 draws" in turned


def test_it_counts_points_without_a_verdict():
    assert "no verdict" not in say(worst_case_row)
    said = say(lambda cell: {**worst_case_row(cell), "inconclusive": 1})
    assert "7 of 7 points have no verdict" in said
