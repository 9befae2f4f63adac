"""What became of a sweep's cells, from the folder alone: no experiment is imported, no shard opened that the index
knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from ntklora.sweeps.experiment import Cell, CellStatus
from ntklora.sweeps.store import Damage, Store, StoredSpec


class Reason(NamedTuple):
    """Cells that failed in the same way: reasons that differ in numbers only count as one, told by its first cell."""

    status: str
    reason: str
    cells: int
    example: Cell


class Counts(NamedTuple):
    """The requested cells by status, `missing` among them, in the order of `CellStatus`; failures by reason.

    `damaged` are files among the shards that are none, `other_versions` shards that are kept and not shown.
    """

    spec: StoredSpec
    cells: int
    statuses: Mapping[str, int]
    reasons: list[Reason]
    last_run: Mapping[str, Any] | None
    damaged: list[Damage]
    other_versions: Mapping[str, int]

    @property
    def missing(self) -> int:
        """Cells that have no row."""
        return self.statuses[CellStatus.missing.name]

    @property
    def failed(self) -> int:
        """Cells whose row says why there are no values."""
        return self.cells - self.missing - self.statuses[CellStatus.ok.name]


def count_statuses(store: Store) -> Counts:
    """Counts of one folder. Errors: `ValueError` where it holds no sweep."""
    spec = store.spec()
    latest = store.look().latest
    found = [latest.get(key) for key in spec.keys]
    statuses = Counter(CellStatus.missing if place is None else place.status for place in found)
    groups: dict[tuple[int, str], list[int]] = {}
    for position, place in enumerate(found):
        if place is not None and place.status != CellStatus.ok:
            groups.setdefault((place.status, _pattern(place.reason)), []).append(position)
    reasons = []
    for (status, _), positions in groups.items():
        place = found[positions[0]]
        assert place is not None
        reasons.append(Reason(CellStatus(status).name, place.reason, len(positions), spec.cells[positions[0]]))
    runs = store.runs()
    return Counts(
        spec,
        len(spec.cells),
        {status.name: statuses[status] for status in CellStatus},
        sorted(reasons, key=lambda reason: -reason.cells),
        runs[-1] if runs else None,
        store.damaged(),
        store.other_versions(),
    )


def _pattern(reason: str) -> str:
    """The reason without its numbers.

    >>> _pattern("out of time: 12.3 s [run.py:7]")
    'out of time: # s [run.py:#]'
    """
    return re.sub(r"\d+(\.\d+)?", "#", reason)
