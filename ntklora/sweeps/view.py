"""Rows as tables and as labelled arrays, in which no requested cell is missing.

A cell that was not computed has status -1 (`CellStatus.missing`) and no values, one that failed its status and reason
(and, where a NaN failed it, the values beside). Nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ntklora.sweeps.experiment import CellStatus, Column, Row
from ntklora.sweeps.store.shard import ARROW_TYPES, RECORD_KINDS
from ntklora.sweeps.store.spec_file import StoredSpec

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

_MOST = 10**8  # places in the product of all axes

STATUSES = ", ".join(f"{status.name} {status.value}" for status in CellStatus)


def to_table(spec: StoredSpec, rows: Sequence[Row]) -> pa.Table:
    """One line per requested cell, in order: parameters, measured columns, record; None is null, lists are lists."""
    kinds = {**spec.axes, **{column.name: column.kind for column in spec.columns}, **RECORD_KINDS}
    found = {row["key"]: row for row in rows}
    listed = [
        found.get(key, {**cell, "key": key, "status": int(CellStatus.missing)})
        for cell, key in zip(spec.cells, spec.keys, strict=True)
    ]
    return pa.Table.from_pylist(listed, schema=pa.schema([(name, ARROW_TYPES[kind]) for name, kind in kinds.items()]))


def to_pandas(spec: StoredSpec, rows: Sequence[Row]) -> pd.DataFrame:
    """One line per requested cell, in order: parameters, measured columns, record.

    Integers and booleans that may be None have pandas' nullable types, lists are arrays; None is pandas' missing value,
    hence NaN among floats.
    """
    import pandas as pd

    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    table = to_table(spec, rows)
    always = [*spec.axes, "key", "status"]
    there = table.select(always).to_pandas()
    perhaps = table.drop_columns(always).to_pandas(types_mapper=nullable.get)
    return pd.concat([there, perhaps], axis="columns")[table.column_names]


def to_xarray(spec: StoredSpec, rows: Sequence[Row]) -> xr.Dataset:
    """One dimension per parameter, in order, spanning the values that the cells take; a column of lists has one more.

    Where there is no value (no such cell, not computed, failed, a legitimate None) numbers are NaN and texts are
    empty, lists end with NaN; integers and booleans become floats. The integer variable `status` says what became of
    each cell. Errors: `ValueError` for a union of grids whose product of axes is too large.
    """
    import xarray as xr

    values: Mapping[str, Any] = {name: sorted({cell[name] for cell in spec.cells}) for name in spec.axes}
    sizes = {name: len(each) for name, each in values.items()}
    if prod(sizes.values()) > _MOST:
        raise ValueError(
            f"the axes of {spec.experiment} span {' x '.join(map(str, sizes.values()))} places, the sweep has "
            f"{len(spec.cells)} cells: take the table instead of labelled arrays"
        )
    positions = [{value: position for position, value in enumerate(each)} for each in values.values()]
    places = [tuple(position[row[name]] for name, position in zip(values, positions, strict=True)) for row in rows]
    variables: dict[str, Any] = {column.name: _variable(column, rows, places, sizes) for column in spec.columns}
    status = np.full(tuple(sizes.values()), int(CellStatus.missing), np.int8)
    for place, row in zip(places, rows, strict=True):
        status[place] = row["status"]
    variables["status"] = (tuple(sizes), status, {"meaning": STATUSES})
    coordinates = {name: np.array(each, object if spec.axes[name] is str else None) for name, each in values.items()}
    attributes = {"experiment": spec.experiment, "version": spec.version, **spec.numerics._asdict()}
    return xr.Dataset(variables, coordinates, attributes)


def _variable(
    column: Column, rows: Sequence[Row], places: Sequence[tuple[int, ...]], sizes: Mapping[str, int]
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    item = getattr(column.kind, "__args__", (column.kind,))[0]
    if item is not column.kind:
        longest = max((len(row[column.name] or ()) for row in rows), default=0)
        sizes = {**sizes, f"{column.name}_index": longest}
    shape = tuple(sizes.values())
    array: Any = np.full(shape, "", object) if item is str else np.full(shape, np.nan)
    for place, row in zip(places, rows, strict=True):
        value = row[column.name]
        if value is None:
            continue
        if item is column.kind:
            array[place] = value
        else:
            array[(*place, slice(len(value)))] = value
    return tuple(sizes), array, {"meaning": column.meaning}
