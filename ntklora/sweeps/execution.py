"""Where cells run: in this process, or in several, one cell at a time each.

Cells come in *groups* that agree on what decides array shapes, so that one compilation serves a group; a group stays in
one process. Rows come back as they are done. When `stopping()` turns true no further cell is started.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import NamedTuple

from ntklora.sweeps.chunk import Chunk
from ntklora.sweeps.experiment import Cell, Experiment, Row
from ntklora.sweeps.interruption import ignoring_interruption
from ntklora.sweeps.numerics import Numerics, current_numerics
from ntklora.sweeps.row import failed_row
from ntklora.sweeps.run_chunk import run_chunk

Find = Callable[[str], Experiment]  # by name; importable, so that another process can call it
Stopping = Callable[[], bool]


class Task(NamedTuple):
    """One cell of an experiment, by name: what another process needs to be told."""

    experiment: str
    cell: Cell


Group = Sequence[Task]
Done = Generator[tuple[Task, Row], None, None]


def in_this_process(groups: Sequence[Group], experiments: Mapping[str, Experiment], stopping: Stopping) -> Done:
    """One cell after another."""
    numerics = current_numerics()
    for group in groups:
        for task in group:
            if stopping():
                return
            yield task, _row(experiments[task.experiment], task.cell, numerics)


def in_processes(groups: Sequence[Group], find: Find, jobs: int, stopping: Stopping) -> Done:
    """At most `jobs` processes, each fed one cell at a time; one that dies costs the cell it was computing.

    Processes are started fresh: JAX does not survive a fork.
    """
    numerics = current_numerics()
    waiting = deque(deque(group) for group in groups)
    hands: list[_Hand] = []
    try:
        while True:
            while waiting and len(hands) < jobs and not stopping():
                hands.append(_Hand(find, numerics, waiting.popleft()))
            if not hands:
                return
            for connection in wait([hand.connection for hand in hands]):
                hand = next(each for each in hands if each.connection is connection)
                task, row = hand.receive()
                if row is None:  # the process died: the rest of its group goes to a new one
                    hands.remove(hand)
                    reason = f"the process that computed it ended (exit code {hand.end()})"
                    row = failed_row(find(task.experiment), task.cell, numerics, reason)
                    if hand.tasks:
                        waiting.appendleft(hand.tasks)
                elif stopping() or not hand.next(waiting):
                    hands.remove(hand)
                    hand.end()
                yield task, row
    finally:
        for hand in hands:
            hand.process.kill()


def _row(experiment: Experiment, cell: Cell, numerics: Numerics) -> Row:
    return next(run_chunk(experiment, Chunk((cell,)), numerics))


class _Hand:
    """A process, the connection to it, the cell it computes, and the rest of its group."""

    def __init__(self, find: Find, numerics: Numerics, tasks: deque[Task]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(theirs, find, numerics), daemon=True)
        with ignoring_interruption():  # the new process inherits it: Ctrl-C is for this one to answer
            self.process.start()
        theirs.close()
        self.tasks = tasks
        self._send()

    def receive(self) -> tuple[Task, Row | None]:
        """The cell that was computed and its row; None where the process died."""
        try:
            return self.current, self.connection.recv()
        except (EOFError, OSError):
            return self.current, None

    def next(self, waiting: deque[deque[Task]]) -> bool:
        """Start the next cell, of the own group or of a waiting one; whether there was any."""
        if not self.tasks and waiting:
            self.tasks = waiting.popleft()
        if not self.tasks:
            return False
        self._send()
        return True

    def end(self) -> int | None:
        """Let the process end; its exit code."""
        self.connection.close()
        self.process.join()
        return self.process.exitcode

    def _send(self) -> None:
        self.current = self.tasks.popleft()
        with suppress(OSError):  # a process that died is noticed when its row is read
            self.connection.send(self.current)


def _serve(connection: Connection, find: Find, numerics: Numerics) -> None:
    """What such a process does until the connection closes."""
    sys.stdout = sys.stderr  # standard output belongs to the answer of the command
    import jax

    jax.config.update("jax_enable_x64", numerics.precision == "float64")
    with suppress(EOFError):
        while True:
            task = connection.recv()
            connection.send(_row(find(task.experiment), task.cell, numerics))
