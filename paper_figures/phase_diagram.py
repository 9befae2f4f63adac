"""Where the typical landscape turns: shares of spurious minima over rank and sample size, and the count that fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ntklora.plotting.boundary import count_ratio, fit_constant, fit_drift, usual_decay
from ntklora.plotting.heat_map import (
    DASHES,
    SPURIOUS_SHADES,
    axis_values,
    draw_classes,
    draw_heat_map,
    draw_stairs,
    name_classes,
)
from ntklora.plotting.intervals import share_interval
from ntklora.plotting.style import BLUE, GREEN, GREY, INK, SMALLEST, ladder, new_drawing, plain_ticks
from ntklora.plotting.tables import Record, compare_in_words, grouped, interval_in_words, named_interval, new_record
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import counting_rank, landscape_rank, sharp_landscape_rank, undecayed_landscape_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PARK = 1.35  # arXiv 2605.03724, known by its abstract
SHARES = {"instance_share": "share of instances", "endpoint_share": "share of endpoints"}
COUNTS = ("instances", "starts", "endpoints", "spurious", "undecided")
NAMES = (
    *("part", "lam_ratio", "fan_out", "fan_in", "rank", "num_samples", "count_ratio"),
    *COUNTS,
    *(f"{share}{end}" for share in SHARES for end in ("", "_low", "_high")),
    *("estimate", "estimate_low", "estimate_high"),
)
MARKERS = "osD^v"


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """Typical instances in long form, by `part`.

    share: counts and shares of one cell. constant: C of a weight decay, of all its surveys or of those of one shape,
    one rank, or as few starts as are named. drift: γ of C ∝ r^γ.
    """
    typical = [row for row in rows["phase_diagram"] if row["family"] == "gaussian"]
    names = ("lam_ratio", "fan_out", "fan_in", "rank", "num_samples")
    shares = [_share(dict(zip(names, key)), cell) for key, cell in grouped(typical, *names).items()]
    fits = [fit for (lam_ratio,), some in grouped(typical, "lam_ratio").items() for fit in _fits(lam_ratio, some)]
    return [*shares, *fits]


def _share(cell: Mapping[str, Any], rows: Rows) -> Record:
    starts, spurious = (sum(row[name] for row in rows) for name in ("starts", "spurious"))
    # A start that did not converge has no endpoint; one without a verdict has.
    endpoints = starts - sum(row["unconverged"] for row in rows)
    counts = (len(rows), starts, endpoints, spurious, sum(row["unconverged"] + row["inconclusive"] for row in rows))
    hits = sum(row["spurious"] > 0 for row in rows)
    return new_record(
        NAMES,
        part="share",
        **cell,
        count_ratio=count_ratio(rows[0]),
        **dict(zip(COUNTS, counts)),
        **named_interval("instance_share", share_interval(hits, len(rows))),
        **named_interval("endpoint_share", share_interval(spurious, endpoints) if endpoints else None),
    )


def _fits(lam_ratio: float, rows: Rows) -> list[Record]:
    few = max(min(row["starts"] for row in rows) // 4, 1)
    fits: list[tuple[str, dict[str, Any], Any]] = [("constant", {}, fit_constant(rows))]
    fits.append(("constant", {"starts": few}, fit_constant(rows, few)))
    for names in (("fan_out", "fan_in"), ("rank",)):
        for key, some in grouped(rows, *names).items():
            fits.append(("constant", dict(zip(names, key)), fit_constant(some)))
    fits.append(("drift", {}, fit_drift(rows)))
    return [
        new_record(NAMES, part=part, lam_ratio=lam_ratio, **of, **named_interval("estimate", fit))
        for part, of, fit in fits
        if fit is not None
    ]


def _fitted(table: Table, part: str, *named: str) -> list[Record]:
    """The fits of this part that name these of shape, rank and starts, and none of the others."""
    telling = ("fan_out", "fan_in", "rank", "starts")
    return [
        record
        for record in table
        if record["part"] == part and all((record[name] is not None) == (name in named) for name in telling)
    ]


def finding(table: Table) -> str:
    """The fitted constant beside Park's, whether one constant serves all ranks, and what T2-strict forbids."""
    sentences = [_said_of(table, fit) for fit in _fitted(table, "constant")]
    if not sentences:
        sentences.append("The surveys are too few to fit where typical instances turn.")
    cells = [record for record in table if record["part"] == "share"]
    safe = [record for record in cells if record["rank"] >= sharp_landscape_rank(record["num_samples"])]
    sentences.append(_said_of_safe("T2-strict", "r(r+3)/2 > N", safe))
    safe = [record for record in cells if not record["lam_ratio"] and record["rank"] >= _undecayed_rank(record)]
    if safe:
        sentences.append(_said_of_safe("T2-zero", "λ = 0 and r·max(m, n) ≥ N", safe))
    undecided, starts = (sum(record[name] for record in cells) for name in ("undecided", "starts"))
    sentences.append(f"{undecided:,} of {starts:,} starts ended without a verdict.")
    return " ".join(sentences)


