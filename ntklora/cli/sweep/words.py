"""Numbers and cells in words."""

from __future__ import annotations

from collections.abc import Sequence

from ntklora.sweeps.experiment import Cell
from ntklora.sweeps.status import Reason

_MOST = 10  # reasons that are said in full


def number(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> number(1, "cell"), number(2000, "cell"), number(2, "process", "processes")
    ('1 cell', '2,000 cells', '2 processes')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def cell_in_words(cell: Cell) -> str:
    """A cell's parameters.

    >>> cell_in_words({"rank": 2, "seed": 0})
    'rank = 2, seed = 0'
    """
    return ", ".join(f"{name} = {value}" for name, value in cell.items())


def say_reasons(reasons: Sequence[Reason]) -> None:
    """Print why cells failed, the most frequent reason first, each with an example."""
    for each in reasons[:_MOST]:
        print(f"  {each.cells:,} {each.status}: {each.reason}")
        print(f"      as at {cell_in_words(each.example)}")
    if len(reasons) > _MOST:
        print(f"  and {number(len(reasons) - _MOST, 'other reason')}: see --json")
