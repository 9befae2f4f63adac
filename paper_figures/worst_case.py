"""How bad a strict spurious minimum can be: its curvature over its excess, random planting beside the worst case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.style import BLUE, GREY, INK, PALE, SMALLEST, VERMILION, Look, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import planting_threshold, worst_case_applies, worst_excess

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

KEPT = ("mode", "rank", "num_samples", "planted_excess", "balance", "seed", "span_dimension", "curvature", "excess")
STRICT = ("spurious", "rank_limited")
UNDECIDED = ("inconclusive", "unconverged")
NAMES = {"random": "random planting", "adversarial": "adversarial search", "closed_form": "closed form"}
LOOKS = {"random": Look(BLUE, ".", ""), "adversarial": Look(VERMILION, "*", ""), "closed_form": Look(INK, "o", "")}
SIDES = {"below": "$N < r(r+3)/2$", "at": "$N = r(r+3)/2$", "above": "$N > r(r+3)/2$"}
LARGE = 0.1  # relative excess of a large-excess minimum
# Curvature and excess are right to this: what lies above a bound by less is rounding.
ROUNDING = 1e-9
EXCESSES, CURVATURES = (1e-9, 4.0), (1e-9, 4.0)


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per planted point: how it was made, its curvature, excess and bound, and whether it is strict."""
    order = list(NAMES)
    made = sorted(rows["worst_case"], key=lambda row: (row["rank"], row["num_samples"], order.index(row["mode"])))
    return [_record(row) for row in made]


def _record(row: Mapping[str, Any]) -> Mapping[str, Any]:
    side = np.sign(row["num_samples"] - planting_threshold(row["rank"]))
    bounded = row["curvature"] > 0 and worst_case_applies(row["rank"], row["span_dimension"])
    return {
        **{name: row[name] for name in KEPT},
        "side": ("at", "above", "below")[side],
        "strict": any(row[name] for name in STRICT),
        "spurious": bool(row["spurious"]),
        "undecided": any(row[name] for name in UNDECIDED),
        "bound": worst_excess(row["curvature"]) if bounded else None,
    }


def finding(table: Table) -> str:
    """What is found below the boundary, what search and random planting find beyond it, whether the bound holds."""
    below = [record for record in table if record["side"] == "below"]
    beyond = [record for record in table if record["side"] != "below"]
    parts = [*([_below(below)] if below else []), *([_beyond(beyond)] if beyond else []), *_bounded(table)]
    undecided = sum(record["undecided"] for record in table)
    if undecided:
        parts.append(f"{undecided:,} of {len(table):,} points have no verdict.")
    return " ".join(parts)


def _below(below: Table) -> str:
    strict = sum(record["strict"] for record in below)
    searched = sum(record["mode"] == "adversarial" for record in below)
    best = max(record["curvature"] for record in below)
    reached = "0 to rounding" if abs(best) < ROUNDING else f"{best:.1e}"
    points = f"{len(below):,} planted points, {searched:,} of them ends of the adversarial search,"
    if strict:
        return f"Below r(r+3)/2 samples {strict:,} of {points} are strict minima, which contradicts T2-strict."
    return (
        f"Below r(r+3)/2 samples none of {points} is a strict minimum, as T2-strict demands; the largest relative "
        f"curvature reached is {reached}."
    )


def _beyond(beyond: Table) -> str:
    sentences = []
    searched, planted = ([record for record in beyond if record["mode"] == mode] for mode in ("adversarial", "random"))
    ranks = sorted({record["rank"] for record in searched})
    large = [record for record in searched if record["spurious"] and record["excess"] >= LARGE]
    reached = sorted({record["rank"] for record in large})
    if searched:
        where = "at every rank" if reached == ranks else f"at {len(reached)} of {len(ranks)} ranks"
        span = f"{min(ranks)} to {max(ranks)}" if len(ranks) > 1 else f"{ranks[0]}"
        best = f", up to an excess of {max(record['excess'] for record in large):.2f} of F" if large else ""
        sentences.append(
            f"From there on the search ends in a strict spurious minimum with an excess of {LARGE:.0%} of F or more "
            f"{where} ({span}; {len(large):,} of {len(searched):,} searches{best})."
        )
    if planted:
        found = [record for record in planted if record["spurious"]]
        same = [record for record in found if record["excess"] >= LARGE]
        excess, curvature = (max((record[name] for record in found), default=0.0) for name in ("excess", "curvature"))
        mild = f"an excess of {excess:.1e} of F and a relative curvature of {curvature:.1e} at most"
        sentences.append(
            f"Random planting does in {len(same):,} of {len(planted):,} draws"
            + (f"; its {len(found):,} spurious minima have {mild}." if found else ".")
        )
    return " ".join(sentences)


