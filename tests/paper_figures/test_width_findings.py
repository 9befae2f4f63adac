"""Property: what is said of finite and infinite width turns when the rows do."""

from ntklora.sweeps import Profile
from tests.paper_figures.synthetic import regime_row, say, width_row


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
