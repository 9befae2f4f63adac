"""Property: what is said of the phase diagram and of the critical rank turns when the rows do."""

import pytest

from ntklora.sweeps import Profile
from ntklora.sweeps.catalogue import all_experiments, all_figures
from ntklora.theory import landscape_rank, parameter_count, planting_threshold, sharp_landscape_rank
from tests.paper_figures.synthetic import landscape_row, survey_row, worst_case_row

RUNS = {"phase_diagram": survey_row, "landscape": landscape_row, "worst_case": worst_case_row}


def shown(cell):
    """One shape with weight decay, and all that is not Gaussian: enough for every sentence, and quick."""
    return cell.get("lam_ratio", 1) > 0 and (cell.get("fan_out"), cell.get("fan_in")) not in ((6, 6), (5, 9))


def planted(cell):
    """Whether this is the cell of a planted instance."""
    return cell.get("family") == "planted"


def say(name, profile=Profile.default, **runs):
    """The finding of a figure from rows of its experiments, those of `runs` in place of the usual ones."""
    figure, rows = all_figures()[name], {}
    for each in figure.experiments:
        experiment = all_experiments()[each]
        empty, run = dict.fromkeys(column.name for column in experiment.columns), (RUNS | runs)[each]
        rows[each] = [{**cell, **empty, **run(cell)} for cell in experiment.cells(profile) if shown(cell)]
    return figure.finding(figure.tabulate(rows))


def typical(boundary):
    """Rows of instances with a spurious minimum where `boundary(cell, luck)`, planted ones as usual."""

    def run(cell):
        row = survey_row(cell)
        if planted(cell):
            return row
        hit = boundary(cell, (0.9, 1.0, 1.1)[cell["seed"] % 3]) * (cell["starts"] // 2)
        return {**row, "spurious": hit, "global": cell["starts"] - hit}

    return run


def below_count(constant, drift=0.0):
    def boundary(cell, luck):
        count = parameter_count(cell["rank"], cell["fan_out"], cell["fan_in"])
        return count < constant * cell["rank"] ** drift * luck * cell["num_samples"]

    return typical(boundary)


@pytest.mark.parametrize(
    ("constant", "said"), [(1.2, "below Park"), (1.35, "the interval contains Park"), (1.6, "above Park")]
)
def test_the_constant_is_compared_with_parks(constant, said):
    decayed = say("phase_diagram", phase_diagram=below_count(constant)).split("With λ = 0.01")[1]
    assert said in decayed
    assert "; one C serves all ranks" in decayed


def test_a_constant_that_drifts_is_not_called_one():
    said = say("phase_diagram", phase_diagram=below_count(2.0, -0.5)).split("With λ = 0.01")[1]
    assert "C drifts with the rank" in said
    assert "one C serves" not in said


def test_t2_strict_is_contradicted_as_soon_as_one_endpoint_does():
    def one_more(cell):
        row = survey_row(cell)
        if row["spurious"] or cell["rank"] < sharp_landscape_rank(cell["num_samples"]):
            return row
        return {**row, "spurious": 1, "global": row["global"] - 1}

    assert "as T2-strict demands" in say("phase_diagram")
    said = say("phase_diagram", phase_diagram=one_more)
    assert "contradicts T2-strict" in said
    assert "as T2-strict demands" not in said


def test_t2_zero_is_contradicted_by_a_spurious_minimum_without_decay():
    experiment, figure = all_experiments()["phase_diagram"], all_figures()["phase_diagram"]
    cells = [cell for cell in experiment.cells(Profile.default) if cell["lam_ratio"] == 0 and cell["fan_out"] == 5]
    rows = [{**cell, **survey_row(cell), "spurious": 0} for cell in cells]
    assert "as T2-zero demands" in figure.finding(figure.tabulate({"phase_diagram": rows}))
    rows[0] |= {"spurious": 1}
    assert rows[0]["rank"] * 9 >= rows[0]["num_samples"]
    assert "contradicts T2-zero" in figure.finding(figure.tabulate({"phase_diagram": rows}))


def test_starts_without_a_verdict_are_counted():
    def undecided(cell):
        row = survey_row(cell)
        return {**row, "inconclusive": 1, "global": row["global"] - 1}

    cells = filter(shown, all_experiments()["phase_diagram"].cells(Profile.default))
    gaussian = sum(cell["family"] == "gaussian" for cell in cells)
    assert " 0 of " in say("phase_diagram")
    assert f"{gaussian:,} of " in say("phase_diagram", phase_diagram=undecided)


def test_without_a_boundary_no_constant_is_invented():
    nowhere = typical(lambda cell, luck: 0)
    assert "too few" in say("phase_diagram", phase_diagram=nowhere)
    assert "The typical critical rank" not in say("critical_rank", phase_diagram=nowhere)


@pytest.mark.parametrize(
    ("exponent", "said"), [(0.5, "the interval contains 1/2"), (1.2, "above 1/2"), (0.2, "below 1/2")]
)
def test_the_growth_of_the_typical_rank_is_compared_with_one_half(exponent, said):
    def boundary(cell, luck):
        return cell["rank"] < 2.5 * luck * (cell["num_samples"] / 20) ** exponent

    grown = say("critical_rank", phase_diagram=typical(boundary)).split("with λ = 0.01")[1].split("8×8")[1]
    assert grown.startswith(f" ({said}")


def test_the_worst_case_is_said_to_begin_where_it_does():
    def moved(offset):
        def run(cell):
            row = survey_row(cell)
            if not planted(cell):
                return row
            hit = int(cell["num_samples"] >= planting_threshold(cell["rank"]) + offset)
            return {**row, "spurious": hit, "global": cell["starts"] - hit}

        return run

    silent = {
        "landscape": lambda cell: landscape_row(cell) | {"spurious": 0},
        "worst_case": lambda cell: worst_case_row(cell) | {"spurious": 0},
    }
    assert "begin exactly at N = r(r+3)/2" in say("critical_rank", **silent)
    assert "later at r = 1, 2, 3, 4" in say("critical_rank", **silent, phase_diagram=moved(1))
    assert "contradicts T2-strict" in say("critical_rank", **silent, phase_diagram=moved(-1))
    assert "the worst case is not shown" in say("critical_rank", **silent, phase_diagram=moved(99))
    searched = {"landscape": silent["landscape"], "phase_diagram": moved(99)}
    assert "r = 1 … 5 begin exactly" in say("critical_rank", **searched)


def test_the_distance_to_the_guarantee_follows_the_rows():
    left = f"up to {landscape_rank(40) - 1} (T2) and {sharp_landscape_rank(40) - 1} (T2-strict)"
    assert left in say("critical_rank")
    for hit, bound in ((0, "at most 0"), (1, "at least 8")):  # 8: the largest surveyed
        said = say("critical_rank", phase_diagram=typical(lambda cell, luck, hit=hit: hit))
        assert f"at N = 40 the critical rank is {bound}" in said


def test_smoke_rows_are_enough_to_say_something():
    assert "T2-strict" in say("phase_diagram", Profile.smoke)
    assert "Practice against theory" in say("critical_rank", Profile.smoke)
