"""Other ways to the same optimum: LoRA with momentum, Adam, minibatches; full fine-tuning, plain and accelerated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.censoring import censored_median
from ntklora.plotting.style import BLUE, INK, SMALLEST, VERMILION, family_name, family_order, new_drawing
from ntklora.plotting.tables import gathered, range_in_words
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SETTING = ("family", "loss", "lam_ratio", "num_samples")
LEVELS = {"coarse": ("$10^{-3}$", BLUE, "o"), "fine": ("$10^{-6}$", VERMILION, "s")}
METHODS = {
    "lora": ("LoRA, descent", "gradient descent on LoRA"),
    "momentum": ("LoRA, momentum", "LoRA with momentum"),
    "adam": ("LoRA, Adam", "LoRA with Adam"),
    "minibatch": ("LoRA, batches", "LoRA on minibatches"),
    "full": ("full, $1/\\beta$", "full fine-tuning with the step 1/beta"),
    "full_local": ("full, local step", "full fine-tuning with the step of the curvature at the optimum"),
    "accelerated": ("full, accelerated", "accelerated full fine-tuning"),
}
COLUMNS = 2

Records = Sequence[Mapping[str, Any]]


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per setting and method, LoRA at the smallest rank with r(r+1)/2 > KN that was trained."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["steps_to_optimum"]:
        if row["rank"] == 0 or row["rank"] >= row["guaranteed_rank"]:
            cells[(*(row[name] for name in SETTING), row["method"], row["rank"])].append(row)
    smallest: dict[tuple[Any, ...], int] = {}
    for *group, rank in cells:
        smallest[tuple(group)] = min(rank, smallest.get(tuple(group), rank))
    return [
        _record((*group, smallest[group]), cells[*group, smallest[group]]) for group in sorted(smallest, key=_place)
    ]


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    family, loss, lam_ratio, num_samples, method = key
    return loss != "squared", family_order(family), loss, -lam_ratio, num_samples, list(METHODS).index(method)


def _record(key: tuple[Any, ...], rows: Rows) -> Mapping[str, Any]:
    record = dict(zip((*SETTING, "method", "rank"), key, strict=True))
    record |= {"num_outputs": rows[0]["num_outputs"], "num_steps": min(row["num_steps"] for row in rows)}
    record |= {"seeds": len(rows), "learning_rate": float(np.median([row["learning_rate"] for row in rows]))}
    for level in LEVELS:
        times = [row[f"steps_{level}"] for row in rows]
        low, value, high = censored_median(times)
        record |= {level: value, f"{level}_low": low, f"{level}_high": high}
        record[f"{level}_reached"] = sum(time is not None for time in times)
    return record | {"excess_max": max(row["excess"] for row in rows)}


def finding(table: Table) -> str:
    """How many steps each way takes as a multiple of gradient descent's on LoRA, and which do not arrive."""
    return " ".join((*_multiples(table), *_first(table), *_late(table)))


def _multiples(table: Table) -> Iterator[str]:
    factors: dict[str, list[float]] = defaultdict(list)
    for records in gathered(table, *SETTING).values():
        own = {record["method"]: record["fine"] for record in records}
        for method, steps in own.items():
            if method != "lora" and steps is not None and own.get("lora") is not None:
                factors[method].append(steps / own["lora"])
    if factors:
        said = (f"{METHODS[method][1]} {range_in_words(factors[method])}" for method in METHODS if factors[method])
        yield f"Median steps to 1e-6 as multiples of gradient descent's on LoRA: {'; '.join(said)}."


def _first(table: Table) -> Iterator[str]:
    """JLR's figures have full fine-tuning fastest: whether it is depends on its step and its method."""
    beats_descent = beats_all = best = both = 0
    for records in gathered(table, *SETTING).values():
        own = {record["method"]: record["fine"] if record["fine"] is not None else np.inf for record in records}
        if {"lora", "full"} <= set(own):
            both += 1
            beats_descent += own["full"] < own["lora"]
            beats_all += own["full"] < min(steps for method, steps in own.items() if method in LORA)
            best += min(own, key=lambda method: own[method]) in WHOLE
    if both:
        yield (
            f"Full fine-tuning with the step 1/beta takes fewer steps than gradient descent on LoRA in {beats_descent} "
            f"of {both} settings and fewer than every way to train LoRA in {beats_all}; in its fastest form it is the "
            f"fastest of all in {best}."
        )


LORA = ("lora", "momentum", "adam", "minibatch")
WHOLE = ("full", "full_local", "accelerated")


