"""A shard: some rows of one experiment in one parquet file, written whole and never changed.

    shards/<hash of the rows' keys>-<hash of the file>.parquet

The name tells a shard that was cut short or changed on the disk from a good one, and two shards never take each other's
place. (Parquet's own checksums do not: of single changed bytes, those in a page's header or in the footer went
unnoticed.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ntklora.atomic import replacing
from ntklora.sweeps.experiment import RECORD, Experiment, Row

SCHEMA = 1

ARROW_TYPES = {
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    str: pa.string(),
    list[float]: pa.list_(pa.float64()),
    list[int]: pa.list_(pa.int64()),
    list[str]: pa.list_(pa.string()),
}
RECORD_KINDS: Mapping[str, type] = dict(zip(RECORD, (str, int, str, float, str, str), strict=True))
_METADATA = b"ntklora"


class Header(NamedTuple):
    """What a shard says of itself; of two rows with one key, the one of the larger generation counts."""

    schema: int
    experiment: str
    version: int
    generation: int


class Shard(NamedTuple):
    """A shard as read: its header and its rows."""

    header: Header
    table: pa.Table


class Damage(NamedTuple):
    """A file among the shards that is none, or none of this sweep, and why."""

    shard: str
    reason: str


def table_of(experiment: Experiment, rows: Sequence[Row]) -> pa.Table:
    """Rows in the experiment's columns: parameters, measured columns, record."""
    measured = {column.name: column.kind for column in experiment.columns}
    kinds = {**experiment.axes, **measured, **RECORD_KINDS}
    schema = pa.schema([(name, ARROW_TYPES[kind]) for name, kind in kinds.items()])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def write_shard(folder: Path, header: Header, table: pa.Table) -> Path:
    """One new file in `folder`, whole or absent. Errors: `OSError`."""
    content = parquet_bytes(table.replace_schema_metadata({_METADATA: json.dumps(header._asdict())}))
    path = folder / f"{_digits(''.join(table['key'].to_pylist()).encode())}-{_digits(content)}.parquet"
    with replacing(path) as sibling:
        sibling.write_bytes(content)
    return path


def read_shard(path: Path) -> Shard:
    """A shard, checked. Errors: `ValueError` that says what is wrong with it, without its name; `FileNotFoundError`."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    if path.stem.rpartition("-")[2] != _digits(content):
        raise ValueError("is not what was written under this name (cut short, changed or renamed)")
    try:
        table = parquet_table(content)
        header = Header(**json.loads((table.schema.metadata or {})[_METADATA]))
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        raise ValueError("is no shard of this program") from error
    if header.schema != SCHEMA:
        raise ValueError(f"is a shard of schema {header.schema}, this program has {SCHEMA}")
    return Shard(header, table)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as the content of a file."""
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, write_statistics=False)
    return buffer.getvalue().to_pybytes()


def parquet_table(content: bytes) -> pa.Table:
    """The table of a file's content. Errors: pyarrow's, `OSError`."""
    # One thread: the files are small. Not `read_table`, which takes three times as long.
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        return file.read(use_threads=False)


def measured_names(table: pa.Table) -> list[str]:
    """Parameters and measured columns: everything but the record."""
    return [name for name in table.column_names if name not in RECORD]


def column_text(name: str, kind: pa.DataType) -> str:
    """A column in a line, the same before writing and after reading."""
    return f"{name} list[{kind.value_type}]" if pa.types.is_list(kind) else f"{name} {kind}"


def _digits(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]
