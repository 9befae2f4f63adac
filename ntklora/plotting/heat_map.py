"""Shares over rank and number of samples: cells in five classes, and thresholds as stairs along their borders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.plotting.style import GREY, INK, PALE, SMALLEST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# None at all is a class of its own: the theorems say zero, not little.
CLASSES = {"0": 0.0, "≤ 1%": 0.01, "≤ 10%": 0.1, "≤ 50%": 0.5, "≤ 100%": 1.0}
SPURIOUS_SHADES = ("#ffffff", "#fdd49e", "#fc8d59", "#c7361f", "#5a0a1c")
LIMITED_SHADES = ("#ffffff", "#cfe1f2", "#88bedc", "#3181bd", "#08306b")
DASHES = (0, (2.5, 1.2))  # of T2-strict's curve


def draw_heat_map(axes: Axes, shares: Mapping[tuple[int, int], float | None], shades: Sequence[str]) -> None:
    """The shares by (rank, N), in cells of equal size whatever the steps of the grid; hatched where there is none."""
    from matplotlib.patches import Rectangle

    ranks, samples = axis_values(shares)
    for y, rank in enumerate(ranks):
        for x, count in enumerate(samples):
            value = shares.get((rank, count))
            corner = (x - 0.5, y - 0.5)
            if value is None:
                axes.add_patch(Rectangle(corner, 1, 1, facecolor="white", edgecolor=PALE, hatch="////", linewidth=0.3))
            else:
                axes.add_patch(Rectangle(corner, 1, 1, facecolor=shades[_class(value)], edgecolor=PALE, linewidth=0.3))
    axes.set_xlim(-0.5, len(samples) - 0.5)
    axes.set_ylim(-0.5, len(ranks) - 0.4)  # room for a border above the last rank
    every = -(-len(samples) // 8)  # no more labels than there is room for
    axes.set_xticks(range(0, len(samples), every), [str(count) for count in samples[::every]])
    axes.set_yticks(range(len(ranks)), [str(rank) for rank in ranks])
    axes.tick_params(length=0)


def axis_values(shares: Mapping[tuple[int, int], Any]) -> tuple[list[int], list[int]]:
    """The ranks and the numbers of samples of a heat map, in the order of its axes."""
    return sorted({rank for rank, _ in shares}), sorted({count for _, count in shares})


def draw_stairs(
    axes: Axes, thresholds: Sequence[int | None], ranks: Sequence[int], linestyle: Any, points: float, color: str = INK
) -> None:
    """The border below the first rank that reaches each N's threshold; `None`: no rank does.

    `points` keeps two equal borders side by side.
    """
    from matplotlib.transforms import ScaledTranslation

    below = [sum(threshold is None or rank < threshold for rank in ranks) - 0.5 for threshold in thresholds]
    x = np.repeat(np.arange(len(below) + 1) - 0.5, 2)[1:-1]
    shift = ScaledTranslation(-points / 72, points / 72, axes.figure.dpi_scale_trans)
    for ink, width, dashes, layer in (("white", 2.0, "-", 2), (color, 0.9, linestyle, 3)):
        (line,) = axes.plot(x, np.repeat(below, 2), color=ink, linewidth=width, linestyle=dashes, zorder=layer)
        line.set_transform(axes.transData + shift)


def _class(value: float) -> int:
    return next(place for place, top in enumerate(CLASSES.values()) if value <= top)


def draw_classes(axes: Axes, shades: Sequence[str], left: float, bottom: float, width: float, height: float) -> None:
    """A key of the classes: a row of patches in the coordinates of the axes."""
    from matplotlib.patches import Rectangle

    for place, shade in enumerate(shades):
        corner = (left + width * place, bottom)
        axes.add_patch(Rectangle(corner, 0.95 * width, height, facecolor=shade, edgecolor=GREY, linewidth=0.3))


def name_classes(axes: Axes, left: float, bottom: float, width: float) -> None:
    """The names of the classes above their patches."""
    for place, label in enumerate(CLASSES):
        axes.text(left + width * (place + 0.47), bottom, label, ha="center", va="bottom", fontsize=SMALLEST)