def _late(table: Table) -> Iterator[str]:
    for method in METHODS:
        records = [record for record in table if record["method"] == method]
        reached, runs = (sum(record[name] for record in records) for name in ("fine_reached", "seeds"))
        if reached < runs:
            name = METHODS[method][1]
            worst = max(record["excess_max"] for record in records)
            said = f"{name[0].upper()}{name[1:]} is cut off before 1e-6 in {runs - reached} of {runs} runs"
            yield f"{said} (worst excess {worst:.0e})."


def draw(table: Table) -> Drawing:
    """A panel for each setting: one line per method, steps to both levels with their intervals."""
    settings = gathered(table, *SETTING)
    methods = [method for method in METHODS if any(record["method"] == method for record in table)]
    lines = -(-len(settings) // COLUMNS)
    drawing = new_drawing((0.5 + 0.13 * len(methods)) * lines + 0.4)
    grid = drawing.subplots(lines, COLUMNS, squeeze=False, sharey=True, sharex=True)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(settings))
    for axes, records in zip(grid.flat, settings.values()):
        _panel(axes, records, methods)
    shown = [value for record in table for level in LEVELS for value in (record[level], record["num_steps"]) if value]
    grid[0, 0].set_xlim(10 ** np.floor(np.log10(min(shown))), 10 ** np.ceil(np.log10(max(shown))))
    for axes in grid.flat[max(len(settings) - COLUMNS, 0) : len(settings)]:
        axes.set_xlabel("steps")
        axes.tick_params(labelbottom=True)
    drawing.supylabel("way to train", fontsize=7)
    _legend(drawing)
    return drawing


def _panel(axes: Axes, records: Records, methods: Sequence[str]) -> None:
    from matplotlib.ticker import NullFormatter

    for shift, (level, (_, color, marker)) in zip((-0.15, 0.15), LEVELS.items(), strict=True):
        for record in records:
            y = methods.index(record["method"]) + shift
            value, cap = record[level], record["num_steps"]
            if value is None:
                axes.plot(cap, y, color=color, marker=">", linestyle="", markerfacecolor="white", clip_on=False)
            else:
                low, high = record[f"{level}_low"], record[f"{level}_high"]
                ends = (value, value) if low is None else (low, cap if high is None else high)
                axes.plot(ends, (y, y), color=color, linewidth=0.8)
                axes.plot(value, y, color=color, marker=marker, linestyle="")
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())  # decades alone, however short the axis
    axes.set_yticks(range(len(methods)), [METHODS[method][0] for method in methods], fontsize=SMALLEST)
    axes.set_ylim(len(methods) - 0.5, -0.5)
    first = records[0]
    rank = max(record["rank"] for record in records)
    loss = "" if first["loss"] == "squared" else f" ({first['loss'].replace('_', '-')})"
    name = family_name(first["family"]).removesuffix(" features")
    seeds = f"{first['seeds']} seed{'s' * (first['seeds'] > 1)}"
    decay = f"$\\lambda = {first['lam_ratio']:g}\\,\\lambda_{{\\max}}$"
    axes.set_title(f"{name}{loss}, {seeds}\n$K = {first['num_outputs']}$, $r = {rank}$, {decay}", fontsize=6.5)


def _legend(drawing: Drawing) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=color, marker=marker, label=f"excess {name}") for name, color, marker in LEVELS.values()
    ]
    handles.append(Line2D([], [], color=INK, marker=">", markerfacecolor="white", linestyle="", label="median cut off"))
    drawing.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=SMALLEST, columnspacing=1.0)


figure = Figure(
    name="ways_to_train",
    title="Optimizers, minibatches and full fine-tuning beside gradient descent",
    caption=(
        "Steps until the objective is within 1e-3 and 1e-6 of the certified optimum, relative: medians over seeds with "
        "the sign test's 95% intervals, in which runs that were cut off count as later than all others. LoRA at the "
        "smallest rank trained with r(r+1)/2 > KN, from its own initialization: gradient descent with the step "
        "1/max(curvature at the start, at the optimum); heavy-ball momentum 0.9 with the same step; Adam with a step "
        "that decays from 0.01 to 0; minibatches of N/4 with the step of descent decaying to 0. Full fine-tuning by "
        "proximal gradient from 0: with the step 1/beta, with the reciprocal of the loss's curvature at the optimum "
        "(another step only where the loss is not quadratic), and accelerated."
    ),
    experiments=("steps_to_optimum",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
