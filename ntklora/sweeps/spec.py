"""A sweep as a person writes it: a TOML file, and values of the command line in place of some of the file's.

    experiment = "landscape"      # a name that `ntklora sweep describe` lists, a path from this file's folder to
                                  # a .py file that defines `experiment`, or "package.module:attribute"
    [fixed]
    starts = 64
    [grid]                        # several [[grid]] tables: the union of the grids
    rank = [1, 2, 4]
    seed = { start = 0, stop = 32 }

What stands nowhere takes the default of the experiment's dataclass. `precision = "float32"` (above the tables) and
`[limits]` with `seconds` of a cell and `memory` of a process in GiB are optional.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.experiment import Experiment, Grid, Scalar
from ntklora.sweeps.failure import describe_failure
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.parameters import axis_values, complete_grid
from ntklora.sweeps.reference import find_experiment
from ntklora.sweeps.sweep import Sweep

PRECISIONS = ("float64", "float32")
MOST_CELLS = 1_000_000  # of one specification: more is a slip of the pen, and would not fit into memory

_TABLES = ("experiment", "precision", "limits", "fixed", "grid")
_BARE_WORD = re.compile(r"[A-Za-z_][\w./-]*")


class Specification(NamedTuple):
    """A sweep, what another process is told to find its experiment, and what a cell may use."""

    sweep: Sweep
    reference: str
    limits: Limits


def read_specification(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    precision: str | None = None,
    seconds: float | None = None,
    memory: float | None = None,
) -> Specification:
    """The sweep of a TOML file, with `NAME=VALUE` overrides and limits in place of what the file says.

    Errors: `ValueError` in one line that names the file, the key, what is wrong, and the nearest known key.
    """
    try:
        return _specification(_tables(path), path.parent, overrides, precision, seconds, memory)
    except ValueError as error:
        raise ValueError(f"{path}: {_brief(str(error), 600)}") from error


def _tables(path: Path) -> Mapping[str, Any]:
    try:
        tables = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}); name a TOML file") from error
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of an integer with thousands of digits
        raise ValueError(f"is not TOML: {error}") from error
    return tables


def _specification(
    tables: Mapping[str, Any],
    folder: Path,
    overrides: Sequence[str],
    precision: str | None,
    seconds: float | None,
    memory: float | None,
) -> Specification:
    if "experiment" not in tables:
        _check_keys("", tables, _TABLES)
        raise ValueError("lacks the key experiment; `ntklora sweep describe` lists those there are")
    named = tables["experiment"]
    if not isinstance(named, str):
        raise ValueError(f"experiment is {named!r}: expected a string")
    try:
        reference = str((folder / named).resolve()) if named.endswith(".py") else named
        experiment = find_experiment(reference)
    except ValueError as error:
        raise ValueError(f"experiment: {error}") from error
    for key in tables:
        if key not in _TABLES and key in experiment.axes:
            raise ValueError(f"{key} stands above the tables: put one value under [fixed], several under [grid]")
    _check_keys("", tables, _TABLES)
    if precision is None:
        precision = tables.get("precision", Numerics().precision)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if precision != "float64" and not isinstance(experiment.run, Vmapped):
        raise ValueError(f"precision is {precision!r}: experiment {experiment.name} computes certificates, in float64")
    limits = _limits(experiment.limits, _table("limits", tables.get("limits", {})), seconds, memory)
    sweep = Sweep(experiment, _grids(experiment, tables, overrides), Numerics(precision))
    _check_size(sweep)
    return Specification(sweep, reference, limits)


def _limits(base: Limits, table: Mapping[str, Any], seconds: float | None, memory: float | None) -> Limits:
    _check_keys("[limits] ", table, ("seconds", "memory"))
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"[limits] {name} is {value!r}: expected a number")
    given = {**table, **{name: x for name, x in (("seconds", seconds), ("memory", memory)) if x is not None}}
    return replace(base, **given)


def _grids(experiment: Experiment, tables: Mapping[str, Any], overrides: Sequence[str]) -> tuple[Grid, ...]:
    """One grid per [[grid]] table, the fixed values in each; an override takes the place of both."""
    fixed = {
        name: _values(experiment, f"[fixed] {name}", name, value, several=False)
        for name, value in _table("fixed", tables.get("fixed", {})).items()
    }
    listed = tables.get("grid", {})
    grids: list[dict[str, Any]] = []
    for table in listed if isinstance(listed, list) else [listed]:
        grid = {
            name: _values(experiment, f"[grid] {name}", name, value) for name, value in _table("grid", table).items()
        }
        twice = sorted(fixed.keys() & grid.keys())
        if twice:
            raise ValueError(f"[grid] {twice[0]} stands under [fixed] too: leave one of them out")
        grids.append({**fixed, **grid})
    if not grids:
        raise ValueError("grid is empty: write a table [grid]")
    replaced = dict(_override(experiment, text) for text in overrides)
    return tuple({**grid, **replaced} for grid in grids)


def _override(experiment: Experiment, text: str) -> tuple[str, Sequence[Scalar]]:
    """`NAME=VALUE`, the value as in TOML; a word that TOML does not know is a string."""
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    where = f"--set {_brief(text, 80)}"
    if not equals or not name or not value:
        raise ValueError(f"{where}: expected NAME=VALUE")
    try:
        text.encode()
        table = tomllib.loads(f"value = {value}")
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: not in this terminal's encoding") from error
    except (ValueError, RecursionError) as error:
        if not _BARE_WORD.fullmatch(value):
            raise ValueError(
                f'{where}: no TOML value (quote for TOML and for the shell: \'NAME=["a", "b"]\')'
            ) from error
        table = {"value": value}
    if len(table) > 1:
        raise ValueError(f"{where}: expected one value")
    return name, _values(experiment, where, name, table["value"])


def _values(experiment: Experiment, where: str, name: str, value: Any, *, several: bool = True) -> Sequence[Scalar]:
    """The values of an axis: a scalar is one, a list is itself, {start, stop, step} its integers without stop."""
    if not several and isinstance(value, list | dict):
        found = "a list" if isinstance(value, list) else "a table"
        raise ValueError(f"{where} is {found}: several values go under [grid]")
    try:
        if isinstance(value, dict):
            value = _range(value)
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str | int | float | range):
                raise ValueError(f"{each!r} is no string, number or truth value")
        return axis_values(experiment.parameters, name, value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _range(table: Mapping[str, Any]) -> range:
    _check_keys("", table, ("start", "stop", "step"))
    for bound in ("start", "stop"):
        if bound not in table:
            raise ValueError(f"a range lacks {bound}: expected {{ start = 0, stop = 32 }}, stop excluded")
    start, stop, step = table["start"], table["stop"], table.get("step", 1)
    for bound, integer in (("start", start), ("stop", stop), ("step", step)):
        if isinstance(integer, bool) or not isinstance(integer, int):
            raise ValueError(f"{bound} of a range is {integer!r}: expected an integer")
    if step == 0:
        raise ValueError("step of a range is 0")
    if abs(stop - start) // abs(step) > MOST_CELLS:
        raise ValueError(f"a range of more than {MOST_CELLS:,} values")
    return range(start, stop, step)


def _check_size(sweep: Sweep) -> None:
    """That there are not too many cells, and that the experiment's own checks accept each."""
    parameters = sweep.experiment.parameters
    cells = sum(prod(len(values) for values in complete_grid(parameters, grid).values()) for grid in sweep.grids)
    if cells > MOST_CELLS:
        raise ValueError(f"{cells:,} cells, more than {MOST_CELLS:,}: split the sweep")
    try:
        _ = sweep.cells
    except ValueError:
        raise
    except Exception as error:  # of the parameters' __post_init__, which the person wrote
        raise ValueError(f"a cell's parameters raise {describe_failure(error)}") from error


def _table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {value!r}: expected a table, [{name}]")
    return value


def _check_keys(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    known = list(known)
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.0)[0]
            raise ValueError(f"{where}unknown key {key!r}: did you mean {near!r}?")


def _brief(text: str, longest: int) -> str:
    """In one line, the rest left out."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}..."
