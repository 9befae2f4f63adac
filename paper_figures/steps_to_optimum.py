"""Steps of gradient descent to the certified optimum against the LoRA rank, and the rate at which it ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.censoring import censored_median
from ntklora.plotting.style import (
    BLUE,
    GREY,
    INK,
    SMALLEST,
    VERMILION,
    Look,
    family_name,
    family_order,
    ladder,
    new_drawing,
)
from ntklora.plotting.tables import gathered, range_in_words
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SETTING = ("family", "loss", "lam_ratio", "num_samples")
LEVELS = {"coarse": ("$10^{-3}$", BLUE, "o"), "fine": ("$10^{-6}$", VERMILION, "s")}
FULL = {"full": (0, (5, 1, 1, 1)), "accelerated": (0, (1, 1))}
GUARANTEE = (0, (2, 2))
SLOWER = 0.99  # a measured rate below this share of the certified one contradicts it
COLUMNS = 2

Records = Sequence[Mapping[str, Any]]


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per setting and rank (0: full fine-tuning): medians over seeds, runs that were cut off counted."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["steps_to_optimum"]:
        if row["method"] in ("lora", *FULL):
            cells[(*(row[name] for name in SETTING), row["method"], row["rank"])].append(row)
    return [_record(key, cells[key]) for key in sorted(cells, key=_place)]


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    family, loss, lam_ratio, num_samples, method, rank = key
    return loss != "squared", family_order(family), loss, -lam_ratio, num_samples, method != "lora", method, rank


def _record(key: tuple[Any, ...], rows: Rows) -> Mapping[str, Any]:
    record = dict(zip((*SETTING, "method", "rank"), key, strict=True))
    record |= {"num_outputs": rows[0]["num_outputs"], "guaranteed_rank": rows[0]["guaranteed_rank"]}
    record |= {"num_steps": min(row["num_steps"] for row in rows), "seeds": len(rows)}
    for level in LEVELS:
        times = [row[f"steps_{level}"] for row in rows]
        low, value, high = censored_median(times)
        record |= {level: value, f"{level}_low": low, f"{level}_high": high}
        record[f"{level}_reached"] = sum(time is not None for time in times)
    # The seeds whose optimum has at most this rank: only there can LoRA reach it.
    able = [row for row in rows if row["method"] != "lora" or row["rank"] >= row["optimal_rank"]]
    record["able"] = len(able)
    record["able_reached"] = sum(row["steps_fine"] is not None for row in able)
    record["able_excess_max"] = max((row["excess"] for row in able if row["steps_fine"] is None), default=None)
    rated = [row for row in rows if row["tail_rate"] is not None and row["certified_rate"] is not None]
    shares = [row["tail_rate"] / row["certified_rate"] for row in rated]
    record |= {"rates": len(rated), "rate_share_min": min(shares, default=None)}
    record |= {"rate_share": _median(shares), "rate_share_max": max(shares, default=None)}
    record["certified_rate"] = _median([row["certified_rate"] for row in rated])
    return record


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None


def finding(table: Table) -> str:
    """Who arrives, whether more rank is faster, and whether the tail has the certified rate."""
    lora = [record for record in table if record["method"] == "lora"]
    return " ".join(sentence for sentence in (*_arrivals(lora), _slope(lora), _decays(lora), _rates(lora)) if sentence)


def _arrivals(lora: Records) -> Iterator[str]:
    guaranteed = [record for record in lora if record["rank"] >= record["guaranteed_rank"]]
    smaller = [record for record in lora if record["rank"] < record["guaranteed_rank"]]
    counts = [
        f"in {_sum(records, 'able_reached')} of {_sum(records, 'able')} runs {where}"
        for where, records in (("where r(r+1)/2 > KN", guaranteed), ("at smaller ranks", smaller))
        if _sum(records, "able")
    ]
    if counts:
        yield (
            "At ranks that hold the certified optimum, gradient descent from LoRA's start comes within 1e-6 of it "
            f"{' and '.join(counts)}."
        )
    late = [record["able_excess_max"] for record in lora if record["able_excess_max"] is not None]
    if late:
        caps = sorted({record["num_steps"] for record in lora})
        yield f"The others were cut off after {caps[0]:,} steps or more, at most {max(late):.0e} above it."
    unable = _sum(lora, "seeds") - _sum(lora, "able")
    if unable:
        arrived = _sum(lora, "fine_reached") - _sum(lora, "able_reached")
        yield f"Below the optimum's rank it does in {arrived} of {unable}."


def _slope(lora: Records) -> str:
    """The median at the largest rank against that at the smallest where every run arrives."""
    factors = []
    for records in gathered(lora, *SETTING).values():
        arrived = [record for record in records if record["fine_reached"] == record["seeds"]]
        if len(arrived) > 1:
            factors.append(arrived[-1]["fine"] / arrived[0]["fine"])
    if not factors:
        return ""
    faster = sum(factor < 1 for factor in factors)
    all_or_none = {len(factors): "More rank is faster", 0: "More rank is not faster"}
    verdict = all_or_none.get(faster, "More rank is not always faster")
    return (
        f"{verdict}: from the smallest rank at which every run arrives to the largest, the median number of steps to "
        f"1e-6 falls in {faster} of {len(factors)} settings (it becomes {range_in_words(factors)} times as large)."
    )


def _decays(lora: Records) -> str:
    """What a smaller weight decay costs: the tail's rate is at most about `2ηλ`."""
    largest: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    factors = []
    for record in lora:  # the largest decay of a family comes first
        if record["rank"] >= record["guaranteed_rank"] and record["fine"] is not None:
            key = (record["family"], record["loss"], record["num_samples"], record["rank"])
            large = largest.setdefault(key, record)
            if record is not large:
                factors.append((large["lam_ratio"] / record["lam_ratio"], record["fine"] / large["fine"]))
    if not factors:
        return ""
    smaller, longer = (range_in_words([pair[side] for pair in factors]) for side in (0, 1))
    return f"With the weight decay {smaller} times smaller the median number is {longer} times as large."


