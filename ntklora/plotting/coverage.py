"""How much of what an experiment asks for lies in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ntklora.sweeps.experiment import CellStatus, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.store import Store
from ntklora.sweeps.sweep import Sweep


class Coverage(NamedTuple):
    """Cells asked for, stored and well, stored and failed; where and when the rows were computed."""

    experiment: str
    version: int
    cells: int
    ok: int
    failed: int
    revisions: tuple[str, ...]
    first: str | None
    last: str | None

    @property
    def missing(self) -> int:
        """Cells without a row."""
        return self.cells - self.ok - self.failed

    @property
    def gap(self) -> str | None:
        """What is not there, in words; None where everything is.

        >>> Coverage("ladder", 1, 40, 38, 1, (), None, None).gap
        'ladder: 38 of 40 cells, 1 missing, 1 failed'
        """
        if self.ok == self.cells:
            return None
        parts = [f"{self.missing} missing"] * bool(self.missing) + [f"{self.failed} failed"] * bool(self.failed)
        return f"{self.experiment}: {self.ok} of {self.cells} cells, {', '.join(parts)}"

    def as_dict(self) -> dict[str, Any]:
        """For the provenance beside a figure."""
        return {**self._asdict(), "revisions": list(self.revisions), "missing": self.missing}


def read_rows(experiment: Experiment, results: Path, profile: Profile) -> tuple[list[Row], Coverage]:
    """The rows of a profile in `<results>/<experiment>`, failed ones included, and how complete they are."""
    sweep = Sweep.of_profile(experiment, profile)
    rows = Store(results / experiment.name).rows(sweep)
    return rows, coverage(experiment, len(sweep.cells), rows)


def coverage(experiment: Experiment, cells: int, rows: Sequence[Row]) -> Coverage:
    """What `rows` cover of `cells` cells."""
    failed = sum(row["status"] != CellStatus.ok for row in rows)
    dates = sorted(row["date"] for row in rows)
    revisions = tuple(sorted({row["revision"] for row in rows}))
    first, last = (dates[0], dates[-1]) if dates else (None, None)
    return Coverage(experiment.name, experiment.version, cells, len(rows) - failed, failed, revisions, first, last)
