"""What lies in which shard, without opening them all: a cache that is never trusted where a shard has changed.

A shard counts as known while its name, size and time of change are those that were recorded; everything else is read
and checked. A missing, stale, damaged or read-only index costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from contextlib import suppress
from hashlib import blake2b, sha256
from os import DirEntry, scandir
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from ntklora.atomic import replacing
from ntklora.sweeps.experiment import CellStatus
from ntklora.sweeps.store.shard import (
    Damage,
    Shard,
    column_text,
    measured_names,
    parquet_bytes,
    parquet_table,
    read_shard,
)

SCHEMA = 1
FILE = ".index"  # a digest, then a parquet file: other programs have no use for it

_DIGEST, _ROW_DIGEST = 32, 8  # bytes
_FEW = 32  # shards that are read again faster than the index is written


class Known(NamedTuple):
    """What is remembered of one shard: the file, the header, and of each row the key, the status and the rest."""

    name: str
    size: int
    changed: int  # nanoseconds
    experiment: str
    version: int
    generation: int
    columns: str  # names of parameters and measured columns with types, a line each
    date: str  # of the last row
    keys: list[str]
    statuses: bytes
    reasons: list[str | None] | None  # None where no row failed
    digests: bytes


class Place(NamedTuple):
    """Where the row of a key lies."""

    shard: Known
    row: int

    @property
    def status(self) -> int:
        """What became of the cell."""
        return self.shard.statuses[self.row]

    @property
    def reason(self) -> str:
        """Why it failed; empty where it did not."""
        return (self.shard.reasons[self.row] if self.shard.reasons else None) or ""

    @property
    def digest(self) -> bytes:
        """Equal for two rows of one key exactly when their values are equal bit for bit."""
        return self.shard.digests[self.row * _ROW_DIGEST : (self.row + 1) * _ROW_DIGEST]


_COLUMNS = pa.schema(
    [
        ("name", pa.string()),
        ("size", pa.int64()),
        ("changed", pa.int64()),
        ("experiment", pa.string()),
        ("version", pa.int64()),
        ("generation", pa.int64()),
        ("columns", pa.string()),
        ("date", pa.string()),
        ("keys", pa.list_(pa.string())),
        ("statuses", pa.binary()),
        ("reasons", pa.list_(pa.string())),
        ("digests", pa.binary()),
    ],
    metadata={"schema": str(SCHEMA)},
)


class Index:
    """The shards of one folder as last looked at, by name; by key what became of the cell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, Known] = {}
        self.damaged: list[Damage] = []
        self.statuses: dict[str, int] = {}
        self.contradictions: dict[str, str] = {}  # shards that hold other numbers for a cell than the earlier shard
        self._shards: dict[str, Known] = {}  # by key the one whose row counts
        self._looked = False
        self._news = 0  # shards that the file does not know

    def place(self, key: str) -> Place | None:
        """Where the row that counts lies; None for a cell without a row."""
        shard = self._shards.get(key)
        return None if shard is None else Place(shard, shard.keys.index(key))

    def look(self) -> None:
        """Bring it up to date with every file among the shards."""
        if not self._looked:
            self._load()
            self._looked = True
        files = {}
        for entry in self._entries({}):
            with suppress(FileNotFoundError):  # set aside by another process since it was listed
                facts = entry.stat()
                files[entry.name] = (facts.st_size, facts.st_mtime_ns)
        kept = {name: each for name, each in self.known.items() if files.get(name) == (each.size, each.changed)}
        if len(kept) < len(self.known):
            self._replace(kept)
        self.damaged = []
        for name in sorted(files.keys() - kept.keys()):
            self._read(name)
        self.save_many()

    def look_for_new(self) -> None:
        """Take notice of shards that others have written meanwhile, by name alone: cheap enough for each write."""
        if not self._looked:
            self.look()
            return
        seen = {*self.known, *(damage.shard for damage in self.damaged)} if self.damaged else self.known
        for entry in self._entries(seen):
            self._read(entry.name)

    def add(self, path: Path, shard: Shard) -> None:
        """Take notice of a shard that was written or read."""
        facts = path.stat()
        known = _known(path.name, facts.st_size, facts.st_mtime_ns, shard)
        self.known[known.name] = known
        self._news += 1
        self._count(known)

    def distrust(self) -> None:
        """Forget everything, the file too: a shard has changed whose name, size and time have not."""
        self._replace({})
        self._news = 0
        with suppress(OSError):
            (self.folder / FILE).unlink()

    def save_many(self) -> None:
        """Write the cache when enough is new: what that costs in all grows like the number of shards."""
        if self._news > max(_FEW, len(self.known) // 8):
            self.save_news()

    def save_news(self) -> None:
        """Write the cache if anything is new; a folder that cannot be written goes without."""
        if not self._news:
            return
        self._news = 0
        listed = list(self.known.values())
        table = pa.table(
            [pa.array([each[i] for each in listed], kind.type) for i, kind in enumerate(_COLUMNS)], schema=_COLUMNS
        )
        content = parquet_bytes(table)
        with suppress(OSError), replacing(self.folder / FILE) as sibling:
            sibling.write_bytes(sha256(content).digest() + content)

    def _load(self) -> None:
        try:
            content = (self.folder / FILE).read_bytes()
        except OSError:
            return
        if content[:_DIGEST] != sha256(content[_DIGEST:]).digest():  # damaged: the shards are read
            return
        table = parquet_table(content[_DIGEST:])
        if not table.schema.equals(_COLUMNS) or table.schema.metadata != _COLUMNS.metadata:  # of another schema
            return
        columns = (column.to_pylist() for column in table.columns)
        self._replace({each[0]: Known(*each) for each in zip(*columns, strict=True)})

    def _entries(self, without: Container[str]) -> list[DirEntry[str]]:
        shards = self.folder / "shards"
        try:
            with scandir(shards) as entries:
                new = [each for each in entries if each.name not in without]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ValueError(f"{shards} cannot be read ({error.strerror})") from error
        return [each for each in new if each.name.endswith(".parquet") and not each.name.startswith(".")]

    def _read(self, name: str) -> None:
        path = self.folder / "shards" / name
        try:
            self.add(path, read_shard(path))
        except FileNotFoundError:  # set aside by another process since it was listed
            return
        except ValueError as error:
            self.damaged.append(Damage(name, str(error)))

    def _replace(self, known: dict[str, Known]) -> None:
        self.known, self.statuses, self._shards, self.contradictions = known, {}, {}, {}
        for shard in known.values():
            self._count(shard)

    def _count(self, shard: Known) -> None:
        """Let the rows of a shard count where they are the only ones, or the better ones."""
        rows = list(zip(shard.keys, shard.statuses, strict=True))
        if not self.statuses.keys().isdisjoint(shard.keys):
            rows = [(key, shard.statuses[row]) for row, key in enumerate(shard.keys) if self._counts(shard, row, key)]
        self.statuses.update(rows)
        self._shards.update((key, shard) for key, _ in rows)

    def _counts(self, shard: Known, row: int, key: str) -> bool:
        """Of two rows that of the later generation counts, then one that is ok, then the earlier."""
        new, old = Place(shard, row), self.place(key)
        if old is None:
            return True
        new_rank, old_rank = ((each.shard.generation, each.status == CellStatus.ok) for each in (new, old))
        if new_rank != old_rank:
            return new_rank > old_rank
        first, second = sorted((old, new), key=lambda place: place.shard.date)
        if new.status == CellStatus.ok and new.digest != old.digest:
            self.contradictions[second.shard.name] = first.shard.name
        return first is new


def _known(name: str, size: int, changed: int, shard: Shard) -> Known:
    header, table = shard
    names, reasons = measured_names(table), table["reason"].to_pylist()
    return Known(
        name,
        size,
        changed,
        header.experiment,
        header.version,
        header.generation,
        "\n".join(column_text(each, table.schema.field(each).type) for each in names),
        max(table["date"].to_pylist()),
        table["key"].to_pylist(),
        bytes(table["status"].to_pylist()),
        reasons if any(reasons) else None,
        b"".join(digest_of(values) for values in table.select(names).to_pylist()),
    )


def digest_of(values: Mapping[str, object]) -> bytes:
    """Of a row's parameters and measured columns. `repr` of a float names all its bits."""
    return blake2b(repr(sorted(values.items())).encode(), digest_size=_ROW_DIGEST).digest()
