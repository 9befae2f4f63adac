"""What lies in which shard, without opening them all: a cache that is never trusted where a shard has changed.

A shard counts as known while its name, size and time of change are those that were recorded; everything else is read
and checked. A missing, stale, damaged or read-only index costs time and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import blake2b, sha256
from os import scandir
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

_DIGEST = 32  # bytes

_FEW = 32  # shards that are read again faster than the index is written


class Known(NamedTuple):
    """What is remembered of one shard: the file, the header, and of each row the record and a digest of its values."""

    name: str
    size: int
    changed: int  # nanoseconds
    experiment: str
    version: int
    generation: int
    columns: str  # names of parameters and measured columns, with types
    keys: list[str]
    statuses: list[int]
    reasons: list[str | None]
    dates: list[str]
    digests: list[bytes]


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
        return self.shard.reasons[self.row] or ""

    @property
    def digest(self) -> bytes:
        """Equal for two rows of one key exactly when their values are equal bit for bit."""
        return self.shard.digests[self.row]

    @property
    def rank(self) -> tuple[int, bool, str]:
        """Of two rows with one key the larger rank counts: the later generation, then success, then the later date."""
        return (
            self.shard.generation,
            self.status == CellStatus.ok,
            self.shard.dates[self.row],
        )


_TEXTS = pa.list_(pa.string())
_COLUMNS = pa.schema(
    [
        ("name", pa.string()),
        ("size", pa.int64()),
        ("changed", pa.int64()),
        ("experiment", pa.string()),
        ("version", pa.int64()),
        ("generation", pa.int64()),
        ("columns", pa.string()),
        ("keys", _TEXTS),
        ("statuses", pa.list_(pa.int8())),
        ("reasons", _TEXTS),
        ("dates", _TEXTS),
        ("digests", pa.list_(pa.binary())),
    ],
    metadata={"schema": str(SCHEMA)},
)


class Index:
    """The shards of one folder as last looked at: by name, and the row that counts by key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.known: dict[str, Known] = {}
        self.damaged: list[Damage] = []
        self.latest: dict[str, Place] = {}
        self._looked = False
        self._news = 0  # shards that the file does not know

    def look(self) -> None:
        """Bring it up to date with every file among the shards."""
        if not self._looked:
            self._load()
            self._looked = True
        files = {}
        with suppress(FileNotFoundError), scandir(self.folder / "shards") as entries:
            for entry in entries:
                if _is_shard(entry.name):
                    facts = entry.stat()
                    files[entry.name] = (facts.st_size, facts.st_mtime_ns)
        kept = {name: each for name, each in self.known.items() if files.get(name) == (each.size, each.changed)}
        gone = len(kept) < len(self.known)
        self.known, self.damaged = kept, []
        new = [name for name in sorted(files) if name not in kept]
        for name in new:
            self._read(name)
        if gone:
            self.latest = latest_of(self.known.values())
        self.save_many()

    def look_for_new(self) -> None:
        """Take notice of shards that others have written meanwhile, by name alone: cheap enough for each write."""
        if not self._looked:
            self.look()
            return
        with suppress(FileNotFoundError), scandir(self.folder / "shards") as entries:
            new = [entry.name for entry in entries if entry.name not in self.known and _is_shard(entry.name)]
            for name in new:
                self._read(name)

    def add(self, path: Path, shard: Shard) -> None:
        """Take notice of a shard that was written or read."""
        facts = path.stat()
        known = _known(path.name, facts.st_size, facts.st_mtime_ns, shard)
        self.known[known.name] = known
        self._news += 1
        _count(self.latest, known)

    def distrust(self) -> None:
        """Forget everything, the file too: a shard has changed whose name, size and time have not."""
        self.known, self.latest, self._news = {}, {}, 0
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
        self.known = {each[0]: Known(*each) for each in zip(*(c.to_pylist() for c in table.columns), strict=True)}
        self.latest = latest_of(self.known.values())

    def _read(self, name: str) -> None:
        path = self.folder / "shards" / name
        try:
            self.add(path, read_shard(path))
        except FileNotFoundError:  # set aside by another process between listing and reading
            return
        except ValueError as error:
            self.damaged.append(Damage(name, str(error)))


def latest_of(shards: Iterable[Known]) -> dict[str, Place]:
    """By key the row that counts."""
    latest: dict[str, Place] = {}
    for shard in shards:
        _count(latest, shard)
    return latest


def _count(latest: dict[str, Place], shard: Known) -> None:
    for row, key in enumerate(shard.keys):
        place, before = Place(shard, row), latest.get(key)
        if before is None or place.rank > before.rank:
            latest[key] = place


def _known(name: str, size: int, changed: int, shard: Shard) -> Known:
    header, table = shard
    names = measured_names(table)
    return Known(
        name,
        size,
        changed,
        header.experiment,
        header.version,
        header.generation,
        ", ".join(column_text(each, table.schema.field(each).type) for each in names),
        table["key"].to_pylist(),
        table["status"].to_pylist(),
        table["reason"].to_pylist(),
        table["date"].to_pylist(),
        [digest_of(values) for values in table.select(names).to_pylist()],
    )


def digest_of(values: Mapping[str, object]) -> bytes:
    """Of a row's parameters and measured columns. `repr` of a float names all its bits."""
    return blake2b(repr(sorted(values.items())).encode(), digest_size=8).digest()


def _is_shard(name: str) -> bool:
    return name.endswith(".parquet") and not name.startswith(".")
