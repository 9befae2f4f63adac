"""`spec.json`: a sweep in plain words, so that what is asked of a folder is known without the experiment's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from ntklora.sweeps.experiment import KINDS, Cell, Column
from ntklora.sweeps.keys import keys_of
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import Scalar, complete_grid, union_of_grids
from ntklora.sweeps.store.writing import write_json
from ntklora.sweeps.sweep import Sweep

SCHEMA = 2
FILE = "spec.json"

_NAMES: dict[Any, str] = {kind: str(kind) if get_args(kind) else kind.__name__ for kind in KINDS}
_KINDS = {name: kind for kind, name in _NAMES.items()}


@dataclass(frozen=True)
class StoredSpec:
    """What a folder was made for; `axes`, `columns`, `cells` and `keys` are those of the sweep.

    `reference` says where the experiment's code is; it is no part of what makes two specifications the same, nor are
    texts. `chunk` is the experiment's.
    """

    experiment: str
    version: int
    question: str
    reference: str
    numerics: Numerics
    axes: Mapping[str, type]
    columns: tuple[Column, ...]
    grids: tuple[Mapping[str, tuple[Scalar, ...]], ...]
    chunk: int

    @staticmethod
    def of(sweep: Sweep, reference: str) -> StoredSpec:
        """The specification of a sweep, every axis of every grid written out."""
        experiment = sweep.experiment
        return StoredSpec(
            experiment.name,
            experiment.version,
            experiment.question,
            reference,
            sweep.numerics,
            experiment.axes,
            experiment.columns,
            tuple(complete_grid(experiment.parameters, grid) for grid in sweep.grids),
            experiment.chunk,
        )

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Every requested cell once, in the order of the sweep."""
        return union_of_grids(tuple(self.axes), self.grids)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The addresses of the cells' rows, in the order of the cells."""
        return keys_of(self.experiment, self.version, self.cells, self.numerics)

    def as_dict(self) -> dict[str, Any]:
        """The content of `spec.json`."""
        return {
            "schema": SCHEMA,
            "experiment": self.experiment,
            "version": self.version,
            "question": self.question,
            "reference": self.reference,
            "numerics": self.numerics._asdict(),
            "chunk": self.chunk,
            "parameters": {name: _NAMES[kind] for name, kind in self.axes.items()},
            "columns": [{**column._asdict(), "kind": _NAMES[column.kind]} for column in self.columns],
            "grids": [dict(grid) for grid in self.grids],
        }

    def write(self, folder: Path) -> None:
        """Replace the folder's `spec.json`."""
        write_json(folder / FILE, self.as_dict())


def read_spec(folder: Path) -> StoredSpec:
    """The folder's `spec.json`. Errors: `ValueError` in a line where there is none, or none of this program."""
    path = folder / FILE
    try:
        content = json.loads(path.read_text())
        if content["schema"] != SCHEMA:
            raise ValueError(f"its schema is {content['schema']}, this program's {SCHEMA}")
        return StoredSpec(
            content["experiment"],
            content["version"],
            content["question"],
            content["reference"],
            Numerics(**content["numerics"]),
            {name: _KINDS[kind] for name, kind in content["parameters"].items()},
            tuple(Column(**{**column, "kind": _KINDS[column["kind"]]}) for column in content["columns"]),
            tuple({name: tuple(values) for name, values in grid.items()} for grid in content["grids"]),
            content["chunk"],
        )
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no sweep: it has no {FILE}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} is no specification that this program can read ({reason})") from error


def differences(stored: StoredSpec, asked: StoredSpec) -> list[str]:
    """In what another sweep was stored than is asked for now, in words; empty where they are the same."""
    if stored.experiment != asked.experiment:
        return [f"experiment {stored.experiment}, not {asked.experiment}"]
    found = []
    if stored.version != asked.version:
        found.append(f"version {stored.version}, not {asked.version}")
    for name, one, other in zip(Numerics._fields, stored.numerics, asked.numerics, strict=True):
        if one != other:
            found.append(f"{name} {one}, not {other}")
    found += _named("parameter", stored.axes, asked.axes)
    found += column_differences(stored, asked)
    if not found and stored.grids != asked.grids and stored.cells != asked.cells:
        found += [_axis_difference(name, stored, asked) for name in asked.axes if _differ(name, stored, asked)]
        found = found or ["the same values in other combinations"]
    return found


def column_differences(stored: StoredSpec, asked: StoredSpec) -> list[str]:
    """Measured columns that one has and the other has not, or has of another type."""
    one, other = ({column.name: column.kind for column in each.columns} for each in (stored, asked))
    return _named("column", one, other)


def _named(what: str, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    without = [f"without {what} {name}" for name in asked if name not in stored]
    extra = [f"with {what} {name}" for name in stored if name not in asked]
    both = [name for name in stored if name in asked and stored[name] != asked[name]]
    return [*without, *extra, *(f"{what} {name} of type {_NAMES[stored[name]]}" for name in both)]


def _values(name: str, spec: StoredSpec) -> dict[Scalar, None]:
    return dict.fromkeys(value for grid in spec.grids for value in grid[name])


def _differ(name: str, one: StoredSpec, other: StoredSpec) -> bool:
    return list(_values(name, one)) != list(_values(name, other))


def _axis_difference(name: str, stored: StoredSpec, asked: StoredSpec) -> str:
    return f"{name} = {_listed(_values(name, stored))}, not {_listed(_values(name, asked))}"


def _listed(values: Mapping[Scalar, None]) -> str:
    """The values, the middle of many left out."""
    listed = [str(value) for value in values]
    return ", ".join(listed if len(listed) <= 6 else [*listed[:3], "...", listed[-1]])
