"""An experiment with a column of every kind, and a store that is filled without a runner: the store's tests use it."""

from dataclasses import dataclass
from functools import partial

from ntklora.sweeps import Column, Experiment
from ntklora.sweeps.row import row_of
from ntklora.sweeps.sweep import Sweep

BROKEN = 13  # a shelf of this width raises


@dataclass(frozen=True)
class Shelf:
    width: int
    wood: str = "ash"
    slope: float = 0.0
    oiled: bool = False
    seed: int = 0


COLUMNS = (
    Column("load", float, "kilograms"),
    Column("books", int, "how many"),
    Column("straight", bool, "whether it hangs straight"),
    Column("label", str, "what is written on it; none on an ash shelf"),
    Column("heights", list[float], "of the books, in metres; none is known of a wide shelf"),
    Column("pages", list[int], "of the books"),
    Column("titles", list[str], "of the books"),
)


def run(shelf):
    if shelf.width == BROKEN:
        raise RuntimeError(f"{shelf.seed} books fell")
    heights = [0.1 * shelf.width / (1 + book) for book in range(shelf.seed)]
    return {
        "load": shelf.width / 3 - shelf.slope,
        "books": shelf.seed,
        "straight": shelf.slope == 0.0,
        "label": None if shelf.wood == "ash" else f"“{shelf.wood}”, №\n{shelf.seed}",
        "heights": None if shelf.width > 4 else heights,
        "pages": [2**53 + book for book in range(shelf.seed)],
        "titles": ["" if book else 'a, "b"' for book in range(shelf.seed)],
    }


experiment = Experiment("shelf", 1, "What does a shelf carry?", Shelf, COLUMNS, {}, run, chunk=4)


def sweep(**axes):
    """The sweep over these axes; twelve cells when none is given."""
    return Sweep(experiment, (axes or {"width": (2, 3, 5), "wood": ("ash", "oak"), "seed": range(2)},))


def rows_of(asked, indices=None, **changes):
    """The rows of some of a sweep's cells, computed here, with these measured columns changed."""
    chosen = asked.cells if indices is None else [asked.cells[index] for index in indices]

    def values(cell):
        return {**asked.experiment.run(asked.experiment.parameters(**cell)), **changes}

    return [row_of(asked.experiment, cell, asked.numerics, partial(values, cell)) for cell in chosen]


def fill(store, asked, indices=None, **changes):
    """Claim and store, a shard for each `chunk` cells; the paths of the shards."""
    store.claim(asked, "tests.sweeps.shelf:experiment")
    rows, size = rows_of(asked, indices, **changes), asked.experiment.chunk
    return [store.write(asked.experiment, rows[start : start + size]).path for start in range(0, len(rows), size)]


def numbers(rows):
    """Rows without when, how fast and by which code they were computed."""
    return [{name: row[name] for name in row if name not in ("seconds", "date", "revision")} for row in rows]
