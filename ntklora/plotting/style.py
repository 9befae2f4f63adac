"""One style for all figures: the venue's width and letter sizes, colours that survive colour blindness and grey.

A figure is drawn at the size at which it is printed and never rescaled, so a 6 pt label is 6 pt on paper. Letters are
STIX (they come with matplotlib and match Times), so the bytes do not depend on the fonts of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure as Drawing

SMALLEST = 6.0  # points: the smallest letters that read in print

# Okabe and Ito's colours, those that keep apart in grey too; yellow is left out, white paper swallows it.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#882255", "#E69F00", "#56B4E9"
INK, GREY, PALE = "#1a1a1a", "#6e6e6e", "#e4e4e4"


_FAMILIES = {
    "gaussian": "Gaussian features",
    "mlp": "MLP",
    "mlp_random_labels": "MLP, random labels",
    "cnn": "CNN",
    "cnn_random_labels": "CNN, random labels",
    "transformer": "transformer",
    "transformer_random_labels": "transformer, random labels",
    "planted": "planted minima",
}


class Venue(StrEnum):
    """Where a figure is to be printed: sets the width of a column and the size of the letters."""

    icml = "icml"
    neurips = "neurips"
    iclr = "iclr"
    tmlr = "tmlr"


class Look(NamedTuple):
    """What makes a curve tell itself from its neighbours without its colour."""

    color: str
    marker: str
    linestyle: Any


def family_name(family: str) -> str:
    """How a family of instances is called in print.

    >>> family_name("cnn_random_labels"), family_name("my_encoder")
    ('CNN, random labels', 'my encoder')
    """
    return _FAMILIES.get(family, family.replace("_", " "))


def family_order(family: str) -> tuple[int, str]:
    """The sort key that puts families in the same order in every figure; unknown ones last."""
    known = list(_FAMILIES)
    return (known.index(family) if family in known else len(known)), family


@contextmanager
def printed_at(venue: Venue) -> Iterator[None]:
    """Inside, matplotlib draws for one column of this venue."""
    import matplotlib as mpl

    settings: Any = {**_sizes(venue), **_HOUSE}
    with mpl.rc_context(settings):
        yield


def new_drawing(height: float) -> Drawing:
    """An empty drawing as wide as the venue's column, `height` inches tall, its panels laid out without overlap."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Drawing

    # Not by pyplot: it keeps every figure alive and asks for a display.
    return Drawing(figsize=(mpl.rcParams["figure.figsize"][0], height), layout="constrained")


def ladder(count: int) -> Sequence[Look]:
    """Looks for `count` ordered curves (ranks): from pale to dark, so that the order reads in grey as well."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    markers = "ovs^DPX*<>hp"
    dashes = ("-", (0, (4, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))
    places = [0.12 + 0.75 * step / max(count - 1, 1) for step in range(count)]
    shades = mpl.colormaps["plasma_r"](places)
    return [
        Look(to_hex(shade), markers[step % len(markers)], dashes[step % len(dashes)])
        for step, shade in enumerate(shades)
    ]


def plain_ticks(axis: Axis, ticks: Sequence[float]) -> None:
    """These ticks and no others, in plain digits: for logarithmic axes over one or two decades."""
    from matplotlib.ticker import FixedLocator, NullLocator

    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, place: f"{value:g}")


def say_nothing_to_plot(message: str) -> Drawing:
    """The drawing that stands for rows that do not exist: a sentence, no axes, no invented data."""
    drawing = new_drawing(1.1)
    drawing.text(0.5, 0.5, message, ha="center", va="center", color=INK, wrap=True)
    return drawing


def _sizes(venue: Venue) -> dict[str, Any]:
    from tueplots import figsizes, fontsizes

    match venue:
        case Venue.icml:
            return {**figsizes.icml2024_half(), **fontsizes.icml2024()}
        case Venue.neurips:
            return {**figsizes.neurips2024(), **fontsizes.neurips2024()}
        case Venue.iclr:
            return {**figsizes.iclr2024(), **fontsizes.iclr2024()}
        case Venue.tmlr:
            return {**figsizes.tmlr2023(), **fontsizes.tmlr2023()}


_HOUSE = {
    "text.usetex": False,
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "axes.labelpad": 2,
    "axes.titlepad": 3,
    "axes.linewidth": 0.5,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.minor.width": 0.3,
    "ytick.minor.width": 0.3,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "xtick.minor.size": 1.2,
    "ytick.minor.size": 1.2,
    "xtick.major.pad": 1.5,
    "ytick.major.pad": 1.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "lines.markeredgewidth": 0.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.labelspacing": 0.3,
    "legend.borderaxespad": 0.2,
    "hatch.linewidth": 0.4,
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,  # TrueType: venues refuse matplotlib's default Type 3
    "svg.fonttype": "path",
    "svg.hashsalt": "ntklora",
}
