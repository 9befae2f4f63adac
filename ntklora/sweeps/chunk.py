"""Chunks: the cells of one shape, cut into pieces of fixed size. A chunk is what is sent, computed and stored at once.

The cut depends on what was asked for, never on what is stored already or on who computes: slots whose cell has a row
stay empty, so that a resumed run puts every other cell into the slot it has in an unbroken one, and gives its bits.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

from ntklora.sweeps.experiment import Cell, Experiment
from ntklora.sweeps.failure import describe_failure


class Chunk(NamedTuple):
    """Slots of one shape, a multiple of the experiment's `chunk` of them; a slot without a cell is None."""

    slots: tuple[Cell | None, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells to compute, in the order of their slots."""
        return tuple(slot for slot in self.slots if slot is not None)

    def only(self, indices: Collection[int]) -> Chunk:
        """The same slots with the cells at these slots alone."""
        return Chunk(tuple(slot if index in indices else None for index, slot in enumerate(self.slots)))

    def halves(self) -> tuple[Chunk, Chunk]:
        """The first and the second half of the cells, in their slots."""
        taken = [index for index, slot in enumerate(self.slots) if slot is not None]
        middle = len(taken) // 2
        return self.only(set(taken[:middle])), self.only(set(taken[middle:]))


Group = Sequence[Chunk]  # chunks of one shape: one compilation


def plan_groups(experiment: Experiment, cells: Sequence[Cell], missing: Collection[int]) -> list[Group]:
    """The chunks with work to do, by shape, for the requested cells of which those at the indices `missing` lack a row.

    The last chunk of a shape is filled up with empty slots. Errors: `ValueError` where the experiment's `shape` fails.
    """
    size, todo = experiment.chunk, set(missing)
    groups: list[Group] = []
    for pieces in _cut(experiment, cells):
        chunks = [
            Chunk(tuple(cells[i] if i in todo else None for i in piece) + (None,) * (size - len(piece)))
            for piece in pieces
            if not todo.isdisjoint(piece)
        ]
        if chunks:
            groups.append(chunks)
    return groups


class Shard(NamedTuple):
    """The piece `number`, from 1, `of` so many: for machines that share nothing but, at most, a folder."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @staticmethod
    def parse(text: str) -> Shard:
        """From `i/n`. Errors: `ValueError`.

        >>> Shard.parse("2/8")
        Shard(number=2, of=8)
        """
        match = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"shard {text!r}: expected i/n with 1 <= i <= n, such as 1/4")
        return Shard(int(match[1]), int(match[2]))


def cells_of_shard(experiment: Experiment, cells: Sequence[Cell], shard: Shard) -> set[int]:
    """The indices of a piece's cells: round-robin over the chunks of the whole, whatever is stored already."""
    chunks = [piece for pieces in _cut(experiment, cells) for piece in pieces]
    return {index for piece in chunks[shard.number - 1 :: shard.of] for index in piece}


def join(chunks: Sequence[Chunk]) -> Chunk:
    """Several chunks of one shape as one: a chunk per device."""
    return Chunk(tuple(slot for chunk in chunks for slot in chunk.slots))


def _cut(experiment: Experiment, cells: Sequence[Cell]) -> list[list[list[int]]]:
    """The indices of the cells, by shape, in pieces of at most a chunk."""
    shapes: dict[Hashable, list[int]] = {}
    for index, cell in enumerate(cells):
        try:  # a person's function: whatever it raises is said in one line
            shapes.setdefault(experiment.shape(experiment.parameters(**cell)), []).append(index)
        except Exception as error:
            reason = describe_failure(error)
            raise ValueError(f"experiment {experiment.name}: its shape of {dict(cell)} fails: {reason}") from error
    size = experiment.chunk
    return [[members[i : i + size] for i in range(0, len(members), size)] for members in shapes.values()]
