"""What high-rank preheating buys: the final loss against the preheating rank, beside what the theory expects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.style import BLUE, GREEN, GREY, INK, SMALLEST, VERMILION, Look, family_name, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

PANEL = ("instance", "rank", "main", "main_steps")
WAY = ("start", "preheat", "preheat_steps", "preheat_rank")
LEVELS = ("exact_mean", "bound", "random_mean", "eckart_young", "primal", "best_endpoint")
INSTANCES = {"decaying": "decaying spectrum", "low_rank": "spectrum of rank 4", "flat": "flat spectrum"}
PREHEATS = {"asymmetric": Look(BLUE, "o", "-"), "classic": Look(VERMILION, "s", "-")}
FAMILY_WISE = 1e-3  # chance that one of all means is called deviating although every expectation is right
TRAINED = 1e-9  # of the loss at zero: what the finite main stage may leave
COLUMNS = 2


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per way to start: the mean over draws and seeds, and the levels, as shares of the loss at δ = 0."""
    cells: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["high_rank_preheating"]:
        cells[tuple(row[name] for name in (*PANEL, *WAY))].append(row)
    keys = sorted(cells, key=lambda key: (_place(key[0]), *key))
    return [_record(key, cells[key]) for key in keys]


def _place(instance: str) -> int:
    return list(INSTANCES).index(instance) if instance in INSTANCES else len(INSTANCES)


def _record(key: tuple[Any, ...], rows: Rows) -> Mapping[str, Any]:
    record = dict(zip((*PANEL, *WAY), key, strict=True))
    record |= {"seeds": len({row["seed"] for row in rows}), "draws": sum(len(row["loss"]) for row in rows)}
    record["mean"] = float(np.mean([row["mean"] / row["at_zero"] for row in rows]))
    errors = [row["standard_error"] / row["at_zero"] for row in rows]
    record["standard_error"] = float(np.linalg.norm(errors) / len(rows))
    for name in LEVELS:
        values = [row[name] / row["at_zero"] for row in rows if row[name] is not None]
        record[name] = float(np.mean(values)) if values else None
    return record


def finding(table: Table) -> str:
    """Whether the means are the expected ones, whether the null case gains nothing, and what each instance gains."""
    sentences = []
    expected = [record for record in table if record["exact_mean"] is not None and record["draws"] > 1]
    if expected:
        width = NormalDist().inv_cdf(1 - FAMILY_WISE / (2 * len(expected)))
        off = [record for record in expected if _distance(record, "exact_mean", width) > 0]
        agree = (
            f"all {len(expected)} means agree with the exact expectations"
            if not off
            else f"{len(off)} of {len(expected)} means deviate from the exact expectations, which contradicts H2 or H6"
        )
        above = [record for record in expected if record["bound"] and _excess(record, "bound", width) > 0]
        bound = f"{len(above)} exceed H6's bound, which refutes it" if above else "none exceeds H6's bound"
        sentences.append(f"At family-wise level {FAMILY_WISE:g} {agree}, and {bound}.")
    gains = "; ".join(_gain(key, records) for key, records in _panels(table).items())
    sentences.append(f"Share of the loss at δ = 0 that is left at the largest R, against a random start: {gains}.")
    return " ".join(sentences)


def _distance(record: Mapping[str, Any], level: str, width: float) -> float:
    return abs(record["mean"] - record[level]) - width * record["standard_error"] - TRAINED


def _excess(record: Mapping[str, Any], level: str, width: float) -> float:
    return record["mean"] - record[level] - width * record["standard_error"] - TRAINED


def _gain(key: tuple[Any, ...], records: Table) -> str:
    """What the largest preheating rank of one panel ends at, against a random start."""
    instance, _, main, _ = key
    name = f"{_name(instance)}, {main}"
    random = next((record for record in records if record["start"] == "random"), None)
    preheated = [record for record in records if record["start"] == "preheated"]
    if random is None or not preheated:
        return f"{name}: nothing to compare"
    top = max(preheated, key=lambda record: (record["preheat_rank"], record["mean"]))
    noise = 3 * np.hypot(top["standard_error"], random["standard_error"]) + TRAINED
    change = top["mean"] - random["mean"]
    verdict = "no gain" if abs(change) <= noise else "a gain" if change < 0 else "a loss"
    if instance == "flat":
        verdict += ", as the null case must" if verdict == "no gain" else ", against the null case"
    left, before = (0.0 if record["mean"] < TRAINED else record["mean"] for record in (top, random))
    return f"{name} {left:.3g} against {before:.3g} ({verdict})"


def _panels(table: Table) -> Mapping[tuple[Any, ...], list[Mapping[str, Any]]]:
    panels: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for record in table:
        panels[tuple(record[name] for name in PANEL)].append(record)
    return panels


