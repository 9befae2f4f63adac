"""What the folders `experiments/` and `paper_figures/` hold, in a checkout and in the wheel alike.

Each file defines one value, `experiment` or `figure`, whose name is the file's.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ntklora.sweeps.experiment import Experiment
from ntklora.sweeps.figure import Figure
from ntklora.sweeps.reference import load_file

Entry = TypeVar("Entry", Experiment, Figure)

_PACKAGE = Path(__file__).resolve().parents[1]


@cache
def all_experiments() -> dict[str, Experiment]:
    """Every experiment by name."""
    return _collect(shipped_folder("experiments"), "experiment", Experiment)


@cache
def all_figures() -> dict[str, Figure]:
    """Every figure by name; one that names an unknown experiment is a ValueError."""
    figures = _collect(shipped_folder("paper_figures"), "figure", Figure)
    for figure in figures.values():
        for name in figure.experiments:
            named(all_experiments(), name, f"experiment of figure {figure.name}")
    return figures


def reference_of(name: str) -> str:
    """Where a shipped experiment lies, for another process on this host; see `ntklora.sweeps.reference`."""
    return str(shipped_folder("experiments") / f"{named(all_experiments(), name, 'experiment').name}.py")


def named(known: dict[str, Any], name: str, what: str) -> Any:
    """`known[name]`; an unknown name is a ValueError that says the nearest, and all."""
    if name not in known:
        near = get_close_matches(name, list(known), n=1, cutoff=0.0)
        mend = f"did you mean {near[0]!r}? All: {', '.join(known)}" if near else "there is none"
        raise ValueError(f"unknown {what} {name!r}: {mend}")
    return known[name]


def shipped_folder(name: str) -> Path:
    """Where a folder lies: inside the installed package, or beside it in a checkout."""
    inside = _PACKAGE / "shipped" / name
    return inside if inside.is_dir() else _PACKAGE.parent / name


def _collect(folder: Path, attribute: str, kind: type[Entry]) -> dict[str, Entry]:
    if not folder.is_dir():
        raise ValueError(f"this installation of ntklora lacks the folder {folder.name}: install it again")
    found: dict[str, Entry] = {}
    for path in sorted(folder.glob("[!_.]*.py")):
        value = getattr(load_file(path), attribute, None)
        if not isinstance(value, kind) or value.name != path.stem:
            raise ValueError(f"{path} must define `{attribute}`: one {kind.__name__} named {path.stem!r}")
        found[value.name] = value
    return found
