"""The rank of the optimum along a path of the weight decay, from λ_max down, against the bound of T1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ntklora.plotting.intervals import median_interval
from ntklora.plotting.style import BLUE, GREY, INK, SMALLEST, VERMILION, family_name, family_order, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PANEL = ("family", "loss", "num_outputs", "num_samples")
LOSSES = {"squared": "squared", "logistic": "logistic", "cross_entropy": "cross-entropy"}
COLUMNS = 2
# Beyond what duality leaves open, a sum of some thousand products may be off by this share.
ROUNDING = 1e-10


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per panel and share of λ_max, from 1 down: ranks over seeds, and what changed since the one before."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["regularization_path"]:
        cells[tuple(row[name] for name in PANEL)].append(row)
    keys = sorted(cells, key=lambda key: (key[2], key[1], family_order(key[0]), key[3]))
    return [
        _record(key, share, place, cells[key]) for key in keys for place, share in enumerate(cells[key][0]["lam_share"])
    ]


def _record(key: tuple[Any, ...], share: float, place: int, rows: Rows) -> Mapping[str, Any]:
    record = dict(zip(PANEL, key, strict=True)) | {"lam_share": share, "instances": len(rows)}
    record["pataki_rank"] = rows[0]["pataki_rank"]
    for name in ("rank", "reduced_rank"):
        low, value, high = median_interval([row[name][place] for row in rows])
        record |= {name: value, f"{name}_low": low, f"{name}_high": high, f"{name}_max": _most(rows, name, place)}
    record["gap_max"] = max(row["gap"][place] for row in rows)
    steps = [row for row in rows if place]
    record["rises"] = sum(row["reduced_rank"][place] > row["reduced_rank"][place - 1] for row in steps)
    record["falls"] = sum(row["reduced_rank"][place] < row["reduced_rank"][place - 1] for row in steps)
    record["violations"] = sum(_violates_duality(row, place) for row in steps)
    return record


def _most(rows: Rows, name: str, place: int) -> int:
    return max(row[name][place] for row in rows)


def _violates_duality(row: Mapping[str, Any], place: int) -> bool:
    """Either minimizer is a candidate at the other's λ: its value there may not lie below the other's dual value."""
    (larger, smaller), norms = (row["lam"][i] for i in (place - 1, place)), row["nuclear_norm"]
    step, slack = larger - smaller, ROUNDING * abs(row["primal"][place - 1])
    down = row["primal"][place - 1] - step * norms[place - 1] - row["dual"][place]
    up = row["primal"][place] + step * norms[place] - row["dual"][place - 1]
    return min(down, up) < -slack


def finding(table: Table) -> str:
    """Where the rank begins and ends, how far below the bound, whether it ever falls, and whether the values agree."""
    ends = _ends(table)
    starts = [record for record in table if record["lam_share"] == 1.0]
    wrong = sum(record["reduced_rank_max"] > 0 for record in starts)
    opening = "At λ_max the optimum is 0 everywhere" if not wrong else f"At λ_max it is not 0 in {wrong} settings"
    broken = [record for record in table if record["reduced_rank_max"] > record["pataki_rank"]]
    bound = (
        f"the reduced rank exceeds T1's bound at {len(broken)} of {len(table)} points, which contradicts T1"
        if broken
        else "the reduced rank keeps T1's bound at every point"
    )
    shares = [record["reduced_rank"] / record["pataki_rank"] for record in ends]
    extremes = " to ".join(dict.fromkeys(f"{share:.0%}" for share in (min(shares), max(shares))))
    last = min(record["lam_share"] for record in ends)
    rises, falls = (sum(record[name] for record in table) for name in ("rises", "falls"))
    steps = f"from one λ to the next smaller one it rises {rises} times and falls {falls or 'never'}"
    steps += " times" if falls else ""
    violations = sum(record["violations"] for record in table)
    values = (
        "No optimum, as a candidate at its neighbour's λ, falls below the certified dual value there."
        if not violations
        else f"{violations} optima, as candidates at their neighbour's λ, fall below the certified dual value there, "
        "which no correct certificates allow."
    )
    return f"{opening}; {bound}. At {last:.0e} λ_max its median is {extremes} of the bound; {steps}. {values}"


def _ends(table: Table) -> Sequence[Mapping[str, Any]]:
    last: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for record in table:
        key = tuple(record[name] for name in PANEL)
        if key not in last or record["lam_share"] < last[key]["lam_share"]:
            last[key] = record
    return list(last.values())


def draw(table: Table) -> Drawing:
    """One panel for each family, loss, K and N: the rank over λ/λ_max, which falls from left to right."""
    panels: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for record in table:
        panels[tuple(record[name] for name in PANEL)].append(record)
    lines = -(-len(panels) // COLUMNS)
    drawing = new_drawing(1.08 * lines + 0.4)
    grid = drawing.subplots(lines, COLUMNS, squeeze=False, sharex=True)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(panels))
    for axes, (key, records) in zip(grid.flat, panels.items()):
        _panel(axes, key, records)
    for axes in grid[:, 0]:
        axes.set_ylabel("rank")
    for axes in grid.flat[max(len(panels) - COLUMNS, 0) : len(panels)]:
        axes.set_xlabel("$\\lambda/\\lambda_{\\max}$")
        axes.tick_params(labelbottom=True)
    first = grid[0, 0]
    first.text(0.03, 0.97, "$r(r+1)/2 > KN$", transform=first.transAxes, va="top", fontsize=SMALLEST)
    handles, labels = first.get_legend_handles_labels()
    drawing.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=SMALLEST, columnspacing=1.0)
    return drawing


def _panel(axes: Axes, key: tuple[Any, ...], records: Table) -> None:
    from matplotlib.ticker import MaxNLocator

    family, loss, outputs, samples = key
    x = [record["lam_share"] for record in records]
    bound = records[0]["pataki_rank"]
    top = 1.25 * max(bound, *(record["rank_max"] for record in records)) + 0.4
    axes.axhspan(bound, top, color="#efefef", linewidth=0)
    axes.axhline(bound, color=INK, linewidth=0.8)
    low, high = ([record[f"reduced_rank_{end}"] for record in records] for end in ("low", "high"))
    axes.fill_between(x, low, high, step="mid", color=BLUE, alpha=0.18, linewidth=0)
    most = [record["reduced_rank_max"] for record in records]
    axes.plot(x, most, color=GREY, linewidth=0.7, linestyle=(0, (1.5, 1)), drawstyle="steps-mid", label="largest")
    rings = [record["rank"] for record in records]
    axes.plot(x, rings, "o", color=VERMILION, markerfacecolor="white", markersize=3.6, label="certified minimizer")
    reduced = [record["reduced_rank"] for record in records]
    axes.plot(x, reduced, color=BLUE, drawstyle="steps-mid", marker="o", markersize=1.6, label="reduced")
    axes.set_xscale("log")
    axes.set_xlim(max(x) * 1.3, min(x) / 1.3)
    axes.set_ylim(-0.3, top)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    name = f"{family_name(family)}\n{LOSSES.get(loss, loss)} loss, $N = {samples}$, $K = {outputs}$"
    axes.set_title(f"{name}, {records[0]['instances']} seeds", fontsize=6.5)


figure = Figure(
    name="regularization_path",
    title="Rank of the certified optimum along a path of the weight decay",
    caption=(
        "Rank of the certified minimizer of full fine-tuning with nuclear-norm penalty (rings) and after rank "
        "reduction (line; dotted: the largest over the seeds) while λ falls from λ_max, where the optimum is 0, to the "
        "right; for several weights, the largest. Medians over seeds with 95% bootstrap intervals. Grey: ranks beyond "
        "the bound of T1, which is the same at every λ. Each minimizer is also checked as a candidate at its "
        "neighbour's λ against the dual value there."
    ),
    experiments=("regularization_path",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