def _name(instance: str) -> str:
    return INSTANCES.get(instance, f"linearized {family_name(instance)}")


def draw(table: Table) -> Drawing:
    """One panel for each instance and main stage."""
    panels = _panels(table)
    lines = -(-len(panels) // COLUMNS)
    drawing = new_drawing(1.15 * lines + 0.75)
    grid = drawing.subplots(lines, COLUMNS, squeeze=False)
    for place, axes in enumerate(grid.flat):
        axes.set_visible(place < len(panels))
    for axes, (key, records) in zip(grid.flat, panels.items()):
        _panel(axes, key, records)
    for axes in grid.flat[max(len(panels) - COLUMNS, 0) : len(panels)]:
        axes.set_xlabel("preheating rank $R$")
    drawing.supylabel("final loss / loss at $\\delta = 0$", fontsize=7)
    _legend(drawing, table)
    return drawing


def _panel(axes: Axes, key: tuple[Any, ...], records: Table) -> None:
    series: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        if record["start"] == "preheated":
            series[record["preheat"], record["preheat_steps"]].append(record)
    _levels(axes, records)
    for (preheat, _), own in series.items():
        ranks = [record["preheat_rank"] for record in own]
        for level, look in CURVES.items():
            if own[0][level] is not None:
                axes.plot(ranks, [record[level] for record in own], color=look.color, linestyle=look.linestyle)
        error = [1.96 * record["standard_error"] for record in own]
        joined = own[0]["exact_mean"] is None  # where no expectation is known, the means are joined for the eye
        axes.errorbar(
            ranks, [record["mean"] for record in own], yerr=error, color=PREHEATS[preheat].color, linewidth=0.8,
            marker=PREHEATS[preheat].marker, linestyle=(0, (1, 1.5)) if joined else "", capsize=1.2, elinewidth=0.7,
        )  # fmt: skip
    ticks = sorted({record["preheat_rank"] for record in records if record["start"] == "preheated"})
    axes.set_xticks(ticks[:: -(-len(ticks) // 6)])
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    instance, rank, main, steps = key
    draws = sorted({record["draws"] for record in records if record["start"] == "preheated"})
    runs = "–".join(str(count) for count in dict.fromkeys((draws[0], draws[-1]))) if draws else "no"
    axes.set_title(f"{_name(instance)}\n$r = {rank}$, {main}, {steps} steps, {runs} draws", fontsize=SMALLEST)


def _levels(axes: Axes, records: Table) -> None:
    """What no preheating changes: the least loss there is, a random start, the right directions."""
    shown = [("least", records[0]["eckart_young"]), ("least", records[0]["primal"])]
    shown += [("best", records[0]["best_endpoint"])]
    shown += [(record["start"], record["mean"]) for record in records if record["start"] in LINES]
    for name, level in shown:
        if level is not None:
            axes.axhline(level, color=LINES[name].color, linestyle=LINES[name].linestyle, linewidth=0.9)


CURVES = {"exact_mean": Look(INK, "", "-"), "bound": Look(INK, "", (0, (2.5, 1.2)))}
LINES = {
    "random": Look(GREY, "", (0, (1, 1))),
    "wise": Look(GREEN, "", (0, (5, 1, 1, 1))),
    "least": Look("#b0b0b0", "", "-"),
    "best": Look("#882255", "", (0, (6, 2))),
}


def _legend(drawing: Drawing, table: Table) -> None:
    from matplotlib.lines import Line2D

    shown = {record["preheat"] for record in table if record["start"] == "preheated"}
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="", label=f"mean, {preheat} preheating")
        for preheat, look in PREHEATS.items()
        if preheat in shown
    ]
    words = {
        "exact_mean": "exact expectation of H6",
        "bound": "bound of H6",
        "random": "random start",
        "wise": "wise start",
        "least": "Eckart–Young, certified optimum",
        "best": "best endpoint of rank $r$",
    }
    looks = {**CURVES, **LINES}
    handles += [
        Line2D([], [], color=looks[name].color, linestyle=looks[name].linestyle, label=label)
        for name, label in words.items()
    ]
    drawing.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=SMALLEST, columnspacing=1.0)


figure = Figure(
    name="high_rank_preheating",
    title="High-rank preheating against its expectation",
    caption=(
        "Loss at the end of the main stage of rank r, which trains the left factor alone (asymmetric) or both "
        "(classic), against the preheating rank R, as a share of the loss at δ = 0. "
        "Matrix factorization with three spectra: means over random draws (error bars: 95%), the exact expectation and "
        "bound of H6, the level of a random start (H2) and Eckart–Young. On the linearized network no expectation is "
        "known: means beside the random and the wise start, the certified optimum and the best endpoint of rank r that "
        "was found. "
        "The flat spectrum is the null case: no preheating can gain there."
    ),
    experiments=("high_rank_preheating",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
