"""The figures, each with what was found, how many runs are behind it and the command that makes it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from ntklora.plotting.files import Plotted
from ntklora.report.html import node

OFFERED = ("pdf", "csv", "json")  # the rest lies in the folder `figures/`; the page carries the SVG as its image
_TYPES = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "csv": "text/csv",
    "json": "application/json",
}


def gallery_section(plotted: Sequence[Plotted]) -> Element:
    """One figure after the other, in the catalogue's order."""
    return node(
        "section",
        node("h2", "Figures"),
        *(_figure(each) for each in plotted),
        None if plotted else node("p", "There are no figures."),
        attributes={"id": "figures"},
    )


def _figure(plotted: Plotted) -> Element:
    figure = plotted.figure
    image = node(
        "img",
        attributes={
            "src": _data(plotted.paths["svg"]),
            "alt": f"{figure.title}. {plotted.finding}",
            "loading": "lazy",
        },
    )
    rows = sum(covered.ok for covered in plotted.coverage)
    cells = sum(covered.cells for covered in plotted.coverage)
    files = [part for suffix in OFFERED for part in (_download(plotted.paths[suffix], suffix), " ")]
    made = node("p", f"{rows:,} of {cells:,} cells. Made by ", node("code", plotted.command), ". Files: ", *files)
    return node(
        "article",
        node("h3", figure.title),
        node("p", plotted.finding, attributes={"class": "finding"}),
        node("figure", image, node("figcaption", node("p", figure.caption), made)),
        attributes={"id": f"figure-{figure.name}"},
    )


def _download(path: Path, suffix: str) -> Element:
    return node("a", suffix.upper(), attributes={"download": path.name, "href": _data(path)})


def _data(path: Path) -> str:
    return f"data:{_TYPES[path.suffix[1:]]};base64,{b64encode(path.read_bytes()).decode()}"
