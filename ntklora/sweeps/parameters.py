"""The parameters of an experiment: a frozen dataclass of scalars, one definition for names, types, defaults and help.

    @dataclass(frozen=True)
    class Ladder:
        rungs: int
        '''How many.'''
        seed: int = 0

A *cell* is one value of each, as a plain mapping: that is what travels between processes and stands in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from itertools import chain, product
from math import isfinite
from typing import Any, get_type_hints

Scalar = str | int | float | bool
Cell = Mapping[str, Scalar]
Grid = Mapping[str, Scalar | Sequence[Scalar]]  # one axis per parameter named; a scalar is an axis of one value

_SCALARS = (str, int, float, bool)


@cache
def axes_of(parameters: type) -> Mapping[str, type]:
    """Names and plain types in the order of definition; a `StrEnum` is a string that has few values.

    Errors: `ValueError` for what is no frozen dataclass of scalars.
    """
    return {name: _plain(kind) for name, kind in _kinds(parameters).items()}


@cache
def _kinds(parameters: type) -> Mapping[str, Any]:
    if not is_dataclass(parameters) or not parameters.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise ValueError(f"parameters are a frozen dataclass; got {parameters!r}")
    hints = get_type_hints(parameters)
    for name, kind in hints.items():
        if kind not in _SCALARS and not (isinstance(kind, type) and issubclass(kind, StrEnum)):
            raise ValueError(f"{parameters.__name__}.{name} is a {kind}: one of str, int, float, bool")
    return {each.name: hints[each.name] for each in fields(parameters)}


def cells_of(parameters: type, grids: Sequence[Grid]) -> tuple[Cell, ...]:
    """Every cell of the union of grids once, in their order; an axis that a grid does not name takes its default.

    The last parameter varies fastest. Errors: `ValueError` naming the axis that is unknown (and the nearest), lacks a
    value, is empty, or holds a value of another type, and for a cell that the parameters themselves refuse.
    """
    cells = union_of_grids(tuple(axes_of(parameters)), [complete_grid(parameters, grid) for grid in grids])
    if hasattr(parameters, "__post_init__"):
        for cell in cells:
            parameters(**cell)  # says which combinations make no sense
    return cells


def union_of_grids(names: tuple[str, ...], grids: Sequence[Mapping[str, Sequence[Scalar]]]) -> tuple[Cell, ...]:
    """The cells of complete grids, each once, in their order; the last name varies fastest."""
    cells = dict.fromkeys(chain.from_iterable(product(*(grid[name] for name in names)) for grid in grids))
    return tuple(dict(zip(names, values, strict=True)) for values in cells)


def complete_grid(parameters: type, grid: Grid) -> dict[str, tuple[Scalar, ...]]:
    """Every axis with its values, in the order of definition, converted to the axis's type."""
    for name in grid:
        check_axis(parameters, name)
    defaults = {each.name: each.default for each in fields(parameters)}
    completed = {}
    for name in axes_of(parameters):
        values = grid.get(name, defaults[name])
        if values is MISSING:
            raise ValueError(f"parameter {name} has no default: give it a value or an axis")
        completed[name] = axis_values(parameters, name, values)
    return completed


def axis_values(parameters: type, name: str, values: Scalar | Sequence[Scalar]) -> tuple[Scalar, ...]:
    """The values of one axis, each once, converted to its type; errors as for `cells_of`."""
    check_axis(parameters, name)
    listed = (values,) if isinstance(values, str | int | float | bool) else tuple(values)
    if not listed:
        raise ValueError(f"axis {name} is empty")
    return tuple(dict.fromkeys(_converted(name, _kinds(parameters)[name], value) for value in listed))


def check_axis(parameters: type, name: str) -> None:
    """Errors: `ValueError` for a name that is no parameter; it says the nearest."""
    axes = axes_of(parameters)
    if name not in axes:
        near = get_close_matches(name, list(axes), n=1, cutoff=0.0)
        raise ValueError(
            f"unknown parameter {name!r}" + (f": did you mean {near[0]!r}?" if near else ": there is none")
        )


def _plain(kind: Any) -> type:
    return str if issubclass(kind, StrEnum) else kind


def _converted(name: str, kind: Any, value: Any) -> Scalar:
    """The value as the axis's plain type; an integer may stand for a float, nothing else is converted."""
    plain: Any = _plain(kind)
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise ValueError(f"axis {name} holds an integer of {value.bit_length()} bits: the store keeps 64")
    if plain is float and type(value) is int:
        value = float(value)
    if not isinstance(value, plain) or (isinstance(value, bool) and plain is not bool):
        raise ValueError(f"axis {name} holds {value!r} ({type(value).__name__}): expected {plain.__name__}")
    if plain is float and not isfinite(value):
        raise ValueError(f"axis {name} holds {value!r}: expected a finite number")
    if kind is not plain and value not in list(kind):
        near = get_close_matches(value, list(kind), n=1, cutoff=0.0)
        raise ValueError(f"axis {name} holds {value!r}: did you mean {near[0]!r}?")
    return plain(value)
