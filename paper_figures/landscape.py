"""Where spurious minima are: shares of endpoints and of instances over rank and number of samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ntklora.plotting.heat_map import (
    DASHES,
    LIMITED_SHADES,
    SPURIOUS_SHADES,
    axis_values,
    draw_classes,
    draw_heat_map,
    draw_stairs,
    name_classes,
)
from ntklora.plotting.intervals import share_interval
from ntklora.plotting.style import INK, SMALLEST, family_name, family_order, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import landscape_rank, sharp_landscape_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

COUNTS = ("global", "spurious", "rank_limited", "flat", "saddle", "inconclusive", "unconverged")
SHARES = {
    "endpoint_share": "spurious\nshare of endpoints",
    "instance_share": "spurious\nshare of instances",
    "rank_limited_share": "rank-limited\nshare of endpoints",
}


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per family, number of outputs, rank and number of samples: counts, shares and their intervals."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["landscape"]:
        cells[row["family"], row["num_outputs"], row["rank"], row["num_samples"]].append(row)
    keys = sorted(cells, key=lambda key: (family_order(key[0]), *key[1:]))
    return [_record(key, cells[key]) for key in keys]


def _record(key: tuple[Any, ...], rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    counts = {name: sum(row[name] for row in rows) for name in COUNTS}
    # A start that did not converge has no endpoint; one without a verdict has.
    endpoints = sum(counts.values()) - counts["unconverged"]
    shares = {
        "endpoint_share": (counts["spurious"], endpoints),
        "instance_share": (sum(row["spurious"] > 0 for row in rows), len(rows)),
        "rank_limited_share": (counts["rank_limited"], endpoints),
    }
    record = dict(zip(("family", "num_outputs", "rank", "num_samples"), key, strict=True))
    record["span_dimension"] = max(row["span_dimension"] for row in rows)
    record |= {"instances": len(rows), "starts": sum(row["starts"] for row in rows), "endpoints": endpoints, **counts}
    record["instances_with_spurious"] = shares["instance_share"][0]
    for name, (successes, trials) in shares.items():
        low, value, high = share_interval(successes, trials) if trials else (None, None, None)
        record |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return record


def finding(table: Table) -> str:
    """What the counts say of T2-strict, and whether the search can find a spurious minimum where there is one."""
    safe = [record for record in table if record["rank"] >= sharp_landscape_rank(record["span_dimension"])]
    rest = [record for record in table if record not in safe and record["family"] != "planted"]
    planted = [record for record in table if record not in safe and record["family"] == "planted"]
    sentences = []
    if safe:
        verdict = "as T2-strict demands" if not _sum(safe, "spurious") else "which contradicts T2-strict"
        sentences.append(f"Where r(r+3)/2 > d, {_spurious(safe)}, {verdict}.")
    if rest:
        sentences.append(f"Below, {_spurious(rest)}, planted instances apart.")
    if planted:
        found = _sum(planted, "instances_with_spurious")
        verdict = f"found spurious minima in {found:,}" if found else "found a spurious minimum in none"
        doubt = "" if found else ", so that the zeros elsewhere show little"
        count = f"{_sum(planted, 'instances'):,} planted instances there"
        sentences.append(f"On {count}, the same search from around the planted point {verdict}{doubt}.")
    undecided = _sum(table, "inconclusive") + _sum(table, "unconverged")
    sentences.append(
        f"Rank-limited: {_sum(table, 'rank_limited'):,} of {_sum(table, 'endpoints'):,} endpoints; "
        f"{undecided:,} of {_sum(table, 'starts'):,} starts ended without a verdict."
    )
    return " ".join(sentences)


def _spurious(table: Table) -> str:
    spurious, endpoints = _sum(table, "spurious"), _sum(table, "endpoints")
    instances, of = _sum(table, "instances_with_spurious"), _sum(table, "instances")
    none = "none" if not spurious else f"{spurious:,}"
    return (
        f"{none} of {endpoints:,} endpoints ({instances:,} of {of:,} instances) are spurious"
        if spurious
        else (f"none of {endpoints:,} endpoints on {of:,} instances is spurious")
    )


def _sum(table: Table, name: str) -> int:
    return sum(record[name] for record in table)


def draw(table: Table) -> Drawing:
    """Three heat maps for each family, one row of panels each."""
    groups: dict[tuple[Any, Any], list[Mapping[str, Any]]] = defaultdict(list)
    for record in table:
        groups[record["family"], record["num_outputs"]].append(record)
    tall = [0.25 + max(0.095 * len({record["rank"] for record in records}), 0.35) for records in groups.values()]
    heights = [0.27, *(height for each in tall for height in (0.13, each)), 0.46]
    drawing = new_drawing(sum(heights))
    drawing.get_layout_engine().set(h_pad=0.005, w_pad=0.02, hspace=0.0, wspace=0.02)
    grid = drawing.add_gridspec(len(heights), len(SHARES), height_ratios=heights)
    for column, heading in enumerate(SHARES.values()):
        _write(drawing.add_subplot(grid[0, column]), 0.5, heading)
    for line, ((family, outputs), records) in enumerate(groups.items()):
        _write(drawing.add_subplot(grid[2 * line + 1, :]), 0.0, _headline(family, outputs, records))
        for column, share in enumerate(SHARES):
            axes = drawing.add_subplot(grid[2 * line + 2, column])
            _heat_map(axes, records, share)
            axes.set_xlabel("samples $N$" if line == len(groups) - 1 else "")
            if column == 0:
                axes.set_ylabel("rank $r$")
            else:
                axes.tick_params(labelleft=False)
    _key(drawing.add_subplot(grid[-1, :]))
    return drawing


def _write(axes: Axes, place: float, words: str) -> None:
    """A heading above panels; it is left out of the layout, which would narrow the panels for it."""
    axes.set_axis_off()
    align = "center" if place else "left"
    axes.text(place, 0.15, words, ha=align, va="baseline", fontsize=6.5, linespacing=1.1, in_layout=False)


def _headline(family: str, outputs: int, records: Table) -> str:
    instances = {record["instances"] for record in records}
    each = f"{min(instances)}" if len(instances) == 1 else f"{min(instances)}–{max(instances)}"
    starts = _sum(records, "starts") / _sum(records, "instances")
    return f"{family_name(family)}, $K = {outputs}$: {each} instances × {starts:.0f} starts per cell"


def _heat_map(axes: Axes, records: Table, share: str) -> None:
    """The shares, and the two thresholds of the theory along the borders."""
    shares = {(record["rank"], record["num_samples"]): record[share] for record in records}
    draw_heat_map(axes, shares, LIMITED_SHADES if share == "rank_limited_share" else SPURIOUS_SHADES)
    ranks, samples = axis_values(shares)
    outputs = records[0]["num_outputs"]
    draw_stairs(axes, [landscape_rank(outputs * count) for count in samples], ranks, "-", 0.6)
    draw_stairs(axes, [sharp_landscape_rank(outputs * count) for count in samples], ranks, DASHES, -0.6)


def _key(axes: Axes) -> None:
    """The classes of both colours, and the two curves of the theory."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    name_classes(axes, 0.02, 0.78, 0.095)
    draw_classes(axes, SPURIOUS_SHADES, 0.02, 0.45, 0.095, 0.28)
    draw_classes(axes, LIMITED_SHADES, 0.02, 0.1, 0.095, 0.28)
    for name, bottom in (("spurious", 0.59), ("rank-limited", 0.24)):
        axes.text(0.51, bottom, name, ha="left", va="center", fontsize=SMALLEST)
    for label, bottom, linestyle in (("$r(r+1)/2 = KN$", 0.59, "-"), ("$r(r+3)/2 = KN$", 0.24, DASHES)):
        axes.plot([0.7, 0.77], [bottom, bottom], color=INK, linewidth=0.9, linestyle=linestyle)
        axes.text(0.78, bottom, label, ha="left", va="center", fontsize=SMALLEST)


figure = Figure(
    name="landscape",
    title="Spurious minima over rank and number of samples",
    caption=(
        "Share of endpoints that are spurious minima, share of instances with at least one, and share of endpoints "
        "that are rank-limited (the best point of their rank, above the convex optimum: not spurious), for each LoRA "
        "rank r and number of samples N. White: none. Hatched: not computed. Above the solid curve T2 applies "
        "(r(r+1)/2 > KN), above the dashed one T2-strict (r(r+3)/2 > KN). Starts are random, on planted instances "
        "around the planted point; endpoints are found by a regularized Newton method, so shares are its own and not "
        "those of gradient descent."
    ),
    experiments=("landscape",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
