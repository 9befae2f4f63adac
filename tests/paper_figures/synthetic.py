"""Rows that no solver computed: the figures' tests store them under the real experiments' keys."""

from dataclasses import asdict, replace

import numpy as np

from ntklora.sweeps import Profile
from ntklora.sweeps.catalogue import all_experiments, all_figures
from ntklora.sweeps.runner import run_experiment
from ntklora.sweeps.store import Store
from ntklora.theory import (
    balanced_curvature,
    landscape_rank,
    parameter_count,
    pataki_rank,
    planting_threshold,
    sharp_landscape_rank,
    width_orders,
    worst_excess,
)


def store_rows(experiment, run, folder, profile=Profile.smoke):
    """Every cell of a profile in `<folder>/<experiment>`, rows made by `run`; columns that it leaves out are None."""

    def fill(parameters):
        cell = asdict(parameters)
        return {**dict.fromkeys(column.name for column in experiment.columns), **run(cell)}

    made = replace(experiment, run=fill)
    run_experiment(made, made.cells(profile), Store(folder / made.name))


def say(name, run, profile=Profile.smoke):
    """The finding of a figure whose one experiment has these rows."""
    figure = all_figures()[name]
    (source,) = figure.experiments
    experiment = all_experiments()[source]
    empty = dict.fromkeys(column.name for column in experiment.columns)
    rows = [{**cell, **empty, **run(cell)} for cell in experiment.cells(profile)]
    return figure.finding(figure.tabulate({source: rows}))


