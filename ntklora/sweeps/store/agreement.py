"""Two rows of one cell: whether they are the same numbers, and if not, where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ntklora.sweeps.difference import largest_difference, same_bits
from ntklora.sweeps.experiment import Cell, Row


class Disagreement(NamedTuple):
    """A cell that is stored as ok and was computed again, by another writer, with other numbers."""

    key: str
    cell: Cell
    columns: Mapping[str, float | None]  # those that differ, with the largest relative difference of numbers

    def __str__(self) -> str:
        cell = ", ".join(f"{name} = {value}" for name, value in self.cell.items())
        named = (
            f"{name}" if size is None else f"{name} (relative difference {size:.1e})"
            for name, size in self.columns.items()
        )
        return f"{cell}: stored and computed values of {', '.join(named)} differ"


def disagreement(axes: Iterable[str], columns: Iterable[str], stored: Row, computed: Row) -> Disagreement:
    """Where two rows of one key differ."""
    cell = {name: computed[name] for name in axes}
    differing = {
        name: largest_difference(stored[name], computed[name])
        for name in columns
        if not same_bits(stored[name], computed[name])
    }
    return Disagreement(computed["key"], cell, differing)
