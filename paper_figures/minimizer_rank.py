"""How large the rank of the optimum is, before and after rank reduction, against the bound of T1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ntklora.plotting.intervals import median_interval
from ntklora.plotting.style import BLUE, INK, SMALLEST, VERMILION, family_name, family_order, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import pataki_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PANEL = ("family", "loss", "num_outputs")
LOSSES = {"squared": "squared", "logistic": "logistic", "cross_entropy": "cross-entropy"}
TINTS = ((BLUE, "o"), (VERMILION, "s"), ("#117733", "^"))  # one for each lambda
DASHES = (0, (1.5, 1))
COLUMNS = 2


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per panel, lambda and number of samples: medians over seeds with bootstrap intervals."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["minimizer_rank"]:
        cells[(*(row[name] for name in PANEL), row["lam_ratio"], row["num_samples"])].append(row)
    keys = sorted(cells, key=lambda key: (key[2], key[1], family_order(key[0]), -key[3], key[4]))
    return [_record(key, cells[key]) for key in keys]


def _record(key: tuple[Any, ...], rows: Rows) -> Mapping[str, Any]:
    record = dict(zip((*PANEL, "lam_ratio", "num_samples"), key, strict=True))
    record |= {"instances": len(rows), "pataki_rank": pataki_rank(record["num_samples"] * record["num_outputs"])}
    record["span_dimension"] = max(row["span_dimension"] for row in rows)
    for name in ("rank", "reduced_rank"):
        low, value, high = median_interval([row[name] for row in rows])
        record |= {name: value, f"{name}_low": low, f"{name}_high": high}
        record[f"{name}_max"] = max(row[name] for row in rows)
    return record | {"reduced_gap_max": max(row["reduced_gap"] for row in rows)}


# A reduced solution of a certified one must stay optimal to this relative gap.
OPTIMAL = 2e-8


def finding(table: Table) -> str:
    """Whether every reduced rank keeps T1's bound, and how far below it practice lies."""
    instances = sum(record["instances"] for record in table)
    broken = [record for record in table if record["reduced_rank_max"] > record["pataki_rank"]]
    gap = max(record["reduced_gap_max"] for record in table)
    if broken:
        worst = max(broken, key=lambda record: record["reduced_rank_max"] - record["pataki_rank"])
        opening = (
            f"The reduced rank exceeds T1's bound in {len(broken)} of {len(table)} settings, worst on "
            f"{family_name(worst['family'])} at N = {worst['num_samples']}: {worst['reduced_rank_max']} against "
            f"{worst['pataki_rank']}, which contradicts T1."
        )
    elif gap > OPTIMAL:
        opening = (
            f"The reduction lost the optimum: a reduced solution has a relative gap of {gap:.0e}, so T1 is not shown."
        )
    else:
        opening = (
            f"The reduced rank keeps T1's bound on all {instances:,} instances (reduced solutions are optimal to a "
            f"relative gap of {gap:.0e})."
        )
    above = sum(record["rank_max"] > record["pataki_rank"] for record in table)
    before = "never exceeds it" if not above else f"exceeds it in {above} of {len(table)} settings"
    shares = [record["reduced_rank"] / record["pataki_rank"] for record in table if record["num_samples"] >= 16]
    extremes = " to ".join(dict.fromkeys(f"{share:.0%}" for share in (min(shares, default=0), max(shares, default=0))))
    practice = f" From N = 16 on, the median reduced rank is {extremes} of the bound." if shares else ""
    return f"{opening} Before reduction the certified minimizer's rank {before}.{practice}"