def landscape_row(cell):
    """Spurious endpoints wherever they are allowed, rank-limited ones at rank 1, nothing else."""
    samples, rank, starts = cell["num_samples"], cell["rank"], cell["starts"]
    allowed = rank < sharp_landscape_rank(samples)
    spurious = allowed * (starts // 4)
    limited = (rank == 1) * (starts // 4)
    counts = {"spurious": spurious, "rank_limited": limited, "flat": 0, "saddle": 0, "unconverged": 1}
    counts |= {"inconclusive": 0, "global": starts - spurious - limited - 1}
    return {"num_outputs": 1, "span_dimension": samples, **counts}


def survey_row(cell):
    """Planted minima from r(r+3)/2 on; typical ones where 1.4 times the count of parameters is below N."""
    rank, samples, starts = cell["rank"], cell["num_samples"], cell["starts"]
    if cell["family"] == "planted":
        spurious = (samples >= planting_threshold(rank)) * (starts // 2)
    else:
        luck = (0.9, 1.0, 1.1)[cell["seed"] % 3]
        count = parameter_count(rank, cell["fan_out"], cell["fan_in"])
        spurious = (count < 1.4 * luck * samples) * (starts // 2)
    counts = dict.fromkeys(("rank_limited", "flat", "saddle", "unconverged", "inconclusive"), 0)
    return {"num_outputs": 1, "span_dimension": samples, **counts, "spurious": spurious, "global": starts - spurious}


def rank_row(cell):
    """A minimizer above the bound, which the reduction brings to it."""
    kn = cell["num_samples"] * cell["outputs"]
    bound = pataki_rank(kn)
    ranks = {"rank": bound + 1 + cell["seed"] % 2, "reduced_rank": bound, "pataki_rank": bound}
    return {
        "num_outputs": cell["outputs"],
        "span_dimension": kn,
        **ranks,
        "gap": 1e-10,
        "reduced_gap": 1e-10,
        "output_error": 1e-13,
    }


def path_row(cell):
    """Rank 0 at the largest decay, then one more at every second point up to the bound; ½(δ − 1)² + λ|δ|."""
    share = np.logspace(0.0, -cell["decades"], cell["points"])
    bound = pataki_rank(cell["num_samples"] * cell["outputs"])
    rank = np.minimum((np.arange(cell["points"]) + 1) // 2, bound)
    norm = 1.0 - share
    value = 0.5 * share**2 + share * norm
    columns = {"lam": share, "lam_share": share, "rank": rank, "reduced_rank": rank, "nuclear_norm": norm}
    columns |= {"training_loss": 0.5 * share**2, "primal": value, "dual": value, "gap": 0.0 * share}
    lists = {name: column.tolist() for name, column in columns.items()}
    return {"num_outputs": cell["outputs"], "pataki_rank": bound, **lists}


def curve_row(cell):
    """Exponential decay to the optimum, faster for larger ranks; rank 1 stops above it."""
    steps = np.unique(np.geomspace(1, cell["num_steps"] + 1, 40).astype(int)) - 1
    floor = 0.05 * (cell["method"] == "lora" and cell["rank"] == 1)
    rate = 20 * (cell["rank"] or 50) / cell["num_steps"]
    objective = 0.2 * (1 + floor + 3 * np.exp(-rate * steps))
    kn = 2 * cell["num_samples"]
    numbers = {"num_outputs": 2, "guaranteed_rank": landscape_rank(kn), "primal": 0.2, "gap": 1e-10, "optimal_rank": 2}
    reached = bool(objective[-1] <= 1.01 * 0.2)
    return {**numbers, "steps": steps.tolist(), "objective": objective.tolist(), "reached": reached}


def preheating_row(cell):
    """Matrix factorization exactly as expected, a network that gains from preheating."""
    rank, preheat = cell["rank"], cell["preheat_rank"] or cell["rank"]
    width, floor = 24, 0.1 if cell["instance"] != "flat" else 1 - rank / 24
    random = 1 - rank / width
    mean = {"random": random, "wise": floor}.get(cell["start"], 1 - preheat / width * (1 - floor))
    mean = max(mean, floor) if cell["instance"] != "flat" else random
    loss = [mean - 0.01, mean + 0.01] * (cell["draws"] // 2)
    row = {"loss": loss, "mean": mean, "standard_error": 0.01 / len(loss) ** 0.5, "at_zero": 1.0}
    if cell["instance"] not in ("decaying", "low_rank", "flat"):
        return {**row, "primal": 0.05, "gap": 1e-10, "optimal_rank": 3, "best_endpoint": 0.08}
    levels = {"random_mean": random, "eckart_young": floor, "exact_mean": mean}
    return {**row, **levels, "bound": mean if cell["start"] == "preheated" else None}


def generalization_row(cell):
    """Excess as 1/N, a bound ten times as large at N = 1000 that falls as 1/√N; violated once c is divided by 1000."""
    draws, size = cell["draws"], cell["num_samples"]
    middle = 300.0 / size
    excess = [middle * (1 + 0.1 * (draw / draws - 0.5)) for draw in range(draws)]
    bound = 10 * 0.3 * (1000 / size) ** 0.5 / cell["shrink"]
    violations = draws if bound < middle else 0
    counts = {"violations": violations, "beyond_two_lambda": 0, "zero": 0, "largest_rank": 1, "span_dimension": 20}
    lora = {"certified": draws, "risk_difference": 1e-15} if cell["rank"] else {}
    return {"excess": excess, "bound": bound, **counts, "norm": 4.0, "trivial": 0.7, "largest_gap": 1e-12, **lora}


def loud_row(cell):
    """A quarter of the starts from large scales end in a minimum as loud as it can be, none from small ones."""
    spurious = (cell["family"] == "planted" and cell["scale"] >= 1) * (cell["starts"] // 4)
    counts = {"global": cell["starts"] - spurious, "spurious": spurious, "rank_limited": 0, "flat": 0, "saddle": 0}
    known = {"convexity": 0.05, "smoothness": 4.0, "convexity_met": 0.05, "smoothness_met": 4.0}
    ends = {"loud_ratio": 0.5, "loud_norm": 3.0, "loud_excess": 0.5} if spurious else {}
    sizes = {"optimal_rank": 1, "optimal_norm": 1.0, "loss_at_zero": 0.6, "lam": 0.1, "quiet_ratio": 0.0}
    return {**counts, "unconverged": 0, "inconclusive": 0, **known, **ends, **sizes}


def width_row(cell):
    """Distances that fall as one over the root of the width, roughly; the limit's ranks from 512 on."""
    size = 2 * cell["width"] ** (0.02 * (-1) ** cell["seed"] - 0.5)
    changes = dict.fromkeys(("kernel_distance", "lam_max_change", "primal_change", "output_distance"), size)
    narrow = int(cell["width"] < 512)
    ranks = {"total_rank": 2 + narrow, "limit_rank": 2, "rank_difference": narrow, "pataki_rank": 7}
    return {**changes, "cross_share": size, "primal": 0.2 * (1 + size), **ranks, "gap": 1e-12}


def steps_row(cell):
    """Every run arrives at twice the steps of 1e-3, sooner at a smaller rank; rank 1 does not hold the optimum."""
    kn = cell["num_samples"] * (2 if cell["loss"] == "cross_entropy" else 1)
    numbers = {"num_outputs": kn // cell["num_samples"], "guaranteed_rank": landscape_rank(kn), "optimal_rank": 2}
    held = cell["rank"] != 1
    slow = {"full": 0.5, "accelerated": 0.1, "momentum": 0.2, "minibatch": 4.0}.get(cell["method"], 1.0)
    steps = round(slow * (200 + 10 * cell["rank"] + cell["seed"])) if held else None
    rate = 0.02 / (1 + cell["rank"]) if held and cell["method"] == "lora" else None
    return {
        **numbers,
        "learning_rate": 0.1,
        "steps_coarse": steps,
        "steps_fine": None if steps is None else 2 * steps,
        "excess": 1e-12 if held else 1e-2,
        "tail_rate": rate,
        "certified_rate": rate,
    }


def plateau_row(cell):
    """Two plateaus, at the saddle 0 and at one of rank 1; from LoRA's own start the first alone."""
    steps = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    away = cell["start"] * np.array([0.2, 0.2, 0.3, 0.4, 0.5, 0.2, 0.1, 0.1, 0.2, 0.3, 0.3])
    curved = [-9.0, -9.0, -8.0, -5.0, -1.0, -0.2, -0.2, -0.1, 0.1, 0.1, 0.1]
    both = slice(0, 1 if cell["start"] == 1 else 2)
    return {
        "steps_fine": 1000,
        "steps": steps,
        "excess": np.geomspace(2.0, 1e-6, 11).tolist(),
        "curvature": curved,
        "distance": away.tolist(),
        "nearest_rank": [0] * 5 + [1] * 6,
        "plateau_steps": [1, 50][both],
        "plateau_lengths": [4, 60][both],
        "plateau_distances": [0.2 * cell["start"], 0.1 * cell["start"]][both],
        "plateau_ranks": [0, 1][both],
        "plateau_curvatures": [-9.0, -0.2][both],
        "fastest_distance": 0.5,
        "negative_until": 100,
    }


def worst_case_row(cell):
    """Minima from r(r+3)/2 samples on: those searched for close to the bound, those planted at random far below."""
    side = cell["num_samples"] - planting_threshold(cell["rank"])
    kinds = dict.fromkeys(("global", "spurious", "rank_limited", "flat", "saddle", "unconverged", "inconclusive"), 0)
    numbers = {"span_dimension": cell["num_samples"], "objective": 1.0, "gap": 0.5}
    if side < 0:
        curvature, excess, kind = (-1e-4, 1e-2, "saddle") if cell["mode"] == "random" else (0.0, 0.3, "flat")
    elif cell["mode"] == "random":
        curvature, excess, kind = 1e-5, 0.01 * cell["planted_excess"], "spurious"
    else:
        curvature = balanced_curvature(cell["balance"])
        excess, kind = worst_excess(curvature) * (1.0 if cell["mode"] == "closed_form" else 0.99), "spurious"
    return {**kinds, kind: 1, **numbers, "curvature": curvature, "excess": excess, "best_known": 1.0 - excess}


def regime_row(cell):
    """Every measure a power of the width, of the derived order up to a little spread over seeds."""
    smooth, mean_field = cell["activation"] == "tanh", cell["scaling"] == "mean_field"
    orders = width_orders(smooth=smooth, mean_field=mean_field)
    spread = 0.01 * (-1) ** cell["seed"]
    level = (0.5 if mean_field else 0.1) * (1 + 0.3 * (cell["method"] == "full"))
    path = np.linspace(0, 1, 6) ** 2
    row = {"learning_rate": 0.5, "lam": 0.01, "steps": [0, 1, 3, 10, 30, 100]}
    row |= {"time": [0.5 * step for step in row["steps"]], "objective": [0.5] * 6, "linearized_objective": [0.5] * 6}
    for name, order in orders._asdict().items():
        row[name] = (level * (cell["width"] / 64) ** (order.high + spread) * path).tolist()
    return {**row, "held_out_distance": [1.5 * value for value in row["output_distance"]]}


ROWS = {
    "worst_case": worst_case_row,
    "infinite_width": width_row,
    "plateaus": plateau_row,
    "steps_to_optimum": steps_row,
    "generalization": generalization_row,
    "loud_minima": loud_row,
    "ntk_regime": regime_row,
    "landscape": landscape_row,
    "phase_diagram": survey_row,
    "minimizer_rank": rank_row,
    "regularization_path": path_row,
    "training_curves": curve_row,
    "high_rank_preheating": preheating_row,
}
