"""What a sweep would take: a few of its cells timed in a worker process, nothing stored.

Of a group (one shape, one compilation) the first piece shows what compiling costs, later ones what follows costs. A
*piece* is what is computed in one go: a cell, or a chunk where the computation is vmapped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from typing import NamedTuple

import psutil

from ntklora.sweeps.agenda import Agenda, Order
from ntklora.sweeps.chunk import Chunk, Group
from ntklora.sweeps.computation import Vmapped
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
    """Timings of the groups that were sampled, memory in GiB at its highest, and why cells failed, if any did."""

    timings: tuple[Timing, ...]
    memory: float
    failures: tuple[str, ...]
    width: int  # chunks computed at once: one per device where the computation is vmapped


class Estimate(NamedTuple):
    """Seconds of one process for the whole: as the sampled groups were on average, at their fastest and slowest."""

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
    memory = 0.0
    crew = Crew(1, sweep.numerics)
    try:
        with show_progress("pilot", sum(len(chunk.cells) for (chunk,) in alone)) as advance:
            for ticket, row in crew.work(Agenda([Order(sweep, reference, limits, alone)]), lambda: False):
                seconds[ticket.number] = seconds.get(ticket.number, 0.0) + (row["seconds"] or 0.0)
                if row["status"] != CellStatus.ok:
                    failures[f"{CellStatus(row['status']).name}: {row['reason']}"] = None
                memory = max(memory, _peak_memory())
                advance(row["status"] != CellStatus.ok)
    finally:
        crew.dismiss()
    timed = iter(seconds[number] for number in sorted(seconds))
    timings = tuple(_timing(group, [next(timed) for _ in listed]) for group, listed in zip(chosen, pieces, strict=True))
    return Pilot(timings, memory, tuple(failures), crew.width)


def estimate(sweep: Sweep, groups: Sequence[Group], pilot: Pilot) -> Estimate:
    """The time of one process: each sampled group as it was, the others as the sampled ones."""
    known = {timing.group: timing for timing in pilot.timings}
    numbers = [ceil(len(_pieces(sweep, group)) / pilot.width) for group in groups]
    rest = [number for group, number in enumerate(numbers) if group not in known]
    totals = []
    for pick in (_mean, min, max):
        sure = sum(_cost(timing, numbers[group], pick) for group, timing in known.items())
        others = (pick([_cost(timing, number, pick) for timing in pilot.timings]) for number in rest)
        totals.append(sure + sum(others))
    return Estimate(*totals)


def _pieces(sweep: Sweep, group: Group) -> list[Chunk]:
    if isinstance(sweep.experiment.run, Vmapped):
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
