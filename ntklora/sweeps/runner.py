"""The runner: compute the cells that the store lacks, in this process, one after another.

A cell that raises or turns NaN is a row with its status and reason, and the run goes on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import perf_counter
from typing import Any, NamedTuple

from ntklora.sweeps.experiment import Cell, CellStatus, Column, Experiment, Numerics, Row, current_numerics
from ntklora.sweeps.failure import describe_failure
from ntklora.sweeps.interruption import graceful_interruption
from ntklora.sweeps.progress import show_progress
from ntklora.sweeps.provenance import now, provenance, revision
from ntklora.sweeps.store import Store


class Tally(NamedTuple):
    """Cells asked for, computed now, failed (now or stored before), and whether Ctrl-C cut the run short."""

    requested: int
    computed: int
    failed: int
    interrupted: bool


def run_experiment(
    experiment: Experiment, cells: Sequence[Cell], store: Store, *, force: bool = False, retry_failed: bool = False
) -> Tally:
    """Compute what is missing of `cells`, everything with `force`, failed rows again with `retry_failed`.

    Rows are written in shards of `experiment.chunk` cells; when the run stops early, for whatever reason, the finished
    cells of the last shard are kept.
    """
    set_aside = store.set_aside_unreadable(experiment)
    todo = list(cells) if force else store.missing(experiment, cells, retry_failed=retry_failed)
    if not todo:
        return Tally(len(cells), 0, _failures(store.rows(experiment, cells)), False)
    runs = store.manifest(experiment)
    run = {**provenance(), "asked": len(todo), "set_aside": [path.name for path in set_aside]}
    store.write_spec(experiment, cells)
    store.write_manifest(experiment, [*runs, run])
    pending: list[Row] = []
    computed = 0
    numerics = current_numerics()
    with graceful_interruption() as interruption, show_progress(experiment.name, len(todo)) as advance:
        try:
            for cell in todo:
                row = run_cell(experiment, cell, numerics)
                pending.append(row)
                computed += 1
                advance(row["status"] != CellStatus.ok)
                if len(pending) == experiment.chunk:
                    store.write(experiment, pending)
                    pending = []
                if interruption.requested:
                    break
        finally:
            if pending:
                store.write(experiment, pending)
            store.write_manifest(experiment, [*runs, {**run, "computed": computed, "finished": now()}])
    failed = _failures(store.rows(experiment, cells))
    return Tally(len(cells), computed, failed, computed < len(todo))


def run_cell(experiment: Experiment, cell: Cell, numerics: Numerics) -> Row:
    """The row of one cell: its parameters, its columns, and what the store records beside them."""
    start = perf_counter()
    values: dict[str, Any] = dict.fromkeys(column.name for column in experiment.columns)
    status, reason = CellStatus.ok, None
    # The border where an exception becomes a row: one bad cell must not cost a night.
    try:
        values = _checked(experiment.columns, experiment.run(dict(cell)))
    except Exception as error:
        status, reason = CellStatus.error, describe_failure(error)
    nans = [name for name, value in values.items() if _has_nan(value)]
    if nans:
        status, reason = CellStatus.nan, f"NaN in {', '.join(nans)}"
    record = {
        "key": experiment.key(cell, numerics),
        "status": int(status),
        "reason": reason,
        "seconds": perf_counter() - start,
        "date": now(),
        "revision": revision(),
    }
    return {**cell, **values, **record}


def _failures(rows: Sequence[Row]) -> int:
    return sum(row["status"] != CellStatus.ok for row in rows)


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
    return converted


def _has_nan(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(each, float) and math.isnan(each) for each in values)
