"""Plateaus of training and the saddles they are near: where they lie, and one path with its curvature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.style import INK, SMALLEST, Look, family_name, family_order, ladder, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

CURVES = ("excess", "curvature", "distance")
MARKERS = "os^DPX"  # by the rank of the nearest saddle
FLOOR = 1e-5  # distances are drawn from here

Records = Sequence[Mapping[str, Any]]


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """A record for each path (its summary), each plateau, and each step of the paths with most plateaus (`example`)."""
    paths = sorted(
        rows["plateaus"], key=lambda row: (family_order(row["family"]), row["rank"], row["seed"], -row["start"])
    )
    counts: dict[tuple[Any, ...], int] = {}
    for row in paths:
        counts[_key(row)] = counts.get(_key(row), 0) + len(row["plateau_steps"])
    example = max(counts, key=lambda key: counts[key])
    records = [_record(row, "path") for row in paths]
    for row in paths:
        columns = zip(
            row["plateau_steps"],
            row["plateau_lengths"],
            row["plateau_distances"],
            row["plateau_ranks"],
            row["plateau_curvatures"],
            strict=True,
        )
        for step, length, distance, nearest, curvature in columns:
            place = {"step": step, "length": length, "distance": distance, "nearest_rank": nearest}
            records.append({**_record(row, "plateau"), **place, "curvature": curvature})
    for row in paths:
        if _key(row) == example:
            for step, excess, curvature, distance, nearest in zip(
                row["steps"], row["excess"], row["curvature"], row["distance"], row["nearest_rank"], strict=True
            ):
                place = {"step": step, "excess": excess, "distance": distance, "nearest_rank": nearest}
                records.append({**_record(row, "example"), **place, "curvature": curvature})
    return records


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["family"], row["lam_ratio"], row["rank"], row["seed"]


def _record(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    names = ("family", "lam_ratio", "num_samples", "rank", "seed", "start", "steps_fine", "fastest_distance")
    blank = dict.fromkeys(("step", "length", "excess", "distance", "nearest_rank", "curvature"))
    summary = {"plateaus": len(row["plateau_steps"]), "negative_until": row["negative_until"]}
    return {"kind": kind, **{name: row[name] for name in names}, **summary, **blank}


def finding(table: Table) -> str:
    """Whether plateaus are near saddles, which ones, and whether the slow end is one."""
    return " ".join((*_plateaus(table), *_tail(table)))


def _plateaus(table: Table) -> Iterator[str]:
    for start in _starts(table):
        paths = [r for r in table if r["kind"] == "path" and r["start"] == start]
        found = [r for r in table if r["kind"] == "plateau" and r["start"] == start]
        having = sum(path["plateaus"] > 0 for path in paths)
        words = "LoRA's own start" if start == 1 else f"a start {start:g} times as large"
        if not found:
            yield f"From {words} no path of {len(paths)} has a plateau."
            continue
        near = [r for r in found if r["distance"] < r["fastest_distance"] and r["curvature"] < 0]
        origin = [r for r in near if r["nearest_rank"] == 0]
        beyond = [r for r in near if r["nearest_rank"] > 0]
        said = [f"{len(origin)} near the saddle 0{_distance(origin)}"] if origin else []
        said += [f"{len(beyond)} near saddles of higher rank{_distance(beyond)}"] if beyond else []
        many = f"{len(found)} plateau{'s' * (len(found) != 1)}"
        yield (
            f"From {words} {having} of {len(paths)} paths have plateaus, {many} in all; on {len(near)} of them the "
            "curvature is negative and a saddle nearer than where descent is fastest"
            + (f": {', '.join(said)}." if said else ".")
        )


def _distance(records: Records) -> str:
    return f" (median distance {np.median([record['distance'] for record in records]):.2g} of the optimum's size)"


def _tail(table: Table) -> Iterator[str]:
    """After the last negative curvature nothing but the conditioning of the minimum is left to be slow."""
    own = [r for r in table if r["kind"] == "path" and r["start"] == 1 and r["steps_fine"]]
    if not own:
        return
    shares = [(record["negative_until"] or 0) / record["steps_fine"] for record in own]
    middle = float(np.median(shares))
    verdict = (
        "so most of the time is spent where all curvature is positive: conditioning is slow, not a saddle."
        if middle < 0.5
        else "so most of the time is spent where some curvature is negative: saddles are slow."
    )
    yield f"From LoRA's own start negative curvature ends after {middle:.0%} of the steps to 1e-6 (median), {verdict}"


def _starts(table: Table) -> list[float]:
    return sorted({record["start"] for record in table}, reverse=True)


def draw(table: Table) -> Drawing:
    """All plateaus against the fastest step of their path, and three curves of the example."""
    starts = _starts(table)
    looks = dict(zip(starts, reversed(ladder(len(starts))), strict=True))
    drawing = new_drawing(3.4)
    grid = drawing.subplots(2, 2)
    _scatter(grid[0, 0], [record for record in table if record["kind"] == "plateau"], looks)
    example = [record for record in table if record["kind"] == "example"]
    for axes, name in zip((grid[0, 1], grid[1, 0], grid[1, 1]), CURVES, strict=True):
        _curves(axes, example, name, looks)
    _legend(drawing, table, looks)
    return drawing


def _scatter(axes: Axes, plateaus: Records, looks: Mapping[float, Look]) -> None:
    axes.plot([FLOOR, 2], [FLOOR, 2], color=INK, linewidth=0.8)
    for record in plateaus:
        axes.plot(
            record["fastest_distance"], max(record["distance"], FLOOR), color=looks[record["start"]].color,
            marker=_marker(record["nearest_rank"]), markerfacecolor="none", markersize=2.6,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(0.05, 2.0)
    axes.set_ylim(0.6 * FLOOR, 2.0)
    axes.set_xlabel("where descent is fastest")
    axes.set_ylabel("on the plateau")
    axes.set_title(f"distance to the nearest saddle,\n{len(plateaus)} plateaus", fontsize=6.5)


def _curves(axes: Axes, example: Records, name: str, looks: Mapping[float, Look]) -> None:
    first = example[0]
    for start, look in looks.items():
        path = [record for record in example if record["start"] == start]
        x = [record["step"] + 1 for record in path]
        y = [max(record[name], FLOOR) if name == "distance" else record[name] for record in path]
        axes.plot(x, y, color=look.color, linestyle=look.linestyle)
        if name == "distance":
            for each, rank in zip(zip(x, y, strict=True), [record["nearest_rank"] for record in path], strict=True):
                axes.plot(*each, color=look.color, marker=_marker(rank), markersize=1.8)
    axes.set_xscale("log")
    if name == "curvature":
        axes.axhline(0.0, color=INK, linewidth=0.6)
        axes.set_yscale("symlog", linthresh=0.1)
        axes.set_yticks([-10, -1, 0, 1], ["$-10$", "$-1$", "$0$", "$1$"])
    else:
        axes.set_yscale("log")
    axes.set_xlabel("gradient steps")
    labels = {
        "excess": "relative excess",
        "curvature": "smallest curvature$/\\lambda$",
        "distance": "distance to saddle",
    }
    axes.set_ylabel(labels[name])
    names = f"{family_name(first['family'])}\n$r = {first['rank']}$, seed {first['seed']}"
    axes.set_title(names, fontsize=6.5)


def _marker(rank: int) -> str:
    return MARKERS[min(rank, len(MARKERS) - 1)]


def _legend(drawing: Drawing, table: Table, looks: Mapping[float, Look]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look.color, linestyle=look.linestyle, label=f"start $\\times$ {start:g}")
        for start, look in looks.items()
    ]
    ranks = sorted({r["nearest_rank"] for r in table if r["nearest_rank"] is not None})
    handles += [
        Line2D([], [], color=INK, marker=_marker(rank), linestyle="", label=f"saddle of rank {rank}") for rank in ranks
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=SMALLEST, columnspacing=1.0)


figure = Figure(
    name="plateaus",
    title="Plateaus of training and the saddles beside them",
    caption=(
        "A plateau is a step after which the decrease of the objective per step grows at least fourfold. Top left: "
        "distance modulo gauge to the nearest saddle of lower rank found, in units of the optimum's factors, on each "
        "plateau against where the same path descends fastest; below the diagonal a plateau is nearer to a saddle. The "
        "others: the paths with most plateaus, from LoRA's own start and from smaller ones: relative excess, smallest "
        "Hessian eigenvalue modulo gauge over the weight decay, and distance to the nearest saddle, with its rank. "
        "Saddles are found by Newton's method from the path cut to fewer columns; the nearest of them bounds the "
        "distance from above."
    ),
    experiments=("plateaus",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
