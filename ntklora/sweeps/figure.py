"""A figure of the paper: what it reads from the store, and how it draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntklora.sweeps.experiment import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Rows = Sequence[Row]


@dataclass(frozen=True)
class Figure:
    """A frozen description; `draw(rows)` gets the stored rows of each experiment it names and computes nothing.

    The caption says what is shown and with how many runs; `{rows}`-like numbers belong to the drawing.
    """

    name: str
    title: str
    caption: str
    experiments: tuple[str, ...]
    draw: Callable[[Mapping[str, Rows]], Drawing]
