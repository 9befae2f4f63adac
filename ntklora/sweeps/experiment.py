"""An experiment: a grid of cells for each profile, and a pure function from one cell to one row.

A *cell* gives every parameter one scalar value, the seed included; random starts live inside a cell and are reported
as counts. Nothing here knows what is computed, imports JAX, or touches a disk.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from itertools import product
from typing import Any, NamedTuple

from ntklora.sweeps.profile import Profile

Scalar = str | int | float | bool
Cell = Mapping[str, Scalar]
Row = Mapping[str, Any]
Grid = Mapping[str, Scalar | Sequence[Scalar]]  # one axis per parameter; a scalar is an axis of one value

KINDS = (float, int, bool, str, list[float], list[int], list[str])
RECORD = ("key", "status", "reason", "seconds", "date", "revision")  # what the runner adds to every row


class CellStatus(IntEnum):
    """What became of a cell: integers, so that arrays of them exist; `missing` is never stored."""

    missing = -1
    ok = 0
    error = 1
    nan = 2


class Column(NamedTuple):
    """One measured quantity of a row: its name, its Python type (one of `KINDS`), its meaning and unit in a line.

    A value is None where the quantity does not exist for the cell (a legitimate outcome); a NaN fails the cell.
    """

    name: str
    kind: Any
    meaning: str


class Numerics(NamedTuple):
    """What determines a cell's numbers beside its parameters: float64 or not, and JAX's random generator."""

    x64: bool
    prng: str


@dataclass(frozen=True)
class Experiment:
    """A frozen description; `run(cell)` is pure: the same cell gives the same row, whatever ran before.

    `version` is the algorithm's: raise it whenever the same cell would give other numbers, so that rows of the old
    code are no longer shown by the new one. A profile's cells are the union of its grids, in order.

    >>> ladder = Experiment(
    ...     name="ladder", version=1, question="How tall is a ladder?", columns=(Column("height", float, "metres"),),
    ...     profiles={Profile.smoke: ({"rungs": (2, 3), "seed": range(2)},)}, run=lambda cell: {"height": 0.3},
    ... )
    >>> ladder.cells(Profile.smoke)[1]
    {'rungs': 2, 'seed': 1}
    """

    name: str
    version: int
    question: str
    columns: tuple[Column, ...]
    profiles: Mapping[Profile, tuple[Grid, ...]]
    run: Callable[[Cell], Row]
    chunk: int = 8  # cells per shard of the store
    shapes: tuple[str, ...] = ()
    cost: float = 1.0  # of a cell against those of other experiments; the estimate of the time left weighs with it

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"Experiment.name is {self.name!r}: expected lower-case letters, digits and _ (a folder)")
        if self.version < 1 or self.chunk < 1:
            raise ValueError(f"experiment {self.name}: version and chunk are integers of at least 1")
        for column in self.columns:
            if column.kind not in KINDS:
                raise ValueError(f"experiment {self.name}: column {column.name} has kind {column.kind}, not in {KINDS}")
        names = [*self.parameters, *(column.name for column in self.columns), *RECORD]
        unknown = sorted(set(self.shapes) - set(self.parameters))
        if self.parameters and unknown:
            raise ValueError(f"experiment {self.name}: shapes names {unknown}, which are no parameters")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"experiment {self.name}: {twice} name two things of a row; parameters, columns and {RECORD} differ"
            )

    @property
    def parameters(self) -> Mapping[str, type]:
        """The parameters' names and types, in the grid's order: the same in every grid of every profile."""
        types: dict[str, type] = {}
        for grid in self._grids():
            if types and set(grid) != set(types):
                raise ValueError(f"experiment {self.name}: one grid has axes {sorted(grid)}, another {sorted(types)}")
            for axis, values in grid.items():
                for value in _axis(values):
                    kind = types.setdefault(axis, type(value))
                    if kind not in (str, int, float, bool) or type(value) is not kind:
                        raise ValueError(
                            f"experiment {self.name}: axis {axis} holds {value!r} ({type(value).__name__}) beside "
                            f"{kind.__name__}: one of str, int, float, bool for the whole axis"
                        )
        return types

    def cells(self, profile: Profile) -> tuple[Cell, ...]:
        """Every cell of a profile once, in the order of its grids; a profile without grids has none."""
        order = list(self.parameters)
        cells: dict[str, Cell] = {}
        for grid in self.profiles.get(profile, ()):
            for values in product(*(_axis(grid[axis]) for axis in order)):
                cell = dict(zip(order, values, strict=True))
                cells.setdefault(_canonical(cell), cell)
        return tuple(cells.values())

    def key(self, cell: Cell, numerics: Numerics) -> str:
        """The address of a cell's row: a hash of everything that determines its numbers, and of nothing else.

        Host, device, chunk and library versions are provenance (they stand beside the row), not part of the key.
        """
        content = {"experiment": self.name, "version": self.version, "cell": dict(cell), **numerics._asdict()}
        return sha256(_canonical(content).encode()).hexdigest()[:32]

    def _grids(self) -> Iterator[Grid]:
        for grids in self.profiles.values():
            yield from grids


def current_numerics() -> Numerics:
    """The precision and random generator that JAX is set to now.

    Both of threefry's layouts count: the partitionable one, JAX's default, draws other numbers from the same key.
    """
    import jax

    config: Any = jax.config
    layout = "partitionable" if getattr(config, "jax_threefry_partitionable", True) else "sequential"
    return Numerics(bool(config.jax_enable_x64), f"{config.jax_default_prng_impl}-{layout}")


def _axis(values: Scalar | Sequence[Scalar]) -> Sequence[Scalar]:
    return (values,) if isinstance(values, str | int | float | bool) else tuple(values)


def _canonical(content: Mapping[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))
