"""A user's own data: NPZ, CSV or TSV, read without pickle, with an error that names the cell."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ntklora.data.dataset import Dataset

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


class Table(NamedTuple):
    """The data of a file, and what the class indices stand for (empty when the labels were numbers)."""

    data: Dataset
    class_names: tuple[str, ...]


def load_table(path: str | Path, *, label: str | None = None) -> Table:
    """Examples and labels from a file.

    NPZ: arrays `x (N, …)` and `y (N,)`, or the label array called `label`. CSV and TSV: one example a row, columns of
    numbers, a header or none; the label is the column called `label` (needs a header), by default the last one. Labels
    that are words become class indices in alphabetical order; whole numbers stay integers.
    Errors: `ValueError` with file, row and column for anything missing, unreadable, not a number or not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix == ".npz":
        return Table(_load_npz(path, label or "y"), ())
    if path.suffix not in _DELIMITERS:
        raise ValueError(f"{path}: unknown kind of file {path.suffix!r}; expected .npz, .csv or .tsv")
    return _load_text(path, _DELIMITERS[path.suffix], label)


def _load_npz(path: Path, label: str) -> Dataset:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not a readable NPZ file; numpy.savez writes one")
    with np.load(path, allow_pickle=False) as archive:
        absent = [key for key in ("x", label) if key not in archive]
        if absent:
            raise ValueError(f"{path}: no array {absent[0]!r}; the file has {', '.join(sorted(archive))}")
        try:
            x, y = archive["x"], archive[label]
        except (zipfile.BadZipFile, ValueError, EOFError) as error:
            raise ValueError(f"{path}: arrays 'x' and {label!r} cannot be read ({error})") from error
    for name, array in (("x", x), (label, y)):
        if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
            raise ValueError(f"{path}: array {name!r} (dtype {array.dtype}) must hold finite numbers")
    if x.ndim < 2 or y.shape != x.shape[:1] or not len(y):
        raise ValueError(f"{path}: shapes x {x.shape}, {label} {y.shape}; expected x (N, ...) and {label} (N,), N >= 1")
    return Dataset(x.astype(np.float64), _integers_where_whole(y))


def _load_text(path: Path, delimiter: str, label: str | None) -> Table:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [(i, row) for i, row in enumerate(csv.reader(stream, delimiter=delimiter), 1) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a text table in UTF-8 ({error})") from error
    if not rows:
        raise ValueError(f"{path}: the file has no rows")
    width = len(rows[0][1])
    has_header = not any(_is_number(cell) for cell in rows[0][1])
    header = [cell.strip() for cell in rows[0][1]] if has_header else [f"column {j + 1}" for j in range(width)]
    body = rows[1:] if has_header else rows
    if label is not None and label not in header:
        raise ValueError(f"{path}: no column {label!r}; the header has {', '.join(header)}")
    if width < 2 or not body:
        raise ValueError(f"{path}: {len(body)} rows of {width} columns; expected at least one row, features and label")
    target = width - 1 if label is None else header.index(label)
    features, labels = np.empty((len(body), width - 1)), []
    for k, (line, row) in enumerate(body):
        if len(row) != width:
            raise ValueError(f"{path}, line {line}: {len(row)} cells, the first line has {width}")
        columns = [j for j in range(width) if j != target]
        for position, j in enumerate(columns):
            if not _is_number(row[j]):
                raise ValueError(f"{path}, line {line}, {header[j]}: {row[j]!r} is not a finite number")
            features[k, position] = float(row[j])
        labels.append(row[target].strip())
    if "" in labels:
        raise ValueError(f"{path}, line {body[labels.index('')][0]}: the label is empty")
    if all(_is_number(value) for value in labels):
        return Table(Dataset(features, _integers_where_whole(np.array([float(value) for value in labels]))), ())
    names, indices = np.unique(labels, return_inverse=True)
    return Table(Dataset(features, indices.astype(np.int64)), tuple(names.tolist()))


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _integers_where_whole(y: np.ndarray) -> np.ndarray:
    return y.astype(np.int64) if np.all(y == np.round(y)) else y.astype(np.float64)