def draw(table: Table) -> Drawing:
    """One panel for each family, loss and K: the rank over the number of samples."""
    panels: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for record in table:
        panels[tuple(record[name] for name in PANEL)].append(record)
    tints = dict(zip(sorted({record["lam_ratio"] for record in table}, reverse=True), TINTS))
    lines = -(-len(panels) // COLUMNS)
    drawing = new_drawing(1.12 * lines + 0.45)
    grid = drawing.subplots(lines, COLUMNS, squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(panels))
    for axes, (key, records) in zip(grid.flat, panels.items()):
        _panel(axes, key, records, tints)
    first = grid[0, 0]
    first.text(0.03, 0.97, "$r(r+1)/2 > KN$", transform=first.transAxes, va="top", fontsize=SMALLEST)
    for axes in grid[:, 0]:
        axes.set_ylabel("rank")
    for axes in grid.flat[max(len(panels) - COLUMNS, 0) : len(panels)]:
        axes.set_xlabel("samples $N$")
    _legend(drawing, tints)
    return drawing


def _panel(axes: Axes, key: tuple[Any, ...], records: Table, tints: Mapping[float, tuple[str, str]]) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    family, loss, outputs = key
    samples = sorted({record["num_samples"] for record in records})
    between = range(int(0.8 * samples[0]), int(1.25 * samples[-1]) + 1)
    bound = [pataki_rank(outputs * count) for count in between]
    axes.plot(between, bound, color=INK, linewidth=0.8, drawstyle="steps-post")
    top = 1.1 * max(pataki_rank(outputs * samples[-1]), *(record["rank_high"] for record in records)) + 0.5
    axes.fill_between(between, bound, 2 * top, step="post", color="#efefef", linewidth=0)
    for place, (ratio, (color, marker)) in enumerate(tints.items()):
        own = [record for record in records if record["lam_ratio"] == ratio]
        _curve(axes, own, "rank", color, marker, 1.04 ** (2 * place - 1), filled=False)
        _curve(axes, own, "reduced_rank", color, marker, 1.04 ** (2 * place - 1), filled=True)
    axes.set_xscale("log")
    axes.set_xticks(samples, [str(count) for count in samples])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.set_xlim(0.85 * samples[0], 1.18 * samples[-1])
    axes.set_ylim(0, top)
    seeds = sorted({record["instances"] for record in records})
    axes.set_title(
        f"{family_name(family)}\n{LOSSES.get(loss, loss)} loss, $K = {outputs}$, {seeds[0]} seeds", fontsize=6.5
    )


def _curve(axes: Axes, records: Table, name: str, color: str, marker: str, shift: float, *, filled: bool) -> None:
    x = [shift * record["num_samples"] for record in records]
    y = [record[name] for record in records]
    below = [value - record[f"{name}_low"] for value, record in zip(y, records, strict=True)]
    above = [record[f"{name}_high"] - value for value, record in zip(y, records, strict=True)]
    axes.errorbar(
        x, y, yerr=[below, above], color=color, marker=marker, markerfacecolor=color if filled else "white",
        linestyle=DASHES if filled else "-", linewidth=0.9, elinewidth=0.7, capsize=1.2, capthick=0.6,
        markersize=2.2 if filled else 5.0, zorder=4 if filled else 3,
    )  # fmt: skip


def _legend(drawing: Drawing, tints: Mapping[float, tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for ratio, (color, marker) in tints.items():
        name = f"$\\lambda = {ratio:g}\\,\\lambda_{{\\max}}$"
        look = {"color": color, "marker": marker}
        handles.append(Line2D([], [], **look, markersize=5.0, markerfacecolor="white", label=f"minimizer, {name}"))
        handles.append(Line2D([], [], **look, markersize=2.2, linestyle=DASHES, label=f"reduced, {name}"))
    drawing.legend(
        handles=handles, loc="outside lower center", ncols=max(len(tints), 1), fontsize=SMALLEST, columnspacing=1.0
    )


figure = Figure(
    name="minimizer_rank",
    title="Rank of the certified optimum against T1's bound",
    caption=(
        "Rank of the certified minimizer of full fine-tuning with nuclear-norm penalty (rings) and after rank "
        "reduction, which keeps every output and does not raise the nuclear norm (dots), over the number of samples N; "
        "for several weights, the largest. Medians over seeds with 95% bootstrap intervals. Grey: ranks beyond "
        "T1's bound, the largest r with r(r+1)/2 ≤ KN."
    ),
    experiments=("minimizer_rank",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
