"""Two folders side by side: which cells only one has, and how far apart the numbers of the others are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ntklora.sweeps.difference import largest_difference, same_bits
from ntklora.sweeps.experiment import Cell, CellStatus, Row, Scalar
from ntklora.sweeps.store import Store, StoredSpec


class ColumnDifference(NamedTuple):
    """A measured column: in how many cells it differs, and the largest relative difference of numbers and its cell.

    `largest` is None where no number says it: texts, a value beside None, lists of two lengths.
    """

    column: str
    cells: int
    largest: float | None
    example: Cell


class Comparison(NamedTuple):
    """Of rows that are stored in A and in B, matched by their parameters.

    `settings` are those in which the two sweeps were computed differently, as (name, A's, B's); `statuses` the cells
    that succeeded in one only, or failed in two ways. `equal` cells have the same status and, bit for bit, values.
    """

    settings: list[tuple[str, Scalar, Scalar]]
    only_in_a: list[Cell]
    only_in_b: list[Cell]
    columns_only_in_a: list[str]
    columns_only_in_b: list[str]
    common: int
    equal: int
    statuses: list[tuple[Cell, str, str]]
    columns: list[ColumnDifference]

    @property
    def same(self) -> bool:
        """Whether both hold the same cells and columns with the same values, bit for bit."""
        one_sided = (self.only_in_a, self.only_in_b, self.columns_only_in_a, self.columns_only_in_b)
        return not any(one_sided) and self.equal == self.common


def compare(a: Store, b: Store) -> Comparison:
    """Compare what two folders of one experiment store, cell by cell, whatever version or precision.

    Errors: `ValueError` for folders of two experiments or with other parameters, and for a shard that cannot be read.
    """
    one, other = a.spec(), b.spec()
    if one.experiment != other.experiment or one.axes != other.axes:
        raise ValueError(
            f"{a.folder} holds {_described(one)}, {b.folder} {_described(other)}: there is nothing to compare"
        )
    rows_a, rows_b = _by_cell(one, a.rows(one)), _by_cell(other, b.rows(other))
    common = [place for place in rows_a if place in rows_b]
    columns_a, columns_b = ([column.name for column in spec.columns] for spec in (one, other))
    columns = [name for name in columns_a if name in columns_b]
    statuses, equal = [], 0
    found: dict[str, list[tuple[float | None, tuple[Scalar, ...]]]] = {name: [] for name in columns}
    for place in common:
        row_a, row_b = rows_a[place], rows_b[place]
        if row_a["status"] != row_b["status"]:
            statuses.append((_cell(one, place), CellStatus(row_a["status"]).name, CellStatus(row_b["status"]).name))
            continue
        differing = [name for name in columns if not same_bits(row_a[name], row_b[name])]
        equal += not differing
        for name in differing:
            found[name].append((largest_difference(row_a[name], row_b[name]), place))
    return Comparison(
        [(name, x, y) for name, x, y in _settings(one, other) if x != y],
        [_cell(one, place) for place in rows_a if place not in rows_b],
        [_cell(one, place) for place in rows_b if place not in rows_a],
        [name for name in columns_a if name not in columns_b],
        [name for name in columns_b if name not in columns_a],
        len(common),
        equal,
        statuses,
        [_column(one, name, cells) for name, cells in found.items() if cells],
    )


def _column(spec: StoredSpec, name: str, found: list[tuple[float | None, tuple[Scalar, ...]]]) -> ColumnDifference:
    sizes = [(size, place) for size, place in found if size is not None]
    largest, place = max(sizes, key=lambda each: each[0]) if sizes else found[0]
    return ColumnDifference(name, len(found), largest, _cell(spec, place))


def _settings(a: StoredSpec, b: StoredSpec) -> Iterable[tuple[str, Scalar, Scalar]]:
    yield "version", a.version, b.version
    yield from zip(a.numerics._fields, a.numerics, b.numerics, strict=True)
    yield "chunk", a.chunk, b.chunk


def _by_cell(spec: StoredSpec, rows: Iterable[Row]) -> dict[tuple[Scalar, ...], Row]:
    return {tuple(row[name] for name in spec.axes): row for row in rows}


def _cell(spec: StoredSpec, place: tuple[Scalar, ...]) -> Cell:
    return dict(zip(spec.axes, place, strict=True))


def _described(spec: StoredSpec) -> str:
    return f"{spec.experiment} with parameters {', '.join(spec.axes)}"
