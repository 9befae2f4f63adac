"""What a Dask worker does for a runner: feed worker processes of ours, one for each of its threads.

So the limits of a cell hold there as anywhere, and a cell that crashes does not take the Dask worker with it.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from ntklora.environment import prepare_environment
from ntklora.sweeps.agenda import Agenda, Order
from ntklora.sweeps.chunk import Chunk
from ntklora.sweeps.crew import Crew
from ntklora.sweeps.experiment import Row
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.reference import find_experiment
from ntklora.sweeps.sweep import Sweep


class Task(NamedTuple):
    """A chunk, and what another host must be told to compute it; `run` tells runners apart."""

    run: str
    reference: str
    numerics: Numerics
    limits: Limits
    chunk: Chunk


class Result(NamedTuple):
    """The rows of a task, the device, and how many chunks its process computes at once."""

    rows: list[Row]
    device: dict[str, Any]
    width: int


class _Crews:
    """The crews of this Dask worker, by runner; tasks on several threads each have one of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[str, Crew]] = []
        self._at_work: list[tuple[str, Crew]] = []
        self._ended: set[str] = set()

    def enter(self, task: Task) -> Crew:
        """An idle crew of the same runner, or a new one in place of what other runners have left."""
        with self._lock:
            own = [each for each in self._idle if each[0] == task.run and each[1].numerics == task.numerics]
            if own:
                self._idle.remove(own[0])
            else:
                for _, crew in self._idle:
                    crew.dismiss()
                self._idle = []
            entry = own[0] if own else (task.run, Crew(1, task.numerics))
            self._at_work.append(entry)
        return entry[1]

    def leave(self, run: str, crew: Crew) -> None:
        with self._lock:
            self._at_work.remove((run, crew))
            if self.ended(run):
                crew.dismiss()
            else:
                self._idle.append((run, crew))

    def ended(self, run: str) -> bool:
        return run in self._ended

    def end(self, run: str) -> None:
        """The runner has no more work: its crews go, those at work as soon as their thread sees it."""
        with self._lock:
            self._ended.add(run)
            for _, crew in [each for each in self._idle if each[0] == run]:
                crew.dismiss()
            self._idle = [each for each in self._idle if each[0] != run]
            for name, crew in self._at_work:
                if name == run:
                    crew.stop_at_once()


_crews = _Crews()


def compute(task: Task) -> Result:
    """The rows of the task's cells, each with its status; those of a runner that has ended may be fewer."""
    prepare_environment()
    order = Order(
        Sweep(find_experiment(task.reference), (), task.numerics), task.reference, task.limits, [[task.chunk]]
    )
    crew = _crews.enter(task)
    try:
        rows = [row for _, row in crew.work(Agenda([order]), lambda: _crews.ended(task.run))]
    finally:
        _crews.leave(task.run, crew)
    return Result(rows, crew.device, crew.width)


def end(run: str) -> None:
    """Let go of what was kept for this runner."""
    _crews.end(run)