def _undecayed_rank(record: Record) -> int:
    return undecayed_landscape_rank(record["num_samples"], record["fan_out"], record["fan_in"])


def _said_of_safe(statement: str, where: str, records: Table) -> str:
    spurious, endpoints = (sum(record[name] for record in records) for name in ("spurious", "endpoints"))
    verdict = f"which contradicts {statement}" if spurious else f"as {statement} demands"
    return f"Spurious where {where}: {spurious or 'none'} of {endpoints:,} endpoints, {verdict}."


def _said_of(table: Table, fit: Record) -> str:
    lam_ratio = fit["lam_ratio"]

    def own(part: str, *named: str) -> list[Record]:
        return [record for record in _fitted(table, part, *named) if record["lam_ratio"] == lam_ratio]

    decay = f"With λ = {lam_ratio:g} λ_max" if lam_ratio else "Without weight decay"
    said = (
        f"{decay}, half of the Gaussian instances have a spurious minimum at r(m+n) − r² = C·KN with "
        f"C = {interval_in_words(fit, 'estimate')} ({compare_in_words(fit, 'estimate', PARK, f'Park’s {PARK}')})"
    )
    said += "".join(f", {few['estimate']:.2f} with {few['starts']} starts" for few in own("constant", "starts"))
    shapes = [
        f"{each['estimate']:.2f} on {each['fan_out']}×{each['fan_in']}" for each in own("constant", "fan_out", "fan_in")
    ]
    if len(shapes) > 1:
        said += f"; {', '.join(shapes)}"
    ranks = own("constant", "rank")
    for drift in own("drift") if len(ranks) > 1 else ():
        single = drift["estimate_low"] <= 0 <= drift["estimate_high"]
        verdict = "one C serves all ranks" if single else "C drifts with the rank, so no single one serves"
        ends = " to ".join(f"{each['estimate']:.2f} at r = {each['rank']}" for each in (ranks[0], ranks[-1]))
        said += f"; {verdict}: from {ends}, as r^{interval_in_words(drift, 'estimate')}"
    return f"{said}."


def draw(table: Table) -> Drawing:
    """Heat maps of one shape; below them the shares over the parameter count, without and with the usual decay."""
    drawing = new_drawing(3.8)
    drawing.get_layout_engine().set(h_pad=0.02, w_pad=0.02, hspace=0.02, wspace=0.02)
    grid = drawing.add_gridspec(3, 2, height_ratios=(1.45, 0.42, 1.4))
    cells = [record for record in table if record["part"] == "share"]
    shown = (0.0, usual_decay(cells))
    cells, fits = (
        [each for each in some if each["lam_ratio"] in shown] for some in (cells, _fitted(table, "constant"))
    )
    _heat_maps(drawing, grid, cells, fits)
    _key(drawing.add_subplot(grid[1, :]), fits)
    _collapses(drawing, grid, cells, fits)
    return drawing


def _heat_maps(drawing: Drawing, grid: Any, cells: Table, fits: Table) -> None:
    """Both shares of the shape and weight decay with most cells; the curves of the theory and the fitted counts."""
    groups = grouped(cells, "fan_out", "fan_in", "lam_ratio")
    fan_out, fan_in, lam_ratio = max(groups, key=lambda key: len(groups[key]))
    records = groups[fan_out, fan_in, lam_ratio]
    for column, (share, name) in enumerate(SHARES.items()):
        axes = drawing.add_subplot(grid[0, column])
        shares = {(record["rank"], record["num_samples"]): record[share] for record in records}
        draw_heat_map(axes, shares, SPURIOUS_SHADES)
        ranks, samples = axis_values(shares)
        draw_stairs(axes, [landscape_rank(count) for count in samples], ranks, "-", 0.6)
        draw_stairs(axes, [sharp_landscape_rank(count) for count in samples], ranks, DASHES, -0.6)
        for fit in fits:
            stairs = [counting_rank(count, fan_out, fan_in, fit["estimate"]) for count in samples]
            draw_stairs(axes, stairs, ranks, "-", 0.0, _tint(fit["lam_ratio"]))
        axes.set_title(f"spurious: {name}", fontsize=6.5)
        axes.set_xlabel("samples $N$")
        if column == 0:
            axes.set_ylabel("rank $r$")
            setting = f"{fan_out}×{fan_in}, {_decay(lam_ratio)}"
            axes.text(0.03, 0.97, setting, transform=axes.transAxes, va="top", fontsize=SMALLEST)
        else:
            axes.tick_params(labelleft=False)


