"""How gradient descent on LoRA's factors nears the certified optimum: one curve per rank, full fine-tuning beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.style import GREY, INK, SMALLEST, Look, family_name, family_order, ladder, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ROUNDING = 1e-12  # of the objective, relative: a gap may be smaller than what the sum of the losses is rounded to
LINEAR = 1e-4  # below, the vertical axis is linear, so that the optimum itself is on it
COLUMNS = 2


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per curve and step: the relative excess (F - F*)/F*, its median and its extremes over seeds."""
    curves: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["training_curves"]:
        curves[row["network"], row["labels"] != "true", row["method"], row["rank"]].append(row)
    return [record for key in sorted(curves, key=_place) for record in _curve(key, curves[key])]


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    network, random_labels, method, rank = key
    return family_order(network), random_labels, method != "lora", rank


def _curve(key: tuple[Any, ...], rows: Rows) -> list[Mapping[str, Any]]:
    network, random_labels, method, rank = key
    shared = {
        "family": f"{network}_random_labels" if random_labels else network,
        "num_samples": rows[0]["num_samples"],
        "num_outputs": rows[0]["num_outputs"],
        "method": method,
        "rank": rank if method == "lora" else None,
        "guaranteed_rank": rows[0]["guaranteed_rank"],
        "seeds": len(rows),
        "reached": sum(row["reached"] for row in rows),
    }
    optimum = np.array([row["primal"] for row in rows])
    objective = np.array([row["objective"] for row in rows])
    excess = objective / optimum[:, None] - 1
    summary = {
        "excess": np.median(excess, axis=0),
        "excess_min": excess.min(axis=0),
        "excess_max": excess.max(axis=0),
        "objective": np.median(objective, axis=0),
    }
    certified = {"optimum": float(np.median(optimum)), "gap_max": max(row["gap"] for row in rows)}
    return [
        {**shared, "step": step, **{name: float(values[place]) for name, values in summary.items()}, **certified}
        for place, step in enumerate(rows[0]["steps"])
    ]


def finding(table: Table) -> str:
    """Which curves end at the certified optimum: ranks with T2's guarantee, smaller ones, full fine-tuning."""
    ends = list({_key(record): record for record in table}.values())
    lora = [record for record in ends if record["method"] == "lora"]
    guaranteed = [record for record in lora if record["rank"] >= record["guaranteed_rank"]]
    below = [record for record in lora if record["rank"] < record["guaranteed_rank"]]
    full = [record for record in ends if record["method"] == "full"]
    last = max(record["step"] for record in ends)
    sentences = [f"After {last:,} steps:"]
    if guaranteed:
        sentences.append(f"at ranks with r(r+1)/2 > KN {_reached(guaranteed)};")
    if below:
        sentences.append(f"at smaller ranks {_reached(below)};")
    if full:
        sentences.append(f"in full fine-tuning {_reached(full)};")
    under = min(record["excess_min"] + record["gap_max"] for record in ends) + ROUNDING
    sentences.append(
        "no run ends below the certified dual bound."
        if under >= 0
        else f"one ends below the certified dual bound (by {-under:.0e}), which no correct certificate allows."
    )
    return " ".join(sentences)


def _reached(ends: Sequence[Mapping[str, Any]]) -> str:
    reached = sum(record["reached"] == record["seeds"] for record in ends)
    worst = max(record["excess_max"] for record in ends)
    return f"{reached} of {len(ends)} curves end within 1% of the optimum (worst {worst:.2g})"


def _key(record: Mapping[str, Any]) -> tuple[Any, ...]:
    return record["family"], record["method"], record["rank"]


def draw(table: Table) -> Drawing:
    """One panel for each family: relative excess against steps."""
    families = list(dict.fromkeys(record["family"] for record in table))
    ranks = sorted({record["rank"] for record in table if record["method"] == "lora"})
    guaranteed = min(record["guaranteed_rank"] for record in table)
    looks = {
        rank: look._replace(linestyle="-" if rank >= guaranteed else (0, (2, 1)))
        for rank, look in zip(ranks, ladder(len(ranks)), strict=True)
    }
    top = max(record["excess_max"] for record in table)
    lines = -(-len(families) // COLUMNS)
    drawing = new_drawing(1.15 * lines + 0.7)
    grid = drawing.subplots(lines, COLUMNS, squeeze=False, sharex=True, sharey=True)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(families))
    for axes, family in zip(grid.flat, families):
        _panel(axes, [record for record in table if record["family"] == family], looks, top)
    for axes in grid.flat[max(len(families) - COLUMNS, 0) : len(families)]:
        axes.set_xlabel("gradient steps")
        axes.tick_params(labelbottom=True)
    drawing.supylabel("relative excess $(F - F^*)/F^*$", fontsize=7)
    _legend(drawing, looks, guaranteed)
    return drawing


def _panel(axes: Axes, records: Table, looks: Mapping[int, Look], top: float) -> None:
    from matplotlib.ticker import FixedLocator

    axes.axhline(0.0, color=INK, linewidth=0.8)
    curves: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        curves[_key(record)].append(record)
    for (_, method, rank), curve in curves.items():
        look = looks[rank] if method == "lora" else FULL
        steps = np.array([record["step"] for record in curve]) + 1
        axes.plot(
            steps, [record["excess"] for record in curve], color=look.color, linestyle=look.linestyle,
            marker=look.marker, markevery=(len(steps) // 5, len(steps) // 4),
        )  # fmt: skip
        if curve[0]["seeds"] > 1:
            low, high = ([record[name] for record in curve] for name in ("excess_min", "excess_max"))
            axes.fill_between(steps, low, high, color=look.color, alpha=0.15, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=1.0)
    axes.set_yticks([0, *(LINEAR * 100.0**power for power in range(5))])
    axes.yaxis.set_minor_locator(FixedLocator([LINEAR * 10.0**power for power in range(9)]))
    axes.set_ylim(-LINEAR / 3, 2 * top)
    first = records[0]
    seeds = f"{first['seeds']} seed{'s' * (first['seeds'] > 1)}"
    counts = f"$N = {first['num_samples']}$, $K = {first['num_outputs']}$, {seeds}"
    axes.set_title(f"{family_name(first['family'])}\n{counts}", fontsize=6.5)


FULL = Look(GREY, "", (0, (5, 1, 1, 1)))


def _legend(drawing: Drawing, looks: Mapping[int, Look], guaranteed: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle=look.linestyle,
               label=f"LoRA, $r = {rank}$" + (" (T2)" if rank >= guaranteed else ""))
        for rank, look in looks.items()
    ]  # fmt: skip
    handles.append(Line2D([], [], color=FULL.color, linestyle=FULL.linestyle, label="full fine-tuning"))
    handles.append(Line2D([], [], color=INK, linewidth=0.8, label="certified optimum $F^*$"))
    drawing.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=SMALLEST, columnspacing=1.0)


figure = Figure(
    name="training_curves",
    title="Gradient descent against the certified optimum",
    caption=(
        "Relative excess of the LoRA objective over the certified optimum F* against full-batch gradient steps (the "
        "first step counts as 1), one curve per rank, from LoRA's own initialization; full fine-tuning by proximal "
        "gradient beside it. "
        "The vertical axis is linear below 10⁻⁴, so that the optimum is on it. Solid, (T2): ranks with r(r+1)/2 > KN. "
        "Digits, two classes, in the manner of JLR's figures. Medians, with extremes as a band where there are seeds."
    ),
    experiments=("training_curves",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
