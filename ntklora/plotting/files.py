"""A figure from the store to its files: PDF, PNG and SVG, the plotted data as CSV, the provenance as JSON.

The same rows give the same bytes: nothing in the files depends on when, where or by whom they were written.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ntklora.atomic import replacing
from ntklora.plotting.coverage import Coverage, read_rows
from ntklora.plotting.style import SMALLEST, VERMILION, Venue, printed_at, say_nothing_to_plot
from ntklora.strict_json import strict_dumps
from ntklora.sweeps.experiment import CellStatus, Experiment, Row
from ntklora.sweeps.figure import Figure, Table
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.profile import Profile
from ntklora.theory.statements import with_labels
from ntklora.version import __version__

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

# What matplotlib would write of the time and of itself.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


class Plotted(NamedTuple):
    """A figure as it was written: what it says, the rows behind it, and the files by suffix."""

    figure: Figure
    finding: str
    command: str
    coverage: tuple[Coverage, ...]
    paths: dict[str, Path]


def write_figures(
    figures: Sequence[Figure],
    experiments: Mapping[str, Experiment],
    results: Path,
    profile: Profile,
    folder: Path,
    venue: Venue = Venue.icml,
) -> list[Plotted]:
    """Draw figures from the rows of a profile: `<folder>/<name>.{pdf,png,svg,csv,json}`, each whole or absent.

    Titles, captions and findings get the labels of the statements they name. A figure without rows is drawn as a
    sentence that says so; one with a part of them names what is missing.
    """
    labelled = (replace(each, title=with_labels(each.title), caption=with_labels(each.caption)) for each in figures)
    return [
        _write_figure(figure, [experiments[name] for name in figure.experiments], results, profile, folder, venue)
        for figure in labelled
    ]


def _write_figure(
    figure: Figure, experiments: Sequence[Experiment], results: Path, profile: Profile, folder: Path, venue: Venue
) -> Plotted:
    rows: dict[str, list[Row]] = {}
    covered: list[Coverage] = []
    for experiment in experiments:
        found, coverage = read_rows(experiment, results, profile)
        rows[experiment.name] = [row for row in found if row["status"] == CellStatus.ok]
        covered.append(coverage)
    command = f"ntklora figures {figure.name} --profile {profile.value}"
    gaps = "; ".join(coverage.gap for coverage in covered if coverage.gap)
    table = figure.tabulate(rows) if any(rows.values()) else []
    with printed_at(venue):
        if table:
            drawing, finding = figure.draw(table), with_labels(figure.finding(table))
            if gaps:
                drawing.suptitle(f"Incomplete. {gaps}", fontsize=SMALLEST, color=VERMILION, wrap=True)
                finding = f"{finding} Incomplete: {gaps}."
        else:
            finding = f"Nothing is shown, because no rows are stored ({gaps})."
            drawing = say_nothing_to_plot(f"No rows stored yet.\n{gaps}\nntklora reproduce --profile {profile.value}")
        _settle(drawing)
        contents = {suffix: _render(drawing, suffix) for suffix in _METADATA}
    contents["csv"] = _csv(table)
    contents["json"] = _provenance(figure, finding, command, profile, venue, covered)
    paths = {suffix: folder / f"{figure.name}.{suffix}" for suffix in contents}
    for suffix, content in contents.items():
        with replacing(paths[suffix]) as sibling:
            sibling.write_bytes(content)
    return Plotted(figure, finding, command, tuple(covered), paths)


def _settle(drawing: Drawing) -> None:
    """Lay out once, for all formats, and round: the layout's solver is exact only to its last bits, which vary.

    An SVG's clipping rectangles are named by a hash of all their bits.
    """
    drawing.draw_without_rendering()
    drawing.set_layout_engine("none")
    for axes in drawing.axes:
        left, bottom, width, height = axes.get_position().bounds
        axes.set_position((round(left, 6), round(bottom, 6), round(width, 6), round(height, 6)))


def _render(drawing: Drawing, suffix: str) -> bytes:
    buffer = BytesIO()
    drawing.savefig(buffer, format=suffix, metadata=_METADATA[suffix])
    return buffer.getvalue()


def _csv(table: Table) -> bytes:
    """RFC 4180 but for the line ends; None is empty, a float is written so that it reads back the same."""
    if not table:
        return b""
    buffer = StringIO()
    writer = csv.DictWriter(buffer, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return buffer.getvalue().encode()


def _provenance(
    figure: Figure, finding: str, command: str, profile: Profile, venue: Venue, covered: Sequence[Coverage]
) -> bytes:
    content = {
        "schema": 1,
        "figure": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "finding": finding,
        "command": command,
        "profile": profile,
        "venue": venue,
        "numerics": Numerics()._asdict(),
        "experiments": [coverage.as_dict() for coverage in covered],
        "drawn_with": {"ntklora": __version__, "matplotlib": version("matplotlib")},
    }
    return (strict_dumps(content, indent=2) + "\n").encode()