def _decay(lam_ratio: float) -> str:
    return rf"$\lambda = {lam_ratio:g}\,\lambda_{{\max}}$" if lam_ratio else r"$\lambda = 0$"


def _tint(lam_ratio: float) -> str:
    return BLUE if lam_ratio else GREEN


def _key(axes: Axes, fits: Table) -> None:
    """The classes of the shares, and the curves."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    name_classes(axes, 0.26, 0.84, 0.11)
    draw_classes(axes, SPURIOUS_SHADES, 0.26, 0.64, 0.11, 0.17)
    curves = [("$r(r+1)/2 = KN$, T2 [paper]", "-", INK), ("$r(r+3)/2 = d$, T2-strict [derived]", DASHES, INK)]
    curves += [(f"fitted count, {_decay(fit['lam_ratio'])}", "-", _tint(fit["lam_ratio"])) for fit in fits]
    for place, (label, linestyle, color) in enumerate(curves):
        left, bottom = (0.03, 0.57)[place // 2], (0.4, 0.12)[place % 2]
        axes.plot([left, left + 0.06], [bottom, bottom], color=color, linewidth=0.9, linestyle=linestyle)
        axes.text(left + 0.08, bottom, label, ha="left", va="center", fontsize=SMALLEST)


def _collapses(drawing: Drawing, grid: Any, cells: Table, fits: Table) -> None:
    """One panel for each weight decay: the share over the parameter count; one constant would make them one curve."""
    from matplotlib.lines import Line2D

    ranks, shapes = (list(grouped(cells, *names)) for names in (("rank",), ("fan_out", "fan_in")))
    looks, markers = dict(zip(ranks, ladder(len(ranks)))), dict(zip(shapes, MARKERS))
    keys = (
        [Line2D([], [], color=looks[key].color, label=f"$r = {key[0]}$") for key in ranks],
        [
            Line2D([], [], color=GREY, linestyle="", marker=marker, label=f"{fan_out}×{fan_in}")
            for (fan_out, fan_in), marker in markers.items()
        ],
    )
    for column, ((lam_ratio,), records) in enumerate(grouped(cells, "lam_ratio").items()):
        axes = drawing.add_subplot(grid[2, column])
        for (rank, *shape), some in grouped(records, "rank", "fan_out", "fan_in").items():
            x, y = [cell["count_ratio"] for cell in some], [cell["instance_share"] for cell in some]
            color, marker = looks[rank,].color, markers[tuple(shape)]
            axes.plot(x, y, color=color, marker=marker, markersize=2.4, linewidth=0.7, alpha=0.85)
        for fit in fits:
            if fit["lam_ratio"] == lam_ratio:
                axes.axvspan(fit["estimate_low"], fit["estimate_high"], color=_tint(lam_ratio), alpha=0.35, linewidth=0)
        axes.axvline(PARK, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)))
        axes.set_title(_decay(lam_ratio), fontsize=6.5)
        axes.set_xlabel("$(r(m+n) - r^2)/(KN)$")
        axes.set_ylim(-0.05, 1.05)
        axes.set_xscale("log")
        ratios = [cell["count_ratio"] for cell in records]
        plain_ticks(
            axes.xaxis, (0.8, 1, 1.25, 1.6, 2, 2.5) if max(ratios) < 4 * min(ratios) else (0.25, 0.5, 1, 2, 4, 8)
        )
        axes.legend(handles=keys[column], loc="upper right", fontsize=SMALLEST, handlelength=1.0, handletextpad=0.4)
        if column == 0:
            axes.set_ylabel("share of instances")
        else:
            axes.tick_params(labelleft=False)


figure = Figure(
    name="phase_diagram",
    title="Where the typical landscape turns",
    caption=(
        "Gaussian features and targets, K = 1, squared loss. Top: share of instances with a spurious minimum among "
        "their random starts, and share of endpoints that are spurious, over rank r and number of samples N; white: "
        "none. Above the solid curve T2 [paper] applies, r(r+1)/2 > KN, above the dashed one T2-strict [derived], "
        "r(r+3)/2 > d; coloured: the fitted count of parameters r(m+n) − r² = C·KN, an empirical law, with and "
        "without weight decay λ. Bottom: share of instances over that count; one C would make one curve of all. Bands: "
        "C with its 95% interval (half of the instances, by logistic regression over log((r(m+n) − r²)/(KN)), counts "
        "below KN/2 left out; bootstrap over instances; an average over the grid where C drifts with r). Dotted: 1.35, "
        "Park (arXiv 2605.03724, known by its abstract). Endpoints are those of a regularized Newton method: shares "
        "are its own, not gradient descent's."
    ),
    experiments=("phase_diagram",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
