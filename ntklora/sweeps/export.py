"""A sweep as one file for other programs: parquet, CSV or NetCDF, written whole or not at all.

| suffix     | holds                                                                                             |
|------------|---------------------------------------------------------------------------------------------------|
| `.parquet` | the table, exactly: None is null, lists are lists; the specification among the file's metadata      |
| `.csv`     | the table: None is an empty field, an empty text is `""`, a list is JSON (in it NaN becomes null)    |
| `.nc`      | labelled arrays: integers and booleans as floats; None, an empty list and NaN become NaN, as do the   |
|            | places behind a shorter list; a text that is None becomes empty                                     |

A cell that was not computed has status -1 in each of them. Floats keep all their bits.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from ntklora.atomic import replacing
from ntklora.strict_json import strict_dumps
from ntklora.sweeps.experiment import Row
from ntklora.sweeps.store import Store, StoredSpec
from ntklora.sweeps.store.writing import writing
from ntklora.sweeps.view import to_table, to_xarray

Write = Callable[[StoredSpec, list[Row], Path], None]


def export(store: Store, path: Path) -> None:
    """Write every requested cell to `path`, in the format that its suffix names; a file that is there is replaced.

    Errors: `ValueError` for an unknown suffix, a folder that holds no sweep, or a shard that cannot be read;
    `Unwritable`.
    """
    write = check_suffix(path)
    spec = store.spec()
    rows = store.rows(spec)
    with writing(path, "no file was written or changed"), replacing(path) as sibling:
        write(spec, rows, sibling)


def check_suffix(path: Path) -> Write:
    """What writes such a file. Errors: `ValueError` for an unknown suffix."""
    if path.suffix not in _FORMATS:
        raise ValueError(f"{path}: the suffix names the format, one of {', '.join(_FORMATS)}")
    return _FORMATS[path.suffix]


def _write_parquet(spec: StoredSpec, rows: list[Row], path: Path) -> None:
    table = to_table(spec, rows)
    pq.write_table(table.replace_schema_metadata({"ntklora": strict_dumps(spec.as_dict())}), path)


def _write_csv(spec: StoredSpec, rows: list[Row], path: Path) -> None:
    table = to_table(spec, rows)
    for position, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [None if value is None else strict_dumps(value) for value in table[field.name].to_pylist()]
            table = table.set_column(position, field.name, pa.array(texts, pa.string()))
    csv.write_csv(table, path)


def _write_netcdf(spec: StoredSpec, rows: list[Row], path: Path) -> None:
    dataset = to_xarray(spec, rows)
    dataset.attrs["spec"] = strict_dumps(spec.as_dict())
    dataset.to_netcdf(path, engine="h5netcdf")


_FORMATS: dict[str, Write] = {".parquet": _write_parquet, ".csv": _write_csv, ".nc": _write_netcdf}
