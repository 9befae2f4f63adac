"""What a sweep would take: a few of its cells timed in a worker process, nothing stored.

Of a group (one shape, one compilation) the first piece shows what compiling costs, later ones what follows costs. A
*piece* is what is computed in one go: a cell, or a chunk where the computation is vmapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import psutil

from ntklora.sweeps.agenda import Agenda, Order
from ntklora.sweeps.chunk import Chunk, Group
from ntklora.sweeps.crew import Crew
from ntklora.sweeps.experiment import CellStatus
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.progress import show_progress
from ntklora.sweeps.sweep import Sweep

_LATER = 2  # pieces of a group that are timed after its first


class Timing(NamedTuple):
    """Seconds of the first piece of a group, which compiles, and of some later ones."""

    group: int
    first: float
    later: tuple[float, ...]


class Pilot(NamedTuple):
    """Timings of the groups that were sampled, seconds until a process can begin, GiB at the highest, and failures."""

    timings: tuple[Timing, ...]
    start: float
    memory: float
    failures: tuple[str, ...]
    width: int  # chunks computed at once: one per device where the computation is vmapped


class Estimate(NamedTuple):
    """Seconds for the whole, were all pieces as those timed of their group on average, at their fastest, slowest."""

    seconds: float
    low: float
    high: float


def run_pilot(sweep: Sweep, reference: str, limits: Limits, groups: Sequence[Group], sampled: int) -> Pilot:
    """Time up to three pieces of each of `sampled` groups, spread evenly from the first to the last.

    Errors: `ValueError` for an experiment that a worker cannot load.
    """
    chosen = _spread(len(groups), sampled)
    pieces = [_sample(_pieces(sweep, groups[group])) for group in chosen]
    alone: list[Group] = [[piece] for group in pieces for piece in group]  # in this order, never joined
    seconds: dict[int, float] = {}
    failures: dict[str, None] = {}
    memory = start = 0.0
    began = monotonic()
    crew = Crew(1, sweep.numerics)
    try:
        with show_progress("pilot", sum(len(chunk.cells) for (chunk,) in alone)) as advance:
            for ticket, row in crew.work(Agenda([Order(sweep, reference, limits, alone)]), lambda: False):
                seconds[ticket.number] = seconds.get(ticket.number, 0.0) + (row["seconds"] or 0.0)
                if row["status"] != CellStatus.ok:
                    failures[f"{CellStatus(row['status']).name}: {row['reason']}"] = None
                start = start or monotonic() - began - seconds[ticket.number]
                memory = max(memory, _peak_memory())
                advance(row["status"] != CellStatus.ok)
    finally:
        crew.dismiss()
    timed = iter(seconds[number] for number in sorted(seconds))
    timings = tuple(_timing(group, [next(timed) for _ in listed]) for group, listed in zip(chosen, pieces, strict=True))
    return Pilot(timings, start, memory, tuple(failures), crew.width)


def estimate(sweep: Sweep, groups: Sequence[Group], pilot: Pilot, processes: int) -> Estimate:
    """The time that processes of this host need: sampled groups as they were, the others as the sampled ones.

    They share the pieces evenly, but a chunk of a group is not divided.
    """
    known = {timing.group: (timing,) for timing in pilot.timings}
    guesses = []
    for pick in (_mean, min, max):
        wholes, chunks = [], []
        for index, group in enumerate(groups):
            timings, pieces = known.get(index, pilot.timings), len(_pieces(sweep, group))
            wholes.append(pick([_cost(timing, ceil(pieces / pilot.width), pick) for timing in timings]))
            chunks.append(pick([_cost(timing, ceil(pieces / len(group)), pick) for timing in timings]))
        guesses.append(pilot.start + max(sum(wholes) / processes, *chunks))
    return Estimate(*guesses)


def _pieces(sweep: Sweep, group: Group) -> list[Chunk]:
    if sweep.experiment.at_once:
        return list(group)
    return [Chunk((cell,)) for chunk in group for cell in chunk.cells]


def _sample(pieces: Sequence[Chunk]) -> list[Chunk]:
    return [pieces[index] for index in _spread(len(pieces), 1 + _LATER)]


def _spread(number: int, wanted: int) -> list[int]:
    """At most `wanted` of the indices below `number`, evenly from the first to the last.

    >>> _spread(10, 3), _spread(2, 3), _spread(5, 1)
    ([0, 4, 9], [0, 1], [0])
    """
    wanted = min(number, wanted)
    return [round(i * (number - 1) / max(wanted - 1, 1)) for i in range(wanted)]


def _timing(group: int, seconds: Sequence[float]) -> Timing:
    return Timing(group, seconds[0], tuple(seconds[1:]))


def _cost(timing: Timing, pieces: int, pick: Callable[[Sequence[float]], float]) -> float:
    """Seconds of so many pieces; where only one could be timed, each is taken to be like it."""
    return timing.first + (pieces - 1) * pick(timing.later or (timing.first,))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _peak_memory() -> float:
    """GiB of the largest worker so far: the highest its memory has been where the system keeps that, else now."""
    return max((_peak_of(process) for process in psutil.Process().children(recursive=True)), default=0.0)


def _peak_of(process: psutil.Process) -> float:
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2.0**20
        return process.memory_info().rss / 2.0**30
    except (OSError, psutil.Error):  # it ended meanwhile, or this is no Linux
        return 0.0
