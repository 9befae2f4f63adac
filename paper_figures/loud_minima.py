"""How large an initialization must be to run into a spurious minimum, and how loud that minimum is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ntklora.plotting.intervals import share_interval
from ntklora.plotting.style import BLUE, GREY, INK, SMALLEST, VERMILION, ladder, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import loud_ratio, norm_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

CLASSES = ("global", "spurious", "rank_limited", "flat", "saddle", "unconverged", "inconclusive")
NAMES = {"planted": "planted", "gaussian": "Gaussian sensing"}
# Endpoints are stationary to 1e-9: singular values agree with the theory's up to this share.
ACCURACY = 1e-6


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per family, rank and scale: counts over seeds, share of spurious endpoints, extremes and bounds."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["loud_minima"]:
        cells[row["family"], row["rank"], row["scale"]].append(row)
    return [_record(key, cells[key]) for key in sorted(cells, key=lambda key: (key[0] != "planted", *key[1:]))]


def _record(key: tuple[Any, ...], rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    record = dict(zip(("family", "rank", "scale"), key, strict=True))
    record |= {name: sum(row[name] for row in rows) for name in CLASSES}
    starts = sum(record[name] for name in CLASSES)
    low, share, high = share_interval(record["spurious"], starts)
    record |= {"starts": starts, "instances": len(rows), "share": share, "share_low": low, "share_high": high}
    loud = [row for row in rows if row["loud_ratio"] is not None]
    bounds = [loud_ratio(row["convexity"], row["smoothness"]) for row in rows]
    record["ratio_bound"] = max(bounds)
    record["ratio_bound_met"] = max(loud_ratio(row["convexity_met"], row["smoothness_met"]) for row in rows)
    record["loud_ratio"] = min((row["loud_ratio"] for row in loud), default=None)
    record["ratio_over_bound"] = min(
        (row["loud_ratio"] / loud_ratio(row["convexity"], row["smoothness"]) for row in loud), default=None
    )
    record["loud_norm"] = min((row["loud_norm"] for row in loud), default=None)
    record["loud_excess"] = min((row["loud_excess"] for row in loud), default=None)
    record["optimal_norm"] = max(row["optimal_norm"] for row in rows)
    record["norm_bound"] = max(norm_bound(row["loss_at_zero"], row["lam"]) for row in rows)
    return record


def finding(table: Table) -> str:
    """Which scales fail, whether the failures are as loud as KKR says, and how far the bound is from them."""
    planted = [record for record in table if record["family"] == "planted"]
    others = [record for record in table if record["family"] != "planted"]
    parts = [*([_scales(planted), _loudness(planted)] if planted else []), *([_typical(others)] if others else [])]
    undecided = sum(record["inconclusive"] + record["unconverged"] for record in table)
    if undecided:
        parts.append(f"{undecided:,} of {sum(record['starts'] for record in table):,} starts have no verdict.")
    return " ".join(parts)


def _scales(planted: Table) -> str:
    scales = sorted({record["scale"] for record in planted})
    small, large = ([record for record in planted if record["scale"] == scale] for scale in (scales[0], scales[-1]))
    failed = [sum(record["spurious"] for record in group) for group in (small, large)]
    starts = [sum(record["starts"] for record in group) for group in (small, large)]
    shares = [share_interval(*pair) for pair in zip(failed, starts, strict=True)]
    if shares[0].high < shares[1].low:
        opening = "Large initializations run into the planted spurious minimum, small ones do not"
        opening = opening if failed[0] == 0 else "Large initializations run into the planted minimum more often"
    elif shares[1].high < shares[0].low:
        opening = "Against KKR's picture, small initializations run into the planted minimum more often than large ones"
    else:
        opening = "The scale of the initialization makes no difference that these starts can show"
    each = ", ".join(f"{record['share']:.0%} at rank {record['rank']}" for record in large)
    return (
        f"{opening}: {failed[0]:,} of {starts[0]:,} starts end there at scale {scales[0]:g}, "
        f"{failed[1]:,} of {starts[1]:,} at scale {scales[-1]:g} ({each})."
    )


def _loudness(planted: Table) -> str:
    loud = [record for record in planted if record["ratio_over_bound"] is not None]
    if not loud:
        return "No spurious endpoint was met, so nothing is shown of how loud they are."
    least = min(record["ratio_over_bound"] for record in loud)
    norms = [record["loud_norm"] / record["optimal_norm"] for record in loud]
    count = sum(record["spurious"] for record in loud)
    if least < 1 - ACCURACY:
        kept = f"Among {count:,} spurious endpoints σ_r falls to {least:.2g} times KKR's bound, which contradicts it"
    else:
        kept = (
            f"All {count:,} spurious endpoints are loud as KKR says, but its bound is loose here: σ_r is "
            f"{least:.0f} times the bound or more"
        )
    larger = f"{min(norms):.2g} to {max(norms):.2g} times the optimum's"
    return f"{kept}; their nuclear norm is {larger}."


def _typical(others: Table) -> str:
    """2α/β is safe from below by eigenvalues and known from above by a search: only the first can exclude."""
    spurious, starts = (sum(record[name] for record in others) for name in ("spurious", "starts"))
    excluded = min(record["ratio_bound"] for record in others) > 1
    allows = "excludes" if excluded else "does not exclude"
    seen = "none was met" if not spurious else f"{spurious:,} were met"
    verdict = ", which contradicts it" if excluded and spurious else ""
    most = max(record["ratio_bound_met"] for record in others)
    return (
        f"On Gaussian sensing KKR {allows} spurious minima (2 alpha/beta is at most {most:.2f}), and {seen} in "
        f"{starts:,} starts at any scale{verdict}."
    )


def draw(table: Table) -> Drawing:
    """The share over the scale; below it, rank by rank, how loud the minimum is beside the bounds."""
    drawing = new_drawing(3.3)
    grid = drawing.add_gridspec(2, 2, height_ratios=(1.25, 1))
    planted = [record for record in table if record["family"] == "planted"]
    _shares(drawing.add_subplot(grid[0, :]), table)
    _ratios(drawing.add_subplot(grid[1, 0]), planted)
    _norms(drawing.add_subplot(grid[1, 1]), planted)
    return drawing


def _shares(axes: Axes, table: Table) -> None:
    curves: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for record in table:
        curves[record["family"], record["rank"]].append(record)
    looks = iter(ladder(sum(family == "planted" for family, _ in curves)))
    for place, ((family, rank), records) in enumerate(curves.items()):
        x = [record["scale"] * 1.05 ** (place - 1) for record in records]
        y = [record["share"] for record in records]
        below = [record["share"] - record["share_low"] for record in records]
        above = [record["share_high"] - record["share"] for record in records]
        color, marker, dashes = next(looks) if family == "planted" else (GREY, "x", ":")
        axes.errorbar(
            x, y, yerr=[below, above], color=color, marker=marker, linestyle=dashes, linewidth=0.9, elinewidth=0.6,
            capsize=1.2, capthick=0.6, markersize=3.0, label=f"{NAMES.get(family, family)}, $r = {rank}$",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(bottom=-0.02)
    axes.set_xlabel("standard deviation of the initialization")
    axes.set_ylabel("share of starts\nthat end spurious")
    axes.legend(fontsize=SMALLEST, loc="upper left")


def _by_rank(planted: Table, name: str, pick: Any) -> tuple[list[int], list[float]]:
    """The extreme of a column at each rank, where it has a value."""
    ranks = sorted({record["rank"] for record in planted if record[name] is not None})
    return ranks, [pick(r[name] for r in planted if r["rank"] == rank and r[name] is not None) for rank in ranks]


def _ratios(axes: Axes, planted: Table) -> None:
    axes.plot(*_by_rank(planted, "loud_ratio", min), "o", color=VERMILION, markersize=4, label="spurious endpoints")
    axes.plot(*_by_rank(planted, "ratio_bound", max), "_", color=INK, markersize=14, label=r"$2\alpha/\beta$ [paper]")
    axes.set_yscale("log")
    _finish(axes, planted, r"$\sigma_r/\sigma_{r^*}$")


def _norms(axes: Axes, planted: Table) -> None:
    axes.plot(*_by_rank(planted, "loud_norm", min), "o", color=VERMILION, markersize=4, label="spurious endpoints")
    axes.plot(*_by_rank(planted, "optimal_norm", max), "s", color=BLUE, markersize=3.5, label="optimum")
    axes.plot(*_by_rank(planted, "norm_bound", max), "_", color=INK, markersize=14, label=r"$L(0)/\lambda$ [derived]")
    axes.set_ylim(bottom=0)
    _finish(axes, planted, "nuclear norm")


def _finish(axes: Axes, planted: Table, label: str) -> None:
    ranks = sorted({record["rank"] for record in planted})
    axes.set_xticks(ranks, [str(rank) for rank in ranks])
    axes.set_xlim(min(ranks, default=1) - 0.5, max(ranks, default=1) + 0.5)
    axes.set_xlabel("LoRA rank $r$")
    axes.set_ylabel(label)
    axes.legend(fontsize=SMALLEST, loc="lower center", bbox_to_anchor=(0.5, 1.0), borderaxespad=0.1)


figure = Figure(
    name="loud_minima",
    title="Large initializations run into loud spurious minima",
    caption=(
        "Top: share of starts of gradient descent that end in a spurious minimum, over the standard deviation of the "
        "Gaussian initialization (95% Clopper-Pearson intervals), on convex losses that no network made: planted "
        "minima of rank r beside a global one of rank 1, and Gaussian sensing. Bottom: the least σ_r/σ_r* of "
        "spurious endpoints beside KKR's lower bound 2α/β with exact constants; their least nuclear norm "
        "beside the optimum's and the bound of KKR-norm, L(0)/λ, for every point no worse than zero."
    ),
    experiments=("loud_minima",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
