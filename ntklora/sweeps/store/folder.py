"""`Store`: the folder of one sweep, from which rows are read and to which they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from ntklora.sweeps.experiment import CellStatus, Experiment, Row
from ntklora.sweeps.store import manifest, spec_file
from ntklora.sweeps.store.agreement import Disagreement, disagreement
from ntklora.sweeps.store.claim import claim, set_aside
from ntklora.sweeps.store.damage import find_damage, other_versions
from ntklora.sweeps.store.index import Index, Place, digest_of
from ntklora.sweeps.store.shard import (
    SCHEMA,
    Damage,
    Header,
    Shard,
    measured_names,
    read_shard,
    table_of,
    write_shard,
)
from ntklora.sweeps.store.spec_file import StoredSpec
from ntklora.sweeps.store.writing import alone, writing
from ntklora.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Requested = Sweep | StoredSpec | Iterable[str]  # cells, or the keys of their rows


class Written(NamedTuple):
    """What became of rows: the new shard (None where all were stored already) and those that contradict the store."""

    path: Path | None
    disagreements: list[Disagreement]


@dataclass(frozen=True)
class Store:
    """The rows of one sweep. Knows keys and rows; reading never computes, and needs no right to write."""

    folder: Path

    def claim(self, sweep: Sweep, reference: str, *, force: bool = False, extend: bool = False) -> None:
        """Make the folder that of this sweep, whose experiment is found by `reference`.

        A folder of another sweep is refused, and so is one that holds files but no manifest of ours. With `extend`,
        other cells, another version or precision of the same experiment are welcome: rows stay, and are shown to
        whoever asks for their keys. With `force` everything is. Errors: `Refused`, `Unwritable`.
        """
        claim(self.folder, StoredSpec.of(sweep, reference), force=force, extend=extend)

    def spec(self) -> StoredSpec:
        """What the folder was claimed for. Errors: `ValueError` where it was not."""
        return spec_file.read_spec(self.folder)

    def runs(self) -> list[dict[str, Any]]:
        """The runs that wrote here, oldest first, each with its provenance. Errors: `ValueError`."""
        return manifest.read_runs(self.folder)

    def append_run(self, experiment: str, run: Mapping[str, Any]) -> str:
        """Record a run in the manifest; the name for `update_run`."""
        return manifest.append_run(self.folder, experiment, run)

    def update_run(self, experiment: str, name: str, changes: Mapping[str, Any]) -> None:
        """Record how far the run came, and spare the next reader the shards that it wrote."""
        self._index.save_news()
        manifest.update_run(self.folder, experiment, name, changes)

    def look(self) -> Index:
        """Every shard as it is now: known, damaged, and by key what became of the cell."""
        self._index.look()
        return self._index

    def statuses(self) -> dict[str, int]:
        """By key, what became of the cell; rows of every version and precision that lie here.

        What cannot be read is not here: `look().damaged` names it.
        """
        return dict(self.look().statuses)

    def missing(self, asked: Requested, *, retry_failed: bool = False, force: bool = False) -> list[int]:
        """The positions of the cells without a row; with `retry_failed` also of failed ones; with `force` of all."""
        keys = _keys(asked)
        if force:
            return list(range(len(keys)))
        statuses = self.look().statuses
        if retry_failed:
            return [position for position, key in enumerate(keys) if statuses.get(key) != CellStatus.ok]
        return [position for position, key in enumerate(keys) if key not in statuses]

    def rows(self, asked: Requested) -> list[Row]:
        """The stored rows of these cells, in their order, failed ones included; a missing cell has none.

        Errors: `ValueError` naming a shard that cannot be read, so that no number goes missing unnoticed.
        """
        index = self.look()
        for damage in index.damaged:
            raise ValueError(_mend(self.folder / "shards" / damage.shard, damage.reason))
        return self._read([place for key in _keys(asked) if (place := index.place(key)) is not None])

    def write(self, experiment: Experiment, rows: Sequence[Row], *, force: bool = False) -> Written:
        """One new shard with these rows, whole or not at all. Errors: `Unwritable`.

        A cell that is stored as ok is not stored again: the same numbers agree, other numbers are a disagreement, and
        the new row goes to `set_aside/`. With `force` the new rows count instead of the old ones.
        """
        table = table_of(experiment, rows)
        values = table.select(measured_names(table)).to_pylist()
        self._index.look_for_new()  # most of it, while others may write
        with writing(self.folder), alone(self.folder):
            self._index.look_for_new()
            before = [self._index.place(row["key"]) for row in rows]
            new, contradicting = [], []
            for position, (row, place) in enumerate(zip(rows, before, strict=True)):
                if force or place is None or place.status != CellStatus.ok:
                    new.append(position)
                elif row["status"] == CellStatus.ok and digest_of(values[position]) != place.digest:
                    contradicting.append(position)
            path = self._add(experiment, table, new, before) if new else None
            self._index.save_many()
            found = self._contradict(experiment, table, contradicting, before) if contradicting else []
        return Written(path, found)

    def damaged(self) -> list[Damage]:
        """What lies among the shards and cannot be read, is none of this folder's sweep, or contradicts an earlier one.

        Shards of another version are no damage (`other_versions`). Errors: `ValueError` for a folder without a
        specification.
        """
        return find_damage(self.look(), self.spec())

    def set_aside_damaged(self) -> list[Damage]:
        """Move what is damaged to `set_aside/`, so that its cells are computed again; name it."""
        damaged = self.damaged()
        if damaged:
            with writing(self.folder), alone(self.folder):
                for damage in damaged:
                    set_aside(self.folder, self.folder / "shards" / damage.shard)
        return damaged

    def other_versions(self) -> dict[str, int]:
        """The shards of other versions of the experiment, whose rows are kept and not shown, and their versions."""
        return other_versions(self.look(), self.spec())

    def to_xarray(self) -> xr.Dataset:
        """Every requested cell as labelled arrays (`ntklora.sweeps.view`). Errors: `ValueError`."""
        from ntklora.sweeps.view import to_xarray

        spec = self.spec()
        return to_xarray(spec, self.rows(spec))

    def to_pandas(self) -> pd.DataFrame:
        """Every requested cell as a line (`ntklora.sweeps.view`). Errors: `ValueError`."""
        from ntklora.sweeps.view import to_pandas

        spec = self.spec()
        return to_pandas(spec, self.rows(spec))

    @cached_property
    def _index(self) -> Index:
        return Index(self.folder)

    def _read(self, places: Sequence[Place]) -> list[Row]:
        """The rows at these places, each shard opened once."""
        wanted: dict[str, list[int]] = {}
        for position, place in enumerate(places):
            wanted.setdefault(place.shard.name, []).append(position)
        rows: list[Row] = [{}] * len(places)
        for name, positions in wanted.items():
            path = self.folder / "shards" / name
            try:
                table = read_shard(path).table.take([places[position].row for position in positions])
            except (ValueError, FileNotFoundError) as error:
                self._index.distrust()
                reason = "is gone" if isinstance(error, FileNotFoundError) else str(error)
                raise ValueError(_mend(path, reason)) from error
            for position, row in zip(positions, table.to_pylist(), strict=True):
                rows[position] = row
        return rows

    def _add(self, experiment: Experiment, table: pa.Table, chosen: list[int], before: Sequence[Place | None]) -> Path:
        replaced = (before[position] for position in chosen)
        generation = 1 + max((place.shard.generation for place in replaced if place is not None), default=0)
        new = table if len(chosen) == len(table) else table.take(chosen)
        shard = Shard(Header(SCHEMA, experiment.name, experiment.version, generation), new)
        path = write_shard(self.folder / "shards", *shard)
        self._index.add(path, shard)
        return path

    def _contradict(
        self, experiment: Experiment, table: pa.Table, chosen: list[int], before: Sequence[Place | None]
    ) -> list[Disagreement]:
        """Keep contradicting rows beside the shards, and say where they differ."""
        contradicting = table.take(chosen)
        header = Header(SCHEMA, experiment.name, experiment.version, 0)  # counts for nothing, should it be moved back
        write_shard(self.folder / "set_aside", header, contradicting)
        stored = self._read([place for position in chosen if (place := before[position]) is not None])
        columns = [column.name for column in experiment.columns]
        pairs = zip(stored, contradicting.to_pylist(), strict=True)
        return [disagreement(experiment.axes, columns, old, new) for old, new in pairs]


def _mend(shard: Path, reason: str) -> str:
    return f"{shard} {reason}: run the sweep again, which sets it aside and computes its cells anew"


def _keys(asked: Requested) -> Sequence[str]:
    return asked.keys if isinstance(asked, Sweep | StoredSpec) else list(asked)
