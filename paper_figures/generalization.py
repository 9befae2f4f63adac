"""The excess risk of certified minimizers and of LoRA's endpoints against T3's bound, over the sample size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.intervals import LEVEL, log_line, share_interval, slope_interval
from ntklora.plotting.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SMALLEST, VERMILION, family_name, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import sharp_landscape_rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

ETA = 0.05  # of the experiment's bound
LOOKS = {("synthetic", 1): (BLUE, "o"), ("synthetic", 3): (VERMILION, "s"), ("mlp", 1): (PURPLE, "^")}
OTHER = (ORANGE, "D")
CURVE = ("features", "num_outputs", "shrink", "rank")
# The same risk twice, by two algorithms: apart by less than this share of the smallest excess.
SAME = 1e-3
# Fitted where the minimizer is no longer nearly zero: the excess is below this share of that of doing nothing.
TRAINED = 0.5


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per features, outputs, factor, rank and sample size; seeds are pooled, slopes are those of a curve."""
    curves: dict[tuple[Any, ...], dict[int, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows["generalization"]:
        curves[row["features"] != "synthetic", *(row[name] for name in CURVE)][row["num_samples"]].append(row)
    return [record for key in sorted(curves) for record in _curve(key[1:], curves[key])]


def _curve(key: tuple[Any, ...], cells: Mapping[int, Sequence[Mapping[str, Any]]]) -> Table:
    records = [_record(key, size, cells[size]) for size in sorted(cells)]
    fitted = [record["num_samples"] for record in _fitted(records)]
    slopes: dict[str, float | None] = dict.fromkeys(("slope_low", "slope", "slope_high", "bound_slope"))
    if len(fitted) > 1:
        draws = [[value for row in cells[size] for value in row["excess"]] for size in fitted]
        bounds = [[row["bound"] for row in cells[size]] for size in fitted]
        slopes = dict(zip(("slope_low", "slope", "slope_high"), slope_interval(fitted, draws), strict=True))
        slopes["bound_slope"] = slope_interval(fitted, bounds).value
    return [{**record, **slopes} for record in records]


def _fitted(records: Table) -> Table:
    return [record for record in records if record["excess"] < TRAINED * record["trivial"]]


def _record(key: tuple[Any, ...], size: int, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    draws = np.array([value for row in rows for value in row["excess"]])
    violations = sum(row["violations"] for row in rows)
    low, share, high = share_interval(violations, len(draws))
    spread = np.quantile(draws, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    apart = [row["risk_difference"] for row in rows if row["risk_difference"] is not None]
    return {
        **dict(zip(CURVE, key, strict=True)),
        "num_samples": size,
        "draws": len(draws),
        "violations": violations,
        "share": share,
        "share_low": low,
        "share_high": high,
        "beyond_two_lambda": sum(row["beyond_two_lambda"] for row in rows),
        "excess_low": float(spread[0]),
        "excess": float(spread[1]),
        "excess_high": float(spread[2]),
        "bound": float(np.median([row["bound"] for row in rows])),
        "looseness": min(row["bound"] / max(row["excess"]) for row in rows),
        "trivial": float(np.median([row["trivial"] for row in rows])),
        "largest_rank": max(row["largest_rank"] for row in rows),
        "guaranteed_rank": sharp_landscape_rank(max(row["span_dimension"] for row in rows)),
        "certified": sum(row["certified"] or 0 for row in rows),
        "risk_difference": max(apart, default=None),
    }


def finding(table: Table) -> str:
    """Whether the bound covers, how loose it is and grows, what the rank changes, and where the constant breaks."""
    full = [record for record in table if record["shrink"] == 1 and record["rank"] == 0]
    lora = [record for record in table if record["rank"] > 0]
    shrunk = [record for record in table if record["shrink"] > 1]
    parts = [_coverage(full), *_rates(full), _looseness(full)] if full else []
    return " ".join([*parts, *([_ranks(lora)] if lora else []), *([_constant(shrunk)] if shrunk else [])])


def _coverage(full: Table) -> str:
    draws, violations = (sum(record[name] for record in full) for name in ("draws", "violations"))
    interval = share_interval(violations, draws)
    broken = [record for record in full if record["share_low"] > ETA]
    if broken:
        where = f"{_name(broken[0])}, N = {broken[0]['num_samples']:,}"
        verdict = f"which refutes T3 (at most {ETA:.0%}) in {len(broken)} of {len(full)} settings, first {where}"
    elif interval.high > ETA:
        verdict = f"which does not settle whether it is at most {ETA:.0%}, as T3 demands"
    else:
        verdict = f"as T3 demands (at most {ETA:.0%})"
    beyond = sum(record["beyond_two_lambda"] for record in full)
    return (
        f"T3's bound is exceeded in {violations:,} of {draws:,} draws (95% interval up to {interval.high:.2%}), "
        f"{verdict}; 2λ‖δ_true‖_*, JLR's form as far as known, in {beyond:,}."
    )


def _populations(full: Table) -> Mapping[str, Table]:
    """The curve of each population, by its name in print."""
    curves: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for record in full:
        curves[_name(record)].append(record)
    return curves


def _name(record: Mapping[str, Any]) -> str:
    outputs = f"K = {record['num_outputs']}"
    return outputs if record["features"] == "synthetic" else f"{family_name(record['features'])} on digits, {outputs}"


def _rates(full: Table) -> list[str]:
    said = []
    for name, own in _populations(full).items():
        if own[0]["slope"] is None:
            continue
        fitted = _fitted(own)
        faster = "faster than" if own[0]["slope_high"] < own[0]["bound_slope"] else "no faster than"
        sentence = (
            f"{name}: from N = {fitted[0]['num_samples']:,} to {fitted[-1]['num_samples']:,} the excess risk goes as "
            f"N^{own[0]['slope']:.3f} [{own[0]['slope_low']:.3f}, {own[0]['slope_high']:.3f}], {faster} the bound's "
            f"N^{own[0]['bound_slope']:.2f}"
        )
        # The interval is that of the draws: how well a power law fits is another question.
        local = [
            log_line(*zip(*((record["num_samples"], record["excess"]) for record in pair))).slope
            for pair in pairwise(fitted)
        ]
        if max(local) - min(local) > own[0]["slope_high"] - own[0]["slope_low"]:
            sentence += f"; no single power: from N^{local[0]:.2f} between the first two to N^{local[-1]:.2f} at last"
        said.append(f"{sentence}.")
    return said


def _looseness(full: Table) -> str:
    least, most = (pick(full, key=lambda record: record["looseness"]) for pick in (min, max))
    parts = [
        f"The worst draw stays {least['looseness']:,.1f} times below the bound at N = {least['num_samples']:,} "
        f"({_name(least)}), {most['looseness']:,.0f} times at N = {most['num_samples']:,} ({_name(most)})."
    ]
    for name, own in _populations(full).items():
        says = [record["num_samples"] for record in own if record["bound"] < record["trivial"]]
        where = f"from N = {min(says):,} on" if says else "at no N shown"
        parts.append(f"{name}: the bound says more than doing nothing does {where}.")
    return " ".join(parts)


def _ranks(lora: Table) -> str:
    guaranteed = lora[0]["guaranteed_rank"]
    above = [record for record in lora if record["rank"] >= guaranteed]
    ranks = ", ".join(str(rank) for rank in sorted({record["rank"] for record in above}))
    draws, certified = (sum(record[name] for record in above) for name in ("draws", "certified"))
    apart = max((record["risk_difference"] or 0.0 for record in above), default=0.0)
    scale = min((record["excess"] for record in above), default=1.0)
    if not above:
        return f"No rank from the guarantee's {guaranteed} on was trained."
    same = "the rank has no part in it" if apart <= SAME * scale else "the rank changes the risk, against T3"
    return (
        f"LoRA at ranks {ranks} (T2-prime's guarantee, r(r+3)/2 > d, starts at {guaranteed}): {certified:,} of "
        f"{draws:,} draws end certified global at every start, with a risk within {apart:.0e} of the minimizer's: "
        f"{same}."
    )


def _constant(shrunk: Table) -> str:
    """The smallest factor at which the share of violations is shown to exceed η."""
    broken = min((record["shrink"] for record in shrunk if record["share_low"] > ETA), default=None)
    held = [record["shrink"] for record in shrunk if broken is None or record["shrink"] < broken]
    size = shrunk[0]["num_samples"]
    if not held:
        return f"With c divided by {broken:,.0f}, and λ with it, T3 fails already (N = {size:,})."
    still = f"With c divided by {max(held):,.0f}, and λ with it, the bound is not shown to fail (N = {size:,})"
    return f"{still}." if broken is None else f"{still}; divided by {broken:,.0f} it fails."


def draw(table: Table) -> Drawing:
    """Excess and bound over N; below, their ratio, and the share of violations as the constant is divided."""
    drawing = new_drawing(3.7)
    grid = drawing.add_gridspec(2, 2, height_ratios=(1.5, 1))
    full = [record for record in table if record["shrink"] == 1 and record["rank"] == 0]
    lora = [record for record in table if record["rank"] > 0]
    shrunk = [record for record in table if record["rank"] == 0 and _name(record) == "K = 1"]
    _risks(drawing.add_subplot(grid[0, :]), full, lora)
    _ratio(drawing.add_subplot(grid[1, 0]), full)
    _violations(drawing.add_subplot(grid[1, 1]), shrunk)
    return drawing


def _risks(axes: Axes, full: Table, lora: Table) -> None:
    for place, (name, own) in enumerate(_populations(full).items()):
        color, marker = LOOKS.get((own[0]["features"], own[0]["num_outputs"]), OTHER)
        # Bounds of two populations may coincide: dashes let the one below be seen.
        dashes = "-" if place == 0 else (0, (3, 2))
        x = [record["num_samples"] for record in own]
        axes.plot(x, [r["bound"] for r in own], color=color, linestyle=dashes, linewidth=0.9)
        _bars(axes, own, color, marker, name, 1.0)
    labels = {False: "LoRA below the guarantee's rank", True: "LoRA from the guarantee's rank on"}
    for place, rank in enumerate(sorted({record["rank"] for record in lora})):
        own = [record for record in lora if record["rank"] == rank]
        above = rank >= own[0]["guaranteed_rank"]
        _bars(axes, own, GREEN if above else GREY, "+" if above else "x", labels.pop(above, None), 1.35 ** (place + 1))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("samples $N$")
    axes.set_ylabel("excess risk; T3's bound [reconstructed]")
    axes.legend(fontsize=SMALLEST, loc="lower left", ncols=1)


def _bars(axes: Axes, records: Table, color: str, marker: str, label: str | None, shift: float) -> None:
    y = [record["excess"] for record in records]
    below = [record["excess"] - record["excess_low"] for record in records]
    above = [record["excess_high"] - record["excess"] for record in records]
    axes.errorbar(
        [shift * record["num_samples"] for record in records], y, yerr=[below, above], color=color, marker=marker,
        linestyle="none", elinewidth=0.7, capsize=1.2, capthick=0.6, markersize=3.5, label=label,
    )  # fmt: skip


def _ratio(axes: Axes, full: Table) -> None:
    for own in _populations(full).values():
        color, marker = LOOKS.get((own[0]["features"], own[0]["num_outputs"]), OTHER)
        x, y = [record["num_samples"] for record in own], [record["looseness"] for record in own]
        axes.plot(x, y, color=color, marker=marker, markersize=3, linewidth=0.9)
    axes.axhline(1.0, color=INK, linewidth=0.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("samples $N$")
    axes.set_ylabel("bound / worst excess")


def _violations(axes: Axes, shrunk: Table) -> None:
    sizes = {record["num_samples"] for record in shrunk if record["shrink"] > 1}
    own = [record for record in shrunk if record["num_samples"] in sizes]
    y = [record["share"] for record in own]
    below = [record["share"] - record["share_low"] for record in own]
    above = [record["share_high"] - record["share"] for record in own]
    axes.errorbar(
        [record["shrink"] for record in own], y, yerr=[below, above], color=BLUE, marker="o", markersize=3,
        linewidth=0.9, elinewidth=0.7, capsize=1.2, capthick=0.6,
    )  # fmt: skip
    axes.axhline(ETA, color=INK, linewidth=0.6)
    axes.text(0.03, ETA + 0.02, r"$\eta$", transform=axes.get_yaxis_transform(), fontsize=SMALLEST, va="bottom")
    axes.set_xscale("log")
    axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel("$c$ divided by")
    axes.set_ylabel("share of violations")


figure = Figure(
    name="generalization",
    title="Excess risk of the minimizer, and T3's bound",
    caption=(
        "Top: excess risk over the population's best, exactly, on finite populations: synthetic features with logistic "
        "(K = 1) and cross-entropy (K = 3) loss, and those of a linearized MLP on digits. Medians over draws of the "
        "training set with the central 95% of the draws; lines: T3's bound at η = 0.05 and κ = 1 + √2 (the "
        "same for both populations with K = 1); crosses: LoRA's endpoints on the first draws, one column for each "
        "rank, moved to the right. At the smallest N the minimizer is 0 and the excess that of doing nothing. Bottom "
        "left: the bound against the worst draw. Bottom right: share of draws beyond the bound when its constant c, "
        "and λ with it, is divided by a factor, at the smallest N; Clopper-Pearson intervals."
    ),
    experiments=("generalization",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
