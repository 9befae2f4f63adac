"""Chunks: the cells of one shape, cut into pieces of fixed size. A chunk is what is sent, computed and stored at once.

The cut depends on what was asked for, never on what is stored already or on who computes: slots whose cell has a row
stay empty, so that a resumed run puts every other cell into the slot it has in an unbroken one, and gives its bits.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from typing import NamedTuple

from ntklora.sweeps.experiment import Cell, Experiment


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

    The last chunk of a shape is filled up with empty slots.
    """
    shapes: dict[Hashable, list[int]] = {}
    for index, cell in enumerate(cells):
        shapes.setdefault(experiment.shape(experiment.parameters(**cell)), []).append(index)
    size, todo = experiment.chunk, set(missing)
    groups: list[Group] = []
    for members in shapes.values():
        pieces = [members[start : start + size] for start in range(0, len(members), size)]
        chunks = [
            Chunk(tuple(cells[i] if i in todo else None for i in piece) + (None,) * (size - len(piece)))
            for piece in pieces
            if not todo.isdisjoint(piece)
        ]
        if chunks:
            groups.append(chunks)
    return groups


def join(chunks: Sequence[Chunk]) -> Chunk:
    """Several chunks of one shape as one: a chunk per device."""
    return Chunk(tuple(slot for chunk in chunks for slot in chunk.slots))
