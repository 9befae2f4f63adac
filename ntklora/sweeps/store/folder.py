"""`Store`: the folder of one sweep, from which rows are read and to which they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ntklora.sweeps.experiment import CellStatus, Experiment, Row
from ntklora.sweeps.store import manifest, spec_file
from ntklora.sweeps.store.agreement import Disagreement, disagreement
from ntklora.sweeps.store.index import Index, Place, digest_of
from ntklora.sweeps.store.shard import (
    ARROW_TYPES,
    SCHEMA,
    Damage,
    Header,
    Shard,
    column_text,
    measured_names,
    read_shard,
    table_of,
    write_shard,
)
from ntklora.sweeps.store.spec_file import StoredSpec
from ntklora.sweeps.store.writing import Refused, alone, writing
from ntklora.sweeps.sweep import Sweep

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
        asked = StoredSpec.of(sweep, reference)
        with writing(self.folder), alone(self.folder):
            self._own(asked.experiment, force)
            before = self._compatible(asked, force, extend)
            if before is None or before.as_dict() != asked.as_dict():
                asked.write(self.folder)

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
        """Record how far the run came."""
        manifest.update_run(self.folder, experiment, name, changes)

    def look(self) -> Index:
        """Every shard as it is now: known, damaged, and the row that counts by key."""
        self._index.look()
        return self._index

    def statuses(self) -> dict[str, int]:
        """By key, what became of the cell; rows of every version and precision that lie here.

        What cannot be read is not here: `look().damaged` names it.
        """
        return {key: place.status for key, place in self.look().latest.items()}

    def missing(self, asked: Requested, *, retry_failed: bool = False, force: bool = False) -> list[int]:
        """The positions of the cells without a row; with `retry_failed` also of failed ones; with `force` of all."""
        keys = _keys(asked)
        if force:
            return list(range(len(keys)))
        latest = self.look().latest
        if retry_failed:
            latest = {key: place for key, place in latest.items() if place.status == CellStatus.ok}
        return [position for position, key in enumerate(keys) if key not in latest]

    def rows(self, asked: Requested) -> list[Row]:
        """The stored rows of these cells, in their order, failed ones included; a missing cell has none.

        Errors: `ValueError` naming a shard that cannot be read, so that no number goes missing unnoticed.
        """
        index = self.look()
        for damage in index.damaged:
            raise ValueError(f"{self.folder / 'shards' / damage.shard} {damage.reason}; run the sweep again")
        return self._read([index.latest[key] for key in _keys(asked) if key in index.latest])

    def write(self, experiment: Experiment, rows: Sequence[Row], *, force: bool = False) -> Written:
        """One new shard with these rows, whole or not at all. Errors: `Unwritable`.

        A cell that is stored as ok is not stored again: the same numbers agree, other numbers are a disagreement, and
        the new row goes to `set_aside/`. With `force` the new rows count instead of the old ones.
        """
        table = table_of(experiment, rows)
        values = table.select(measured_names(table)).to_pylist()
        with writing(self.folder), alone(self.folder):
            self._index.look_for_new()
            before = [self._index.latest.get(row["key"]) for row in rows]
            new, contradicting = [], []
            for position, (row, place) in enumerate(zip(rows, before, strict=True)):
                if force or place is None or place.status != CellStatus.ok:
                    new.append(position)
                elif row["status"] == CellStatus.ok and digest_of(values[position]) != place.digest:
                    contradicting.append(position)
            path = self._add(experiment, table, new, before) if new else None
            found = self._contradict(experiment, table, contradicting, before) if contradicting else []
        return Written(path, found)

    def set_aside_damaged(self) -> list[Damage]:
        """Move what is no shard of this folder's sweep to `set_aside/`, so that its cells are computed again; name it.

        Shards of another version stay: their rows are shown to that version only.
        """
        spec = self.spec()
        columns = {column_text(column.name, ARROW_TYPES[column.kind]) for column in spec.columns}
        index = self.look()
        damaged = list(index.damaged)
        for each in index.known.values():
            if each.experiment != spec.experiment:
                damaged.append(Damage(each.name, f"is of experiment {each.experiment}"))
            elif each.version == spec.version and not columns <= set(each.columns.split(", ")):
                damaged.append(Damage(each.name, f"has other columns of version {each.version}: {each.columns}"))
        if damaged:
            with writing(self.folder), alone(self.folder):
                for damage in damaged:
                    self._set_aside(self.folder / "shards" / damage.shard)
            index.look()
        return damaged

    @cached_property
    def _index(self) -> Index:
        return Index(self.folder)

    def _own(self, experiment: str, force: bool) -> None:
        """See that the manifest is one of ours, or start it."""
        path = self.folder / manifest.FILE
        try:
            manifest.read_runs(self.folder)
            foreign = not path.exists() and any(not each.name.startswith(".") for each in self.folder.iterdir())
            reason = "holds files and no manifest of ntklora"
        except ValueError as error:
            foreign, reason = True, f"has a manifest that is not ours: {error}"
        if foreign and not force:
            raise Refused(f"{self.folder} {reason}; pass another folder, or --force to write there nevertheless")
        if foreign and path.exists():
            self._set_aside(path)
        if not path.exists():
            manifest.start_manifest(self.folder, experiment)

    def _compatible(self, asked: StoredSpec, force: bool, extend: bool) -> StoredSpec | None:
        """The specification before; None where there is none, or none that counts."""
        if not (self.folder / spec_file.FILE).exists():
            return None
        try:
            before = self.spec()
        except ValueError as error:
            if force or extend:
                return None
            raise Refused(f"{error}: pass another folder, or --force to compute this sweep there") from error
        found = spec_file.differences(before, asked)
        if found and extend and before.experiment == asked.experiment:
            same = before.version == asked.version
            found = spec_file.column_differences(before, asked) if same else []
            if found and not force:
                raise Refused(
                    f"{self.folder} holds rows {'; '.join(found)}: raise the version of experiment {asked.experiment}, "
                    "or compute everything again with --force"
                )
        if found and not force:
            raise Refused(
                f"{self.folder} holds another sweep ({'; '.join(found)}): pass another folder, or --force to compute "
                "this one there"
            )
        return before

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
            except ValueError as error:
                raise ValueError(f"{path} {error}; run the sweep again") from error
            for position, row in zip(positions, table.to_pylist(), strict=True):
                rows[position] = row
        return rows

    def _add(self, experiment: Experiment, table: pa.Table, chosen: list[int], before: Sequence[Place | None]) -> Path:
        replaced = (before[position] for position in chosen)
        generation = 1 + max((place.shard.generation for place in replaced if place is not None), default=0)
        shard = Shard(Header(SCHEMA, experiment.name, experiment.version, generation), table.take(chosen))
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

    def _set_aside(self, path: Path) -> None:
        folder = self.folder / "set_aside"
        folder.mkdir(exist_ok=True)
        target, count = folder / path.name, 1
        while target.exists():
            count += 1
            target = folder / f"{path.stem}-{count}{path.suffix}"
        with suppress(FileNotFoundError):  # another writer was faster
            path.rename(target)


def _keys(asked: Requested) -> Sequence[str]:
    return asked.keys if isinstance(asked, Sweep | StoredSpec) else list(asked)
