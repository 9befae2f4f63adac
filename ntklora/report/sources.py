"""Where the numbers come from: rows, revisions, dates, versions, seeds; and everything that failed, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

from ntklora.plotting.coverage import Coverage
from ntklora.report.html import node, table
from ntklora.sweeps.experiment import CellStatus, Experiment, Row

HEAD = ("experiment", "cells", "seeds", "revision of the rows", "computed (UTC)")
FAILED = ("experiment", "cell", "status", "reason")


class Source(NamedTuple):
    """One experiment as the store has it: coverage, rows (failed ones included), and the runs that wrote them."""

    experiment: Experiment
    coverage: Coverage
    rows: Sequence[Row]
    runs: Sequence[Mapping[str, Any]]


def sources_section(sources: Sequence[Source]) -> Element:
    """The table of experiments, then versions."""
    runs = sorted((run for each in sources for run in each.runs), key=lambda run: str(run.get("date", "")))
    newest = runs[-1] if runs else {}
    facts = [
        *newest.get("versions", {}).items(),
        *((f"device {name}", value) for name, value in newest.get("device", {}).items()),
    ]
    return node(
        "section",
        node("h2", "Where the numbers come from"),
        table(HEAD, [_line(each) for each in sources], "sources"),
        node("p", "Newest run: ", "; ".join(f"{name} {value}" for name, value in facts) or "none", "."),
        attributes={"id": "sources"},
    )


def failures_section(sources: Sequence[Source]) -> Element:
    """Every cell that failed, with its reason, and how many were never computed."""
    lines = [
        [each.experiment.name, _cell(each.experiment, row), CellStatus(row["status"]).name, row["reason"] or ""]
        for each in sources
        for row in each.rows
        if row["status"] != CellStatus.ok
    ]
    missing = [f"{each.experiment.name}: {each.coverage.missing}" for each in sources if each.coverage.missing]
    return node(
        "section",
        node("h2", "Failures"),
        table(FAILED, lines, "failures") if lines else node("p", "No stored cell failed."),
        node("p", f"Cells not computed: {'; '.join(missing)}." if missing else "No cell is missing."),
        attributes={"id": "failures"},
    )


def _line(each: Source) -> list[Element | str]:
    covered = each.coverage
    count = f"{covered.ok:,} of {covered.cells:,}" + (f", {covered.failed:,} failed" if covered.failed else "")
    dates = " to ".join(dict.fromkeys(date[:16].replace("T", " ") for date in (covered.first, covered.last) if date))
    name = node(
        "div", node("strong", covered.experiment), f" (version {covered.version})", node("p", each.experiment.question)
    )
    return [name, count, _seeds(each.rows), ", ".join(covered.revisions) or "–", dates or "–"]


def _seeds(rows: Sequence[Row]) -> str:
    """The seeds of the rows, runs of neighbours as ranges.

    >>> _seeds([{"seed": 3}, {"seed": 0}, {"seed": 1}, {"seed": 0}])
    '0–1, 3'
    """
    seeds = sorted({row["seed"] for row in rows if "seed" in row})
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    return ", ".join(f"{each[0]}–{each[-1]}" if len(each) > 1 else f"{each[0]}" for each in ranges) or "–"


def _cell(experiment: Experiment, row: Row) -> str:
    return ", ".join(f"{name} = {row[name]}" for name in experiment.axes)
