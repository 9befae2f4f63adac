"""What is left to compute, and who may take it: a seat keeps its group, so that it compiles once.

A *seat* is a place where one chunk can be computed at a time: a process here, or a thread of a Dask worker. One that
has nothing left takes a whole group that nobody has, else the rear half of the longest group left: compiling once more
where there is nothing else to do costs no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from ntklora.sweeps.chunk import Chunk, Group, join
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.sweep import Sweep


class Order(NamedTuple):
    """Groups of a sweep to be computed, how another process finds the experiment, and the limits of a cell."""

    sweep: Sweep
    reference: str
    limits: Limits
    groups: Sequence[Group]


class Ticket(NamedTuple):
    """Cells whose rows are stored together: a chunk, or one for each of the devices that computed them."""

    number: int
    order: int
    chunk: Chunk


class Part(NamedTuple):
    """What is computed in one go: cells of a ticket; `alone`, in a process that has computed nothing before.

    `losses` counts the hosts that went away with it.
    """

    ticket: Ticket
    chunk: Chunk
    alone: bool = False
    losses: int = 0


class _Line(NamedTuple):
    order: int
    chunks: deque[Chunk]


class Agenda:
    """The orders' groups, in their order, and the parts that came back."""

    def __init__(self, orders: Sequence[Order]) -> None:
        self.orders = orders
        self._waiting = deque(
            _Line(index, deque(group)) for index, order in enumerate(orders) for group in order.groups
        )
        self._held: dict[Hashable, _Line] = {}
        self._returned: deque[Part] = deque()
        self._reserved: dict[Hashable, Part] = {}
        self._tickets = 0

    def num_chunks(self) -> int:
        """Chunks that nobody has taken."""
        lines = [*self._waiting, *self._held.values()]
        return sum(len(line.chunks) for line in lines) + len(self._returned) + len(self._reserved)

    def seats(self) -> list[Hashable]:
        """Who holds something."""
        return list({**self._held, **self._reserved})

    def turn(self, seat: Hashable) -> int | None:
        """The order that the seat works for next, which it keeps until it takes; None where nothing is left for it."""
        if seat not in self._reserved and self._returned:
            self._reserved[seat] = self._returned.popleft()
        if seat in self._reserved:
            return self._reserved[seat].ticket.order
        if seat not in self._held or not self._held[seat].chunks:
            self._held.pop(seat, None)
            line = self._waiting.popleft() if self._waiting else self._steal()
            if line is None:
                return None
            self._held[seat] = line
        return self._held[seat].order

    def needs_new_process(self, seat: Hashable) -> bool:
        """Whether what the seat takes next must be the first thing its process computes."""
        return seat in self._reserved and self._reserved[seat].alone

    def take(self, seat: Hashable, width: int) -> Part | None:
        """The seat's next part, of at most `width` chunks; None where others have taken what was left."""
        if seat in self._reserved:
            return self._reserved.pop(seat)
        line = self._held[seat]
        if not line.chunks:
            return None
        chunk = join([line.chunks.popleft() for _ in range(min(width, len(line.chunks)))])
        self._tickets += 1
        return Part(Ticket(self._tickets, line.order, chunk), chunk)

    def put_back(self, *parts: Part) -> None:
        """Parts to be computed before anything else, in this order."""
        self._returned.extendleft(reversed(parts))

    def leave(self, seat: Hashable) -> None:
        """The seat is gone: what it held waits for another."""
        if seat in self._reserved:
            self._returned.appendleft(self._reserved.pop(seat))
        line = self._held.pop(seat, None)
        if line is not None and line.chunks:
            self._waiting.appendleft(line)

    def _steal(self) -> _Line | None:
        longest = max(self._held.values(), key=lambda line: len(line.chunks), default=None)
        if longest is None or not longest.chunks:
            return None
        rear = [longest.chunks.pop() for _ in range((len(longest.chunks) + 1) // 2)]
        return _Line(longest.order, deque(reversed(rear)))
