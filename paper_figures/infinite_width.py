"""How the LoRA problems of finite networks approach the one of the infinitely wide network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.intervals import Interval, log_line, mean_interval, median_interval
from ntklora.plotting.style import BLUE, GREY, SMALLEST, VERMILION, new_drawing
from ntklora.plotting.tables import gathered
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

DISTANCES = {
    "kernel_distance": "kernel",
    "lam_max_change": r"$\lambda_{\max}$",
    "primal_change": "certified optimum $F^*$",
    "output_distance": "outputs at the optimum",
}
SPOKEN = {
    "kernel_distance": "kernel",
    "lam_max_change": "λ_max",
    "primal_change": "certified optimum",
    "output_distance": "its outputs",
}
NAMES = {"relu": "ReLU", "erf": "erf"}
LOOKS = {"relu": (BLUE, "o", "-"), "erf": (VERMILION, "s", (0, (4, 1)))}
RATE = -0.5  # of a mean over independent units [derived]


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per activation and width: medians over seeds with intervals, ranks, and the activation's slopes."""
    groups: dict[str, dict[int, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows["infinite_width"]:
        groups[row["activation"]][row["width"]].append(row)
    table = []
    for activation in sorted(groups, key=list(NAMES).index):
        widths = groups[activation]
        slopes = {name: _slope(widths, name) for name in DISTANCES}
        table += [_record(activation, width, widths[width], slopes) for width in sorted(widths)]
    return table


def _record(
    activation: str, width: int, rows: Sequence[Mapping[str, Any]], slopes: Mapping[str, Interval | None]
) -> Mapping[str, Any]:
    record: dict[str, Any] = {"activation": activation, "width": width, "instances": len(rows)}
    for name in DISTANCES:
        low, value, high = median_interval([abs(row[name]) for row in rows])
        record |= {name: value, f"{name}_low": low, f"{name}_high": high}
        slope = slopes[name]
        for end in Interval._fields:
            record[f"{name}_slope_{end}"] = None if slope is None else getattr(slope, end)
    low, value, high = mean_interval([row["primal_change"] for row in rows])
    record |= {"primal_mean": value, "primal_mean_low": low, "primal_mean_high": high}
    record["total_rank"] = float(np.mean([row["total_rank"] for row in rows]))
    record["limit_rank"] = float(np.mean([row["limit_rank"] for row in rows]))
    record["same_ranks"] = sum(row["rank_difference"] == 0 for row in rows)
    record["pataki_rank"] = max(row["pataki_rank"] for row in rows)
    return record | {"gap": max(row["gap"] for row in rows)}


def _slope(widths: Mapping[int, Sequence[Mapping[str, Any]]], name: str) -> Interval | None:
    """The exponent of the width: for each seed a line through the logarithms, of which the mean."""
    curves: dict[int, dict[int, float]] = defaultdict(dict)
    for width, rows in widths.items():
        for row in rows:
            if row[name]:
                curves[row["seed"]][width] = abs(row[name])
    fitted = [log_line(list(curve), list(curve.values())).slope for curve in curves.values() if len(curve) > 1]
    return mean_interval(fitted) if len(fitted) > 1 else None


def finding(table: Table) -> str:
    """Whether each distance falls with the width, how fast, how far off the widest network is, and its ranks."""
    first = {record["activation"]: record for record in reversed(table)}
    last = {record["activation"]: record for record in table}
    parts = [_rates(NAMES[name], first[name], last[name]) for name in last]
    same, count = (sum(record[key] for record in last.values()) for key in ("same_ranks", "instances"))
    widest = max(record["width"] for record in table)
    ranks = ", ".join(
        f"{NAMES[name]} {first[name]['total_rank']:.1f} at width {first[name]['width']}, "
        f"{last[name]['total_rank']:.1f} at {last[name]['width']}, {last[name]['limit_rank']:.1f} in the limit"
        for name in last
    )
    return (
        f"{' '.join(parts)} The minimizer's rank, summed over the weights, is on average {ranks}; every weight has the "
        f"limit's rank in {same} of {count} networks of width {widest}. T1 allows "
        f"{max(record['pataki_rank'] for record in table)} for each weight."
    )


def _rates(name: str, narrow: Mapping[str, Any], wide: Mapping[str, Any]) -> str:
    slopes = {words: [wide[f"{each}_slope_{end}"] for end in Interval._fields] for each, words in SPOKEN.items()}
    verdicts: dict[str, list[str]] = defaultdict(list)
    for words, slope in slopes.items():
        low, value, high = slope
        rate = "" if value is None else f" (n^{value:.2f}, interval {low:.2f} to {high:.2f})"
        verdicts[_verdict(*slope)].append(f"{words}{rate}")
    said = "; ".join(f"{verdict}: {', '.join(each)}" for verdict, each in verdicts.items())
    far = ", ".join(f"{words} {wide[each]:.1%}" for each, words in SPOKEN.items())
    return (
        f"{name}, widths {narrow['width']} to {wide['width']}, distances to the limit: {said}. At the last they are "
        f"{far} (medians); in the mean the optimum lies {_bias(narrow)} at the first and {_bias(wide)} at the last."
    )


def _verdict(low: float | None, value: float | None, high: float | None) -> str:
    if low is None or value is None or high is None:
        return "too few runs to tell"
    if high >= 0:
        return "rising, against the limit" if low > 0 else "not certainly falling"
    if low <= RATE <= high:
        return "falling as means over units do [derived: n^-0.5]"
    return f"falling {'faster' if value < RATE else 'more slowly'} than means over units"


def _bias(record: Mapping[str, Any]) -> str:
    low, value, high = (record[f"primal_mean{end}"] for end in ("_low", "", "_high"))
    if low <= 0 <= high:
        return f"within {max(-low, high):.1%} of its limit"
    return f"{abs(value):.0%} {'above' if value > 0 else 'below'} its limit"


def draw(table: Table) -> Drawing:
    """Four distances and the ranks over the width."""
    drawing = new_drawing(3.5)
    grid = drawing.add_gridspec(3, 2, height_ratios=(1, 1, 0.9))
    for place, (name, title) in enumerate(DISTANCES.items()):
        axes = drawing.add_subplot(grid[place // 2, place % 2])
        _distances(axes, table, name)
        axes.set_title(title)
        if place % 2 == 0:
            axes.set_ylabel("relative distance")
    _ranks(drawing.add_subplot(grid[2, :]), table)
    return drawing


def _distances(axes: Axes, table: Table, name: str) -> None:
    from matplotlib.ticker import NullFormatter

    for (activation,), records in gathered(table, "activation").items():
        x, y = [record["width"] for record in records], [record[name] for record in records]
        below = [value - record[f"{name}_low"] for value, record in zip(y, records, strict=True)]
        above = [record[f"{name}_high"] - value for value, record in zip(y, records, strict=True)]
        color, marker, dashes = LOOKS[activation]
        slope = records[0][f"{name}_slope_value"]
        label = NAMES[activation] + ("" if slope is None else f": $n^{{{slope:.2f}}}$")
        axes.errorbar(
            x, y, yerr=[below, above], color=color, marker=marker, linestyle=dashes, linewidth=0.9, elinewidth=0.6,
            capsize=1.2, capthick=0.6, markersize=2.6, label=label,
        )  # fmt: skip
    widths = sorted({record["width"] for record in table})
    start = max(record[name] for record in table if record["width"] == widths[0])
    rate = [1.6 * start * (width / widths[0]) ** RATE for width in widths]
    axes.plot(widths, rate, ":", color=GREY, linewidth=0.9)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(bottom=min(record[f"{name}_low"] for record in table) / 6)  # room for the legend
    _ticks(axes, widths)
    axes.legend(fontsize=SMALLEST, loc="lower left")


def _ranks(axes: Axes, table: Table) -> None:
    for (activation,), records in gathered(table, "activation").items():
        color, marker, dashes = LOOKS[activation]
        x = [record["width"] for record in records]
        axes.plot(
            x, [record["total_rank"] for record in records], color=color, marker=marker, linestyle=dashes,
            linewidth=0.9, markersize=2.6, label=NAMES[activation],
        )  # fmt: skip
        limits = [record["limit_rank"] for record in records]
        axes.plot(x, limits, color=color, linewidth=0.6, linestyle=":", label=f"{NAMES[activation]}, limit")
    axes.set_xscale("log")
    _ticks(axes, sorted({record["width"] for record in table}))
    axes.set_ylabel("rank, summed\nover weights")
    axes.set_xlabel("width $n$")
    axes.legend(fontsize=SMALLEST, ncols=2, loc="upper right")


def _ticks(axes: Axes, widths: Sequence[int]) -> None:
    from matplotlib.ticker import NullLocator

    some = widths[:: 1 + len(widths) // 5]
    axes.set_xticks(some, [str(width) for width in some])
    axes.xaxis.set_minor_locator(NullLocator())


figure = Figure(
    name="infinite_width",
    title="Finite networks approach the infinitely wide one",
    caption=(
        "Relative distances of kernel, λ_max, certified optimum and its outputs to those of the infinitely wide "
        "MLP in closed form, and rank of the certified minimizer summed over the weights, over the width of the hidden "
        "layers; digits, all weights adapted, outputs at initialization centred, the same weight decay at every width. "
        "Medians over seeds (ranks: means) with 95% bootstrap intervals; exponents are means over seeds of one fit for "
        "each, with Student's intervals. Dotted grey: width^(-1/2), the rate of a mean over units, which a bias of "
        "order 1/width hides in narrow networks [derived]; other dotted lines: the limit."
    ),
    experiments=("infinite_width",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