def _rates(lora: Records) -> str:
    known = [record for record in lora if record["rates"]]
    if not known:
        return ""
    lowest, highest = min(r["rate_share_min"] for r in known), max(r["rate_share_max"] for r in known)
    middle = float(np.median([record["rate_share"] for record in known]))
    measured = f"{lowest:.3f} to {highest:.2f} times it over {_sum(known, 'rates')} runs, median {middle:.3f}"
    if lowest < SLOWER:
        return f"A tail is slower than the certified rate -2 log(1 - eta mu), which contradicts it ({measured})."
    return f"No tail is slower than the certified rate -2 log(1 - eta mu) [derived] ({measured})."


def _sum(records: Records, name: str) -> int:
    return sum(record[name] for record in records)


def draw(table: Table) -> Drawing:
    """A panel of steps over the rank for each setting, and one of rates."""
    settings = gathered(table, *SETTING)
    lines = -(-(len(settings) + 1) // COLUMNS)
    drawing = new_drawing(1.2 * lines + 0.75)
    grid = drawing.subplots(lines, COLUMNS, squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place <= len(settings))
    for axes, records in zip(grid.flat, settings.values()):
        _steps(axes, records)
    looks = ladder(len(settings))
    _rate_panel(grid.flat[len(settings)], list(settings.values()), looks)
    _legend(drawing, looks, [f"{_short(first)}, {_decay(first)}" for first, *_ in settings.values()])
    return drawing


def _steps(axes: Axes, records: Records) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator

    lora = [record for record in records if record["method"] == "lora"]
    first, cap = records[0], max(record["num_steps"] for record in records)
    for shift, (level, (_, color, marker)) in zip((0.96, 1.04), LEVELS.items(), strict=True):
        known = [record for record in lora if record[level] is not None]
        y = np.array([record[level] for record in known], float)
        # Without an interval (too few runs) the point stands alone; an end that was cut off is at the cap.
        low, high = ([_end(record, level, side, cap) for record in known] for side in ("low", "high"))
        axes.errorbar(
            [shift * record["rank"] for record in known], y, yerr=[y - low, high - y],
            color=color, marker=marker, elinewidth=0.7, capsize=1.2, capthick=0.6,
        )  # fmt: skip
        for record in lora:
            if record[level] is None:
                axes.plot(shift * record["rank"], cap, color=color, marker="^", markerfacecolor="white")
    for record in records:
        if record["method"] in FULL and record["fine"] is not None:
            axes.axhline(record["fine"], color=GREY, linewidth=0.8, linestyle=FULL[record["method"]], zorder=1)
    axes.axvline(first["guaranteed_rank"], color=INK, linewidth=0.6, linestyle=GUARANTEE, zorder=1)
    axes.axhline(cap, color=INK, linewidth=0.4, zorder=1)
    ranks = sorted({record["rank"] for record in lora} | {1})
    shown = [rank for rank in ranks if rank & (rank - 1) == 0]
    axes.set_xscale("log", base=2)
    axes.set_xticks(shown, [str(rank) for rank in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(0.8, 1.25 * max(ranks))
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())  # decades alone, however short the axis
    axes.set_xlabel("rank $r$")
    axes.set_ylabel("steps")
    seeds = f"{first['seeds']} seed{'s' * (first['seeds'] > 1)}"
    counts = f"$N = {first['num_samples']}$, $K = {first['num_outputs']}$"
    axes.set_title(f"{_short(first)}, {seeds}\n{counts}, {_decay(first)}", fontsize=6.5)


def _end(record: Mapping[str, Any], level: str, side: str, cap: float) -> float:
    if record[f"{level}_low"] is None:
        return record[level]
    return cap if record[f"{level}_{side}"] is None else record[f"{level}_{side}"]


def _short(record: Mapping[str, Any]) -> str:
    loss = "" if record["loss"] == "squared" else f" ({record['loss'].replace('_', '-')})"
    return family_name(record["family"]).removesuffix(" features") + loss


def _decay(record: Mapping[str, Any]) -> str:
    return f"$\\lambda = {record['lam_ratio']:g}\\,\\lambda_{{\\max}}$"


def _rate_panel(axes: Axes, settings: Sequence[Records], looks: Sequence[Look]) -> None:
    from matplotlib.ticker import NullFormatter

    known = [record for records in settings for record in records if record["rates"]]
    ends = [record["certified_rate"] for record in known] or [1e-3, 1e-1]
    line = [0.7 * min(ends), 1.4 * max(ends)]
    axes.plot(line, line, color=INK, linewidth=0.8, zorder=1)
    for records, look in zip(settings, looks, strict=True):
        rated = [record for record in records if record["rates"]]
        x = np.array([record["certified_rate"] for record in rated])
        y = np.array([record["rate_share"] for record in rated]) * x
        spread = [y - x * [r["rate_share_min"] for r in rated], x * [r["rate_share_max"] for r in rated] - y]
        axes.errorbar(x, y, yerr=spread, color=look.color, marker=look.marker, linestyle="", elinewidth=0.7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(r"$-2\log(1 - \eta\mu)$ [derived]")
    axes.set_ylabel("measured")
    axes.set_title("decay of $\\log$ excess per step,\nfrom $10^{-8}$ to $10^{-10}$", fontsize=6.5)


def _legend(drawing: Drawing, looks: Sequence[Look], names: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    levels = [
        Line2D([], [], color=color, marker=marker, label=f"excess {name}") for name, color, marker in LEVELS.values()
    ]
    levels += [
        Line2D([], [], color=GREY, linestyle=FULL["full"], label="full fine-tuning"),
        Line2D([], [], color=GREY, linestyle=FULL["accelerated"], label="the same, accelerated"),
        Line2D([], [], color=INK, linestyle=GUARANTEE, linewidth=0.6, label="$r(r+1)/2 > KN$, T2 [paper]"),
        Line2D([], [], color=INK, marker="^", markerfacecolor="white", linestyle="", label="median cut off"),
    ]
    settings = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="", label=name)
        for look, name in zip(looks, names, strict=True)
    ]
    handles = [*levels, *settings]
    drawing.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=SMALLEST, columnspacing=1.0)


figure = Figure(
    name="steps_to_optimum",
    title="Steps to the certified optimum against the rank",
    caption=(
        "Full-batch gradient steps from LoRA's own initialization until the objective is within 1e-3 and 1e-6 of the "
        "certified optimum, relative, over the rank r: medians over seeds with the sign test's 95% intervals, in which "
        "a run that the cap (thin line) cut off counts as later than all others; a triangle at the cap: the median run "
        "was cut off. The step is 1/max(curvature at the start, at the optimum) at every rank. Grey: full fine-tuning "
        "to 1e-6 by proximal gradient with the step 1/beta, plain and accelerated. Dashed: from here on T2 [paper] "
        "applies. Last panel: the measured rate of the tail beside the one that the smallest curvature mu at the "
        "certified optimum gives [derived]; medians over seeds, extremes as bars, one point for each rank."
    ),
    experiments=("steps_to_optimum",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
