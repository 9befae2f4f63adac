"""An experiment's parameters for a person to read, as a specification to start from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import NamedTuple, get_type_hints

from docstring_parser import parse_from_object

from ntklora.sweeps.experiment import Experiment, Scalar
from ntklora.sweeps.parameters import complete_grid


class Parameter(NamedTuple):
    """A field of an experiment's dataclass; `default` is None where there is none."""

    name: str
    kind: str
    default: Scalar | None
    choices: tuple[str, ...]
    meaning: str


def parameters_of(experiment: Experiment) -> list[Parameter]:
    """Every parameter in the order of definition, its meaning from the docstring under the field."""
    hints = get_type_hints(experiment.parameters)
    try:
        documented = parse_from_object(experiment.parameters).params
    except (OSError, TypeError):  # a class without a source file, as in a notebook
        documented = []
    meanings = {each.arg_name: " ".join((each.description or "").split()) for each in documented}
    return [
        Parameter(
            field.name,
            experiment.axes[field.name].__name__,
            None if field.default is MISSING else experiment.axes[field.name](field.default),
            tuple(hints[field.name]) if experiment.axes[field.name] is not hints[field.name] else (),
            meanings.get(field.name, ""),
        )
        for field in fields(experiment.parameters)
    ]


def template(experiment: Experiment, reference: str) -> str:
    """A TOML specification with every parameter; the values are those of the experiment's smallest profile, if any."""
    grid = _sample(experiment)
    lines = [f"# {experiment.question}", f"experiment = {_toml(reference)}"]
    known = parameters_of(experiment)
    for table in ("fixed", "grid"):
        lines += ["", f"[{table}]" + ("  # several values: [1, 2, 4], or { start = 0, stop = 32 }" * (table == "grid"))]
        for each in known:
            values = grid.get(each.name, ())
            if (len(values) > 1) is (table == "grid"):
                lines += _entry(each, values)
    lines += ["", "# Columns of a row:"]
    lines += [f"#   {column.name} ({_name(column.kind)}): {column.meaning}" for column in experiment.columns]
    return "\n".join(lines) + "\n"


def _sample(experiment: Experiment) -> dict[str, tuple[Scalar, ...]]:
    """A completed grid, without the parameters that have neither a default nor a value in a profile."""
    grids = next((grids for grids in experiment.profiles.values() if grids), None)
    if grids:
        return complete_grid(experiment.parameters, grids[0])
    defaults = {each.name: each.default for each in parameters_of(experiment) if each.default is not None}
    return {name: (value,) for name, value in defaults.items()}


def _entry(parameter: Parameter, values: Sequence[Scalar]) -> list[str]:
    of = f"one of {', '.join(parameter.choices)}" if parameter.choices else parameter.kind
    default = "required" if parameter.default is None else f"default {_toml(parameter.default)}"
    meaning = f"{parameter.meaning.rstrip('.')}. " if parameter.meaning else ""
    said = f"# {' '.join(f'{meaning}({of}, {default})'.split())}"
    if not values:
        return [said, f"# {parameter.name} ="]
    listed = _toml(values[0]) if len(values) == 1 else f"[{', '.join(map(_toml, values))}]"
    return [said, f"{parameter.name} = {listed}"]


def _toml(value: Scalar) -> str:
    """A scalar as TOML: strings, numbers and truth values are written as in JSON."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def _name(kind: type) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