def _bounded(table: Table) -> list[str]:
    bounded = [record for record in table if record["strict"] and record["bound"] is not None]
    if not bounded:
        return []
    over = sum(record["excess"] > record["bound"] + ROUNDING for record in bounded)
    if over:
        return [f"{over:,} of {len(bounded):,} strict minima exceed T2-worst's bound, which refutes it."]
    searched = [record["excess"] / record["bound"] for record in bounded if record["mode"] == "adversarial"]
    tight = (
        f"; the search reaches {np.median(searched):.1%} of it in the median, {min(searched):.0%} at least"
        if searched
        else ""
    )
    return [f"None of {len(bounded):,} strict minima exceeds T2-worst's bound{tight}."]


def draw(table: Table) -> Drawing:
    """One line of panels for each rank, below, at and above the boundary; last, the search beside the bound."""
    ranks = sorted({record["rank"] for record in table})
    sides = [side for side in SIDES if any(record["side"] == side for record in table)]
    drawing = new_drawing(0.62 * len(ranks) + 1.95)
    drawing.get_layout_engine().set(h_pad=0.015, w_pad=0.015, hspace=0.0, wspace=0.0)
    grid = drawing.add_gridspec(len(ranks) + 1, len(sides), height_ratios=[0.62] * len(ranks) + [1.35])
    for line, rank in enumerate(ranks):
        for column, side in enumerate(sides):
            axes = drawing.add_subplot(grid[line, column])
            _panel(axes, [r for r in table if r["rank"] == rank and r["side"] == side])
            axes.tick_params(labelleft=column == 0, labelbottom=line == len(ranks) - 1)
            if line == 0:
                axes.set_title(SIDES[side], fontsize=6.5)
            if line == len(ranks) - 1 and column == len(sides) // 2:
                axes.set_xlabel("relative excess $E$")
            if column == 0:
                axes.set_ylabel(f"$r = {rank}$\ncurvature $\\kappa$")
    _on_the_bound(drawing.add_subplot(grid[-1, :]), table)
    return drawing


def _bound_curve(axes: Axes) -> None:
    curvature = np.geomspace(CURVATURES[0], 1.0, 400)
    excess = [worst_excess(value) for value in curvature]
    axes.plot(excess, curvature, color=GREY, linewidth=0.8, zorder=1, label="bound, T2-worst [derived]")


def _scatter(axes: Axes, records: Table, mode: str, size: float) -> None:
    found = [record for record in records if record["mode"] == mode and record["spurious"]]
    look = LOOKS[mode]
    axes.plot(
        [record["excess"] for record in found], [record["curvature"] for record in found], linestyle="",
        marker=look.marker, color=look.color, markersize=size, markeredgewidth=0.5,
        markerfacecolor="none" if mode == "closed_form" else look.color, zorder=3, label=NAMES[mode],
    )  # fmt: skip


def _panel(axes: Axes, records: Table) -> None:
    """Strict spurious minima as points, and how many there are of each kind; grey where T2-strict leaves none."""
    from matplotlib.ticker import LogLocator, NullLocator

    if any(record["side"] == "below" for record in records):
        axes.set_facecolor(PALE)
    elif any(record["bound"] is not None for record in records):
        _bound_curve(axes)
    for mode, size in (("random", 3.0), ("adversarial", 4.5)):
        _scatter(axes, records, mode, size)
        own = [record for record in records if record["mode"] == mode]
        if own:
            count = f"{sum(record['spurious'] for record in own):,}/{len(own):,}"
            place = 0.62 if mode == "random" else 0.82
            axes.text(0.05, place, count, transform=axes.transAxes, fontsize=SMALLEST, color=LOOKS[mode].color)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(*EXCESSES)
    axes.set_ylim(*CURVATURES)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(base=1e4))
        axis.set_minor_locator(NullLocator())


def _on_the_bound(axes: Axes, table: Table) -> None:
    _bound_curve(axes)
    beyond = [record for record in table if record["side"] != "below"]
    for mode, size in (("closed_form", 5.0), ("adversarial", 4.5), ("random", 3.0)):
        _scatter(axes, beyond, mode, size)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("relative excess $E$, all ranks")
    axes.set_ylabel("curvature $\\kappa$")
    axes.legend(fontsize=SMALLEST, loc="upper right")


figure = Figure(
    name="worst_case",
    title="The worst strict spurious minima, below and from r(r+3)/2 samples on",
    caption=(
        "Strict spurious minima of rank r: smallest eigenvalue of the Hessian modulo gauge over the largest, against "
        "(F − F at a better point of rank at most r)/F; both are without units. Dots: planted at random, with the "
        "excess of ‖Γ‖ over λ swept. Stars: ends of a search over features, targets and spectrum "
        "that raises both together. Numbers: strict spurious minima among all points of the kind; the others are "
        "saddles, flat, or have no better point of their rank. Grey curve: T2-worst's bound, which holds for "
        "d < r(r+3)/2 + r² and is attained by the closed form (rings). Grey panels: T2-strict leaves room for none. "
        "Bottom: the same on linear axes, all N ≥ r(r+3)/2."
    ),
    experiments=("worst_case",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
