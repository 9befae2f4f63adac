"""The store: immutable shards of rows, found again by the key of their cell.

    <root>/<experiment>/{spec.json, manifest.json, shards/<hash of the chunk's keys>.parquet}

Measured with kill -9 while writing: one growing parquet file was never readable afterwards, a shard per chunk
(temporary file, fsync, rename) always. Where two shards hold one key (`--force`), the later row counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ntklora.atomic import replacing
from ntklora.strict_json import strict_dumps
from ntklora.sweeps.experiment import Cell, CellStatus, Experiment, Row
from ntklora.sweeps.numerics import current_numerics

SCHEMA = 1  # of spec.json and manifest.json

_ARROW = {
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    str: pa.string(),
    list[float]: pa.list_(pa.float64()),
    list[int]: pa.list_(pa.int64()),
    list[str]: pa.list_(pa.string()),
}
_RECORD = {"key": str, "status": int, "reason": str, "seconds": float, "date": str, "revision": str}


@dataclass(frozen=True)
class Store:
    """The rows of one folder, such as `results/default`. Reading never computes."""

    root: Path

    def rows(self, experiment: Experiment, cells: Iterable[Cell]) -> list[Row]:
        """The stored rows of these cells, in their order, failed ones included.

        Only rows whose key matches the description as it is now: those of another version, precision or generator are
        not seen. Errors: `ValueError` naming a shard that cannot be read.
        """
        stored: dict[str, Row] = {}
        for path in self._shards(experiment):
            for row in _read(path).to_pylist():
                if row["key"] not in stored or row["date"] >= stored[row["key"]]["date"]:
                    stored[row["key"]] = row
        numerics = current_numerics()
        keys = (experiment.key(cell, numerics) for cell in cells)
        return [stored[key] for key in keys if key in stored]

    def missing(self, experiment: Experiment, cells: Iterable[Cell], *, retry_failed: bool = False) -> list[Cell]:
        """The cells without a row; with `retry_failed`, also those whose row says that they failed."""
        latest: dict[str, tuple[str, int]] = {}
        for path in self._shards(experiment):
            table = _read(path, ["key", "date", "status"])
            for key, date, status in zip(*(table[name].to_pylist() for name in table.column_names), strict=True):
                latest[key] = max(latest.get(key, ("", 0)), (date, status))
        done = {key for key, (_, status) in latest.items() if status == CellStatus.ok or not retry_failed}
        numerics = current_numerics()
        return [cell for cell in cells if experiment.key(cell, numerics) not in done]

    def write(self, experiment: Experiment, rows: Sequence[Row]) -> Path:
        """One new shard with these rows, whole or not at all."""
        content = sha256("".join(row["key"] for row in rows).encode()).hexdigest()[:32]
        path = self._folder(experiment) / "shards" / f"{content}.parquet"
        with replacing(path) as sibling:
            pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema=_schema(experiment)), sibling)
        return path

    def set_aside_unreadable(self, experiment: Experiment) -> list[Path]:
        """Rename shards that cannot be read to `*.unreadable`, so that their cells are computed again; name them."""
        moved = []
        for path in self._shards(experiment):
            try:
                _read(path, ["key"])
            except ValueError:
                moved.append(path.rename(path.with_suffix(".unreadable")))
        return moved

    def write_spec(self, experiment: Experiment, cells: Sequence[Cell]) -> None:
        """`spec.json`: what was asked for last, in the description's words."""
        values = {axis: sorted({cell[axis] for cell in cells}) for axis in experiment.axes}
        spec = {
            "schema": SCHEMA,
            "experiment": experiment.name,
            "version": experiment.version,
            "question": experiment.question,
            "numerics": current_numerics()._asdict(),
            "cells": len(cells),
            "parameters": values,
            "columns": {column.name: column.meaning for column in experiment.columns},
        }
        write_json(self._folder(experiment) / "spec.json", spec)

    def manifest(self, experiment: Experiment) -> list[dict[str, Any]]:
        """The runs that wrote here, oldest first, each with its provenance."""
        path = self._folder(experiment) / "manifest.json"
        if not path.exists():
            return []
        try:
            return json.loads(path.read_text())["runs"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is not a manifest of this program ({error}); move it away and run again"
            ) from error

    def write_manifest(self, experiment: Experiment, runs: Sequence[Mapping[str, Any]]) -> None:
        """`manifest.json`: all runs, the newest last."""
        content = {"schema": SCHEMA, "experiment": experiment.name, "runs": list(runs)}
        write_json(self._folder(experiment) / "manifest.json", content)

    def _folder(self, experiment: Experiment) -> Path:
        return self.root / experiment.name

    def _shards(self, experiment: Experiment) -> list[Path]:
        return sorted((self._folder(experiment) / "shards").glob("[!.]*.parquet"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Strict JSON, indented, whole or not at all."""
    with replacing(path) as sibling:
        sibling.write_text(strict_dumps(content, indent=2) + "\n")


def _schema(experiment: Experiment) -> pa.Schema:
    columns = {column.name: column.kind for column in experiment.columns}
    return pa.schema([(name, _ARROW[kind]) for name, kind in {**experiment.axes, **columns, **_RECORD}.items()])


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    # pyarrow's own errors, and OSError for a file cut short, become one error with the mend.
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read as a shard ({error}); run the experiment again") from error
