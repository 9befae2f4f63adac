"""Rows: what a cell gave, or why it gave nothing, and what the store records beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from ntklora.sweeps.experiment import Cell, CellStatus, Column, Experiment, Row
from ntklora.sweeps.failure import describe_failure
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.provenance import now, revision


def row_of(
    experiment: Experiment, cell: Cell, numerics: Numerics, values: Callable[[], Row], seconds: float = 0.0
) -> Row:
    """The row of one cell whose measured columns are `values()`, whatever happens there.

    `seconds` were spent on the cell before.
    """
    start = perf_counter()
    # The border where an exception becomes a row: one bad cell must not cost a night.
    try:
        measured = _checked(experiment.columns, values())
    except Exception as error:
        seconds += perf_counter() - start
        return failed_row(experiment, cell, numerics, describe_failure(error), seconds=seconds)
    nans = [name for name, value in measured.items() if _has_nan(value)]
    status, reason = (CellStatus.nan, f"NaN in {', '.join(nans)}") if nans else (CellStatus.ok, None)
    seconds += perf_counter() - start
    return {**cell, **measured, **_record(experiment, cell, numerics, status, reason, seconds)}


def failed_row(
    experiment: Experiment,
    cell: Cell,
    numerics: Numerics,
    reason: str,
    *,
    status: CellStatus = CellStatus.error,
    seconds: float | None = None,
) -> Row:
    """The row of a cell that gave no values, and why."""
    nothing = dict.fromkeys(column.name for column in experiment.columns)
    return {**cell, **nothing, **_record(experiment, cell, numerics, status, reason, seconds)}


def _record(
    experiment: Experiment,
    cell: Cell,
    numerics: Numerics,
    status: CellStatus,
    reason: str | None,
    seconds: float | None,
) -> dict[str, Any]:
    return {
        "key": experiment.key(cell, numerics),
        "status": int(status),
        "reason": reason,
        "seconds": seconds,
        "date": now(),
        "revision": revision(),
    }


def _checked(columns: Sequence[Column], values: Row) -> dict[str, Any]:
    expected = {column.name for column in columns}
    if set(values) != expected:
        raise ValueError(f"the row has {sorted(values)}, the experiment declares {sorted(expected)}")
    return {column.name: _converted(column, values[column.name]) for column in columns}


def _converted(column: Column, value: Any) -> Any:
    """A plain Python value of the column's kind: NumPy's and JAX's scalars and arrays are unpacked, None is kept."""
    if value is None:
        return None
    plain = value.tolist() if hasattr(value, "tolist") else value
    item = getattr(column.kind, "__args__", (column.kind,))[0]
    if column.kind is item:
        return _cast(column, item, plain)
    return [_cast(column, item, each) for each in plain]


def _cast(column: Column, kind: type, value: Any) -> Any:
    converted = kind(value)
    if kind is not float and converted != value:
        raise ValueError(f"column {column.name} holds {value!r}, which is no {kind.__name__}")
    if kind is int and not -(2**63) <= converted < 2**63:
        raise ValueError(f"column {column.name} holds an integer of {converted.bit_length()} bits: the store keeps 64")
    if kind is str:
        converted.encode()  # half a surrogate pair is no text that a file can hold
    return converted


def _has_nan(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(each, float) and math.isnan(each) for each in values)
