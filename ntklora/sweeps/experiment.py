"""An experiment: what a cell is, the grids of each profile, and a pure function from one cell to one row.

A *cell* gives every parameter one scalar value, the seed included; random starts live inside a cell and are reported
as counts. Nothing here knows what is computed, imports JAX, or touches a disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from ntklora.environment import is_accelerated
from ntklora.sweeps.computation import Row as Row
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.keys import keys_of
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import Cell as Cell
from ntklora.sweeps.parameters import Grid as Grid
from ntklora.sweeps.parameters import Scalar as Scalar
from ntklora.sweeps.parameters import axes_of, cells_of, complete_grid
from ntklora.sweeps.profile import Profile

KINDS = (float, int, bool, str, list[float], list[int], list[str])
RECORD = ("key", "status", "reason", "seconds", "date", "revision")  # what the runner adds to every row


class CellStatus(IntEnum):
    """What became of a cell: integers, so that arrays of them exist; `missing` is never stored."""

    missing = -1
    ok = 0
    error = 1
    nan = 2
    out_of_time = 3
    out_of_memory = 4
    died = 5


class Column(NamedTuple):
    """One measured quantity of a row: its name, its Python type (one of `KINDS`), its meaning and unit in a line.

    A value is None where the quantity does not exist for the cell (a legitimate outcome); a NaN fails the cell. A
    `verdict` says something of the numbers (a class, a yes or no) and must not depend on rounding: where the numbers
    are float32, it is checked again in float64.
    """

    name: str
    kind: Any
    meaning: str
    verdict: bool = False


def one_shape(parameters: Any) -> Hashable:
    """The shape of cells that all have the same."""
    return ()


@dataclass(frozen=True)
class Experiment:
    """A frozen description; `run` is pure: the same cell gives the same row, whatever ran before.

    `parameters` is a frozen dataclass of scalars (`ntklora.sweeps.parameters`); `run` takes an instance of it, or is
    `Vmapped`. `version` is the algorithm's: raise it whenever the same cell would give other numbers, so that rows of
    the old code are no longer shown by the new one. A profile's cells are the union of its grids, in order; an axis
    that a grid leaves out takes its default. `shape(parameters)` is hashable and names what decides array shapes: one
    compilation serves all cells that agree on it. Where there is an accelerator, `side_by_side` (a function such as
    `ntklora.side_by_side`) gets a chunk's cells as functions without arguments, to run them on threads: `run` may then
    keep nothing that threads would mind.

    >>> @dataclass(frozen=True)
    ... class Ladder:
    ...     rungs: int
    ...     seed: int = 0
    >>> ladder = Experiment(
    ...     name="ladder", version=1, question="How tall is a ladder?", parameters=Ladder,
    ...     columns=(Column("height", float, "metres"),),
    ...     profiles={Profile.smoke: ({"rungs": (2, 3), "seed": range(2)},)},
    ...     run=lambda ladder: {"height": 0.3 * ladder.rungs},
    ... )
    >>> ladder.cells(Profile.smoke)[1]
    {'rungs': 2, 'seed': 1}
    """

    name: str
    version: int
    question: str
    parameters: type
    columns: tuple[Column, ...]
    profiles: Mapping[Profile, tuple[Grid, ...]]
    run: Callable[[Any], Row] | Vmapped
    chunk: int = 8  # cells per shard of the store, and per device in one call of a vmapped computation
    shape: Callable[[Any], Hashable] = one_shape
    cost: float = 1.0  # of a cell against those of other experiments; the estimate of the time left weighs with it
    limits: Limits = field(default_factory=Limits)  # of a cell, unless a run sets others
    side_by_side: Callable[[Sequence[Callable[[], Row]]], Iterator[Row]] | None = None  # None: one after the other

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"Experiment.name is {self.name!r}: expected lower-case letters, digits and _ (a folder)")
        if self.version < 1 or self.chunk < 1:
            raise ValueError(f"experiment {self.name}: version and chunk are integers of at least 1")
        for column in self.columns:
            if column.kind not in KINDS:
                raise ValueError(f"experiment {self.name}: column {column.name} has kind {column.kind}, not in {KINDS}")
        try:
            for grids in self.profiles.values():
                for grid in grids:
                    complete_grid(self.parameters, grid)
        except ValueError as error:
            raise ValueError(f"experiment {self.name}: {error}") from error
        names = [*self.axes, *(column.name for column in self.columns), *RECORD]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"experiment {self.name}: {twice} name two things of a row; parameters, columns and {RECORD} differ"
            )

    @property
    def axes(self) -> Mapping[str, type]:
        """The parameters' names and types, in the order of definition."""
        return axes_of(self.parameters)

    def cells(self, profile: Profile) -> tuple[Cell, ...]:
        """Every cell of a profile once, in the order of its grids; a profile without grids has none."""
        try:
            return cells_of(self.parameters, self.profiles.get(profile, ()))
        except ValueError as error:
            raise ValueError(f"experiment {self.name}: {error}") from error

    @property
    def at_once(self) -> bool:
        """Whether the cells of a chunk are computed all at once, so that no row says which is under way.

        Side by side they are where an accelerator is expected: JAX's platforms say so, or a plugin is installed.
        """
        return isinstance(self.run, Vmapped) or (self.side_by_side is not None and is_accelerated())

    def key(self, cell: Cell, numerics: Numerics) -> str:
        """The address of a cell's row (`ntklora.sweeps.keys`)."""
        return keys_of(self.name, self.version, [cell], numerics)[0]
