"""A figure of the paper: which rows it reads, what it plots of them, and what they say."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ntklora.sweeps.experiment import Row, Scalar

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

Rows = Sequence[Row]
Table = Sequence[Mapping[str, Scalar | None]]  # the plotted data: records with the same names in the same order


@dataclass(frozen=True)
class Figure:
    """A frozen description, three pure functions long.

        rows --tabulate--> table --draw-----> drawing
                                 --finding--> one sentence

    The drawing and the sentence see the table only, so the CSV beside the figure is what was plotted, whole.
    `tabulate` gets the rows that succeeded, by experiment; missing and failed ones are stated by whoever writes the
    figure. Nothing is computed here that a solver would compute.
    """

    name: str
    title: str
    caption: str
    experiments: tuple[str, ...]
    tabulate: Callable[[Mapping[str, Rows]], Table]
    draw: Callable[[Table], Drawing]
    finding: Callable[[Table], str]

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"Figure.name is {self.name!r}: expected lower-case letters, digits and _ (a file name)")
        if not self.experiments:
            raise ValueError(f"figure {self.name} names no experiment: a figure shows stored rows")
