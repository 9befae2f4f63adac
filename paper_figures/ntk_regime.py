"""How far training takes a network from its linearization as the width grows, against the derived orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import exp, log
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.intervals import Interval, mean_interval
from ntklora.plotting.power_law import run_power_law
from ntklora.plotting.style import BLUE, GREY, INK, SMALLEST, VERMILION, ladder, new_drawing
from ntklora.sweeps import Figure
from ntklora.sweeps.figure import Rows, Table
from ntklora.theory import width_orders

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

SETTING = ("activation", "scaling", "label_scale", "method")
# What is plotted against the width, in panels; outputs at their worst along the path, the rest at its end.
MEASURES = {
    "weight_change": r"weight change $\|\delta\|/\|W_0\|$",
    "kernel_drift": r"kernel drift $\|\Delta\Theta\|/\|\Theta\|$",
    "output_distance": "outputs, training data",
    "held_out_distance": "outputs, held-out digits",
    "delta_distance": r"$\|\delta - \delta_{\mathrm{lin}}\|/\|\delta_{\mathrm{lin}}\|$",
}
WORST = ("output_distance", "held_out_distance")
PATH = "held_out_path"
WORDS = {
    "weight_change": "weight change",
    "kernel_drift": "kernel drift",
    "output_distance": "outputs on training data",
    "held_out_distance": "outputs on held-out digits",
    "delta_distance": "distance of the δ",
}
# The power law of a curve, in the table: its exponent, and the width from which on it stays below `TOLERANCE`.
LAW = tuple(f"{name}{end}" for name in ("slope", "from_width") for end in ("", "_low", "_high"))
TOLERANCE = 0.05  # of what training changed: outputs this close count as linear
UNSETTLED = 30.0  # times its lower end: an interval of a width wider than this says nothing
NAMES = {"relu": "ReLU", "tanh": "tanh"}
TINTS = {"relu": VERMILION, "tanh": BLUE}


def tabulate(rows: Mapping[str, Rows]) -> Table:
    """One record per setting, measure and width, with the slope of its curve; and the path of each width in time."""
    settings: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows["ntk_regime"]:
        settings[tuple(row[name] for name in SETTING)].append(row)
    records: list[Mapping[str, Any]] = []
    for key in sorted(settings, key=_place):
        for measure in MEASURES:
            records += _curve(key, measure, settings[key])
        records += _paths(key, settings[key])
    return records


def _place(key: tuple[Any, ...]) -> tuple[Any, ...]:
    activation, scaling, label_scale, method = key
    return scaling != "ntk", label_scale, activation, method != "lora"


def _curve(key: tuple[Any, ...], measure: str, rows: Rows) -> list[Mapping[str, Any]]:
    values: dict[int, dict[int, float]] = defaultdict(dict)  # by seed and width
    for row in rows:
        values[row["seed"]][row["width"]] = max(row[measure]) if measure in WORST else row[measure][-1]
    law = _law(list(values.values()), measure)
    widths = sorted({row["width"] for row in rows})
    order = _order(key, measure)
    records = []
    for width in widths:
        logs = [log(each[width]) for each in values.values() if each.get(width, 0.0) > 0]
        low, middle, high = (exp(x) if np.isfinite(x) else None for x in mean_interval(logs)) if logs else (None,) * 3
        records.append(
            {
                **dict(zip(SETTING, key, strict=True)), "measure": measure, "width": width, "time": None,
                "seeds": len(logs), "value": middle, "low": low, "high": high, **law,
                "order_low": order[0], "order_high": order[1],
            }
        )  # fmt: skip
    return records


def _order(key: tuple[Any, ...], measure: str) -> tuple[float, float]:
    activation, scaling = key[:2]
    orders = width_orders(smooth=activation == "tanh", mean_field=scaling == "mean_field")
    return getattr(orders, "output_distance" if measure in WORST else measure)


def _law(curves: Sequence[Mapping[int, float]], measure: str) -> dict[str, float | None]:
    law = run_power_law(curves, TOLERANCE if measure in WORST else None)
    return dict(zip(LAW, (*_in_order(law.exponent), *_in_order(law.reached)), strict=True))


def _in_order(interval: Interval | None) -> tuple[float | None, ...]:
    """Value and ends; None for an end that is not finite."""
    if interval is None:
        return None, None, None
    return tuple(value if np.isfinite(value) else None for value in (interval.value, interval.low, interval.high))


def _paths(key: tuple[Any, ...], rows: Rows) -> list[Mapping[str, Any]]:
    """The held-out distance along the path: medians and extremes over seeds at each recorded step."""
    widths: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        widths[row["width"]].append(row)
    records = []
    for width, own in sorted(widths.items()):
        distance = np.array([row["held_out_distance"] for row in own])
        time = np.median([row["time"] for row in own], axis=0)
        for place, now in enumerate(time):
            records.append(
                {
                    **dict(zip(SETTING, key, strict=True)), "measure": PATH, "width": width, "time": float(now),
                    "seeds": len(own), "value": float(np.median(distance[:, place])),
                    "low": float(distance[:, place].min()), "high": float(distance[:, place].max()),
                    **dict.fromkeys(LAW), "order_low": None, "order_high": None,
                }
            )  # fmt: skip
    return records


def finding(table: Table) -> str:
    """Which slopes have the derived order, what the control does, and from which width on outputs are linear."""
    ends = [record for record in _last_of_curves(table) if record["slope_low"] is not None]
    wide = [record for record in ends if record["scaling"] == "ntk" and record["label_scale"] == 1.0]
    control = [record for record in ends if record["scaling"] == "mean_field"]
    sentences = []
    if wide:
        off = sorted((record for record in wide if _miss(record) > 0), key=_miss)
        sentences.append(
            f"As the width n grows, {len(wide) - len(off)} of {len(wide)} exponents have the order of the theory "
            "[derived] in their 95% interval"
            + (f"; the furthest off misses it by {_miss(off[-1]):.2f}: {_exponent(off[-1])}." if off else ".")
        )
        drift = [record for record in wide if record["measure"] == "kernel_drift" and record["method"] == "lora"]
        if drift:
            sentences.append(f"Exponents: {'; '.join(_exponent(record) for record in drift)}.")
    for record in control:
        if record["measure"] == "kernel_drift":
            # Half-way between the orders of the two scalings.
            middle = (record["order_high"] + width_orders(smooth=True).kernel_drift.high) / 2
            verdict = (
                "as it must, it does not become linear" if record["slope_low"] > middle
                else "it becomes linear too, against the theory" if record["slope_high"] < middle
                else "too few seeds to say whether it becomes linear"
            )  # fmt: skip
            sentences.append(
                f"The control, mean-field scaling: the kernel drifts by {record['value']:.0%} at width "
                f"{record['width']:,}, exponent {_interval(record)}: {verdict}."
            )
    narrowest = min((record["width"] for record in table), default=0)
    sentences += _borders([record for record in ends if record["measure"] == "held_out_distance"], narrowest)
    return " ".join(sentences) or "Fewer than two seeds or widths: no slope has an interval."


def _last_of_curves(table: Table) -> list[Mapping[str, Any]]:
    """The record of the largest width of each curve."""
    curves = {
        (*(record[name] for name in SETTING), record["measure"]): record
        for record in table
        if record["measure"] in MEASURES
    }
    return list(curves.values())


def _miss(record: Mapping[str, Any]) -> float:
    """How far the interval of the exponent lies from the derived orders, 0 where they meet."""
    return max(record["slope_low"] - record["order_high"], record["order_low"] - record["slope_high"], 0.0)


def _interval(record: Mapping[str, Any]) -> str:
    value, low, high = (round(record[name], 2) + 0.0 for name in ("slope", "slope_low", "slope_high"))  # no "-0.00"
    return f"{value:.2f} [{low:.2f}, {high:.2f}]".replace("-", "−")


def _exponent(record: Mapping[str, Any]) -> str:
    low, high = record["order_low"], record["order_high"]
    order = f"{high:g}" if low == high else f"{low:g} to {high:g}"
    name = f"{NAMES[record['activation']]}, {METHODS[record['method']]}"
    return f"{WORDS[record['measure']]} ({name}) {_interval(record)} against {order.replace('-', '−')}"


METHODS = {"lora": "LoRA", "full": "full fine-tuning"}


def _borders(records: Table, narrowest: int) -> list[str]:
    """Where the regime ends: the width from which on held-out outputs stay within `TOLERANCE`."""
    found = [_border(record, narrowest) for record in records if record["scaling"] == "ntk"]
    if not found:
        return []
    return [
        f"Along the whole path, outputs of the two networks on held-out digits differ by less than {TOLERANCE:.0%} of "
        f"what training changed {'; '.join(found)}."
    ]


def _border(record: Mapping[str, Any], narrowest: int) -> str:
    labels = "" if record["label_scale"] == 1.0 else f", labels ±{record['label_scale']:g}"
    name = f"({NAMES[record['activation']]}, {METHODS[record['method']]}{labels})"
    if record["from_width_low"] is None:
        return f"at no width that can be foreseen {name}"
    if record["from_width_high"] is None or record["from_width_high"] > UNSETTLED * record["from_width_low"]:
        return f"from a width that these seeds leave open {name}"
    low, high = (_rounded(record[f"from_width_{end}"]) for end in ("low", "high"))
    beyond = "" if narrowest <= record["from_width"] <= record["width"] else ", extrapolated,"
    return f"from n ≈ {_rounded(record['from_width'])} [{low}, {high}]{beyond} {name}"


def _rounded(width: float) -> str:
    """Two digits: more would be read as knowledge."""
    return f"{float(f'{width:.2g}'):,.0f}"


def draw(table: Table) -> Drawing:
    """A panel for each measure over the width, and the paths in time."""
    drawing = new_drawing(4.75)
    grid = drawing.subplots(3, 2).flat
    for axes, (measure, title) in zip(grid, MEASURES.items()):
        _panel(axes, [record for record in table if record["measure"] == measure], title)
    _path_panel(grid[5], [record for record in table if record["measure"] == PATH])
    for axes in (grid[0], grid[2], grid[4]):
        axes.set_ylabel("relative")
    for axes in (grid[3], grid[4]):
        axes.set_xlabel("width $n$")
    _legend(drawing, table)
    return drawing


def _panel(axes: Axes, records: Table, title: str) -> None:
    curves: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for record in records:
        if record["value"] is not None:
            curves[tuple(record[name] for name in SETTING)].append(record)
    for key, curve in curves.items():
        look = _look(key)
        widths, values = ([record[name] for record in curve] for name in ("width", "value"))
        axes.plot(widths, values, **look)
        if curve[0]["low"] is not None and key[1:] == ("ntk", 1.0, "lora"):
            low, high = ([record[name] for record in curve] for name in ("low", "high"))
            axes.fill_between(widths, low, high, color=look["color"], alpha=0.12, linewidth=0)
        if key[1:] == ("ntk", 1.0, "lora"):
            _guide(axes, widths, values, curve[0]["order_high"], look["color"])
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    widths = sorted({record["width"] for record in records})
    every = -(-len(widths) // 4)
    axes.set_xticks(widths[::every], [f"{width:,}" for width in widths[::every]])
    axes.minorticks_off()
    slopes = {
        NAMES[key[0]]: curve[0]["slope"]
        for key, curve in curves.items()
        if key[1:] == ("ntk", 1.0, "lora") and curve[0]["slope"] is not None
    }
    said = ", ".join(f"{name} {slope:.2f}".replace("-", "−") for name, slope in slopes.items())
    axes.set_title(title + (f"\n{said}" if said else ""), fontsize=6.5)


def _guide(axes: Axes, widths: Sequence[float], values: Sequence[float], order: float, color: str) -> None:
    """The derived order as a line through the middle of the curve."""
    across = np.array([widths[0], widths[-1]], float)
    middle = np.exp(np.mean(np.log(values))) * (across / np.exp(np.mean(np.log(widths)))) ** order
    axes.plot(across, middle, color=color, linewidth=0.7, linestyle=(0, (1, 1.2)))


def _look(key: tuple[Any, ...]) -> dict[str, Any]:
    activation, scaling, label_scale, method = key
    if scaling == "mean_field":
        return {"color": GREY, "marker": "x", "linestyle": (0, (4, 1)), "linewidth": 0.8}
    marker = {"relu": "o", "tanh": "s"}[activation] if label_scale == 1.0 else {"relu": "^", "tanh": "D"}[activation]
    face = TINTS[activation] if method == "lora" else "white"
    return {
        "color": TINTS[activation], "marker": marker, "markerfacecolor": face, "linewidth": 0.9,
        "linestyle": "-" if label_scale == 1.0 else (0, (5, 1, 1, 1)),
    }  # fmt: skip


def _path_panel(axes: Axes, records: Table) -> None:
    """Held-out distance over time, for every other width, of LoRA with the smoothest φ there is."""
    key = max(
        (tuple(record[name] for name in SETTING) for record in records),
        key=lambda key: (key[1] == "ntk", key[2] == 1.0, key[3] == "lora", key[0] == "tanh"),
    )
    own = [record for record in records if tuple(record[name] for name in SETTING) == key]
    widths = sorted({record["width"] for record in own})[::2]
    for width, look in zip(widths, ladder(len(widths))):
        path = [record for record in own if record["width"] == width and record["time"] > 0 and record["value"] > 0]
        times, values = ([record[name] for record in path] for name in ("time", "value"))
        axes.plot(times, values, color=look.color, linestyle=look.linestyle, linewidth=0.9)
        axes.annotate(
            f"{width:,}", (times[-1], values[-1]), (3, 0), textcoords="offset points", va="top",
            fontsize=SMALLEST, color=look.color,
        )  # fmt: skip
    axes.axhline(TOLERANCE, color=INK, linewidth=0.6)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(1e-6, 10 * max([TOLERANCE, *(record["value"] for record in own)]))
    axes.minorticks_off()
    axes.margins(x=0.2)
    axes.set_xlabel("gradient-flow time")
    axes.set_title(f"outputs, held-out digits, in time\n{NAMES[key[0]]}, {METHODS[key[3]]}, by width", fontsize=6.5)


def _legend(drawing: Drawing, table: Table) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for key in dict.fromkeys(tuple(record[name] for name in SETTING) for record in table):
        activation, scaling, label_scale, method = key
        extra = (
            ", mean-field" if scaling == "mean_field" else "" if label_scale == 1.0 else f", labels ±{label_scale:g}"
        )
        handles.append(Line2D([], [], **_look(key), label=f"{NAMES[activation]}, {METHODS[method]}{extra}"))
    handles.append(Line2D([], [], color=INK, linewidth=0.7, linestyle=(0, (1, 1.2)), label="derived order (LoRA)"))
    drawing.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=SMALLEST, columnspacing=1.0)


figure = Figure(
    name="ntk_regime",
    title="Is it the NTK regime? True against linearized training as the width grows",
    caption=(
        "An MLP on digits of two classes (N = 16, K = 1, second hidden weight adapted), trained truly and linearized "
        "with the same start, decay and steps. Geometric means over seeds, with 95% Student intervals as bands and "
        "LoRA's exponents above; weights, kernel and δ at the end, outputs at their worst along the path, relative to "
        "what training changed. Dotted: the orders in n [derived], through the middle of LoRA's curves (for ReLU's "
        "kernel and outputs the flatter end of −3/4 to −1/2). Under mean-field scaling, the control, training is "
        "linear at no width. Bottom right: the held-out distance in time, medians over seeds; the line is at 5%."
    ),
    experiments=("ntk_regime",),
    tabulate=tabulate,
    draw=draw,
    finding=finding,
)
