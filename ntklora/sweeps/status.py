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
    index = store.look()
    found = [index.statuses.get(key, int(CellStatus.missing)) for key in spec.keys]
    statuses = Counter(found)
    failed = [position for position, status in enumerate(found) if status not in (CellStatus.ok, CellStatus.missing)]
    groups: dict[tuple[int, str], Reason] = {}
    for position in failed:
        place = index.place(spec.keys[position])
        assert place is not None
        name = (place.status, _pattern(place.reason))
        known = groups.get(name, Reason(CellStatus(place.status).name, place.reason, 0, spec.cells[position]))
        groups[name] = known._replace(cells=known.cells + 1)
    runs = store.runs()
    return Counts(
        spec,
        len(spec.cells),
        {status.name: statuses[status] for status in CellStatus},
        sorted(groups.values(), key=lambda reason: -reason.cells),
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
