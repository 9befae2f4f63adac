"""A shard: some rows of one experiment in one parquet file, written whole and never changed.

Its name is a hash of its header and of its rows' keys, and its pages have checksums, so that a shard that was cut
short, changed on the disk, or copied from elsewhere is told from a good one.
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


def name_of(header: Header, keys: Sequence[str]) -> str:
    """The file name of a shard."""
    return f"{sha256(json.dumps([header, keys]).encode()).hexdigest()[:32]}.parquet"


def write_shard(folder: Path, header: Header, table: pa.Table) -> Path:
    """One new file in `folder`, whole or absent. Errors: `OSError`."""
    path = folder / name_of(header, table["key"].to_pylist())
    described = table.replace_schema_metadata({_METADATA: json.dumps(header._asdict())})
    with replacing(path) as sibling:
        pq.write_table(described, sibling, write_page_checksum=True, write_statistics=False)
    return path


def read_shard(path: Path) -> Shard:
    """A shard, checked. Errors: `ValueError` that says what is wrong with it, without its name."""
    try:
        # one thread: shards are small; not `read_table`, which takes three times as long
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"cannot be read: {' '.join(str(error).split())}") from error
    try:
        header = Header(**json.loads((table.schema.metadata or {})[_METADATA]))
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError("is no shard of this program") from error
    if header.schema != SCHEMA:
        raise ValueError(f"is a shard of schema {header.schema}, this program writes {SCHEMA}")
    if not set(RECORD) <= set(table.column_names) or path.name != name_of(header, table["key"].to_pylist()):
        raise ValueError("has another name than its content: it was renamed or changed")
    return Shard(header, table)


def measured_names(table: pa.Table) -> list[str]:
    """Parameters and measured columns: everything but the record."""
    return [name for name in table.column_names if name not in RECORD]


def column_text(name: str, kind: pa.DataType) -> str:
    """A column in a line, the same before writing and after reading."""
    return f"{name} list[{kind.value_type}]" if pa.types.is_list(kind) else f"{name} {kind}"
