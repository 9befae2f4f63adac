"""Property: what is said of training, how long it takes and where it ends, turns when the rows do."""

from ntklora.sweeps import Profile
from tests.paper_figures.synthetic import curve_row, loud_row, plateau_row, say, steps_row


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
