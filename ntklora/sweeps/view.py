"""Rows as labelled arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ntklora.sweeps.experiment import Cell, CellStatus, Column, Experiment, Row

if TYPE_CHECKING:
    import xarray as xr


def to_xarray(experiment: Experiment, cells: Iterable[Cell], rows: Sequence[Row]) -> xr.Dataset:
    """One dimension per parameter, in order, spanning the values that `cells` take; a column of lists has one more.

    Where there is no value (no such cell, not computed, failed, or a legitimate None) numbers are NaN and strings are
    empty; the integer variable `status` says which (`CellStatus`): nothing is dropped.
    """
    import xarray as xr

    listed = list(cells)
    coordinates = {name: sorted({cell[name] for cell in listed}) for name in experiment.axes}
    shape = tuple(len(values) for values in coordinates.values())
    place = [tuple(coordinates[name].index(row[name]) for name in coordinates) for row in rows]
    variables: dict[str, Any] = {}
    for column in experiment.columns:
        variables[column.name] = _variable(column, rows, place, shape, tuple(coordinates))
    status = np.full(shape, int(CellStatus.missing), np.int8)
    for index, row in zip(place, rows, strict=True):
        status[index] = row["status"]
    variables["status"] = (tuple(coordinates), status, {"meaning": "missing -1, ok 0, error 1, nan 2"})
    return xr.Dataset(variables, coordinates, {"experiment": experiment.name, "version": experiment.version})


def _variable(
    column: Column, rows: Sequence[Row], place: Sequence[tuple[int, ...]], shape: tuple[int, ...], dims: tuple[str, ...]
) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    item = getattr(column.kind, "__args__", (column.kind,))[0]
    if item is not column.kind:
        longest = max((len(row[column.name] or ()) for row in rows), default=0)
        shape, dims = (*shape, longest), (*dims, f"{column.name}_index")
    array: Any = np.full(shape, "", object) if item is str else np.full(shape, np.nan)
    for index, row in zip(place, rows, strict=True):
        value = row[column.name]
        if value is None:
            continue
        if item is column.kind:
            array[index] = value
        else:
            array[(*index, slice(len(value)))] = value
    return dims, array, {"meaning": column.meaning}
