"""A crew: worker processes on this host, each computing one part at a time and watched meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from typing import Any

from ntklora.sweeps.agenda import Agenda, Ticket
from ntklora.sweeps.experiment import CellStatus, Row
from ntklora.sweeps.messages import Computed, Finished, Loaded, Refused
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.verdict import Loss, judge
from ntklora.sweeps.worker_process import WorkerProcess

_LOOK = 0.1  # seconds between two looks at the limits
_STARTS = 3  # processes that may end one after another before they have found the experiment


class WorkersFail(RuntimeError):
    """Worker processes end before they have done anything."""


class Crew:
    """At most `size` processes, started when there is something to do; they stay until the crew is dismissed."""

    def __init__(self, size: int, numerics: Numerics) -> None:
        self.size = size
        self.numerics = numerics
        self.device: dict[str, Any] = {}  # what they compute on, once a chunk is done
        self.width = 1  # chunks that a process computes at once, as the one that loaded an experiment last has said
        self._workers: dict[int, WorkerProcess] = {}  # by seat
        self._failed_starts = 0

    def work(self, agenda: Agenda, stopping: Callable[[], bool]) -> Iterator[tuple[Ticket, Row]]:
        """Rows as they come, until nothing is left; once `stopping()`, until what runs is done.

        When the consumer stops in between, whatever runs is killed. Errors: `ValueError` for an experiment that cannot
        be loaded, `WorkersFail`.
        """
        try:
            while True:
                for seat in range(self.size):
                    self._occupy(seat, agenda, stopping)
                busy = {worker.connection: seat for seat, worker in self._workers.items() if worker.busy}
                if not busy:
                    return
                limited = any(self._workers[seat].limited for seat in busy.values())
                for connection in wait(list(busy), _LOOK if limited else None):
                    seat = busy[connection]  # type: ignore[index]
                    # The next part first: while rows are stored, who computed them is at work again.
                    rows = self._hear(seat, agenda)
                    self._occupy(seat, agenda, stopping)
                    yield from rows
                for seat in busy.values():
                    worker = self._workers.get(seat)
                    loss = worker.excess() if worker is not None else None
                    if loss is not None:
                        yield from self._lose(seat, loss, agenda)
        finally:
            for seat, worker in list(self._workers.items()):
                if worker.busy:
                    self._discard(seat)

    def dismiss(self) -> None:
        """End every process."""
        for seat in list(self._workers):
            self._discard(seat)

    def stop_at_once(self) -> None:
        """From another thread: end what runs; `work` comes back when it sees that, and asks `stopping()`."""
        for worker in list(self._workers.values()):
            worker.signal_end()

    def _occupy(self, seat: int, agenda: Agenda, stopping: Callable[[], bool]) -> None:
        """Give an idle seat something to do."""
        worker = self._workers.get(seat)
        while not (stopping() or (worker is not None and worker.busy)):
            index = agenda.turn(seat)
            if index is None:
                return
            if worker is not None and worker.used and agenda.needs_new_process(seat):
                self._discard(seat)
                worker = None
            if worker is None:
                worker = self._workers[seat] = WorkerProcess(self.numerics)
            order = agenda.orders[index]
            if worker.order is not order:
                worker.load(order)
            elif (part := agenda.take(seat, worker.width)) is not None:
                worker.compute(part)

    def _hear(self, seat: int, agenda: Agenda) -> list[tuple[Ticket, Row]]:
        """What a worker says next; after the last row of a part, that it is done with it, which follows at once."""
        worker = self._workers[seat]
        message = worker.receive()
        if message is None:
            return self._lose(seat, worker.death(), agenda)
        if isinstance(message, Computed):
            assert worker.part is not None
            worker.count()
            row = (worker.part.ticket, message.row)
            return [row, *(self._hear(seat, agenda) if worker.computed else [])]
        if isinstance(message, Loaded):
            worker.width = self.width = message.width
            self._failed_starts = 0
        elif isinstance(message, Refused):
            raise ValueError(message.message)
        else:
            assert isinstance(message, Finished)
            self.device |= message.device
            worker.finish()
        return []

    def _lose(self, seat: int, loss: Loss, agenda: Agenda) -> list[tuple[Ticket, Row]]:
        """Judge what the lost process was computing; it is gone, and its seat gets another when there is work."""
        worker = self._workers[seat]
        self._discard(seat)
        if worker.part is None:
            self._failed_starts += loss.status is CellStatus.died
            if self._failed_starts >= _STARTS:
                raise WorkersFail(f"worker processes end as soon as they start: {loss.reason}")
            return []
        assert worker.order is not None
        row, rest = judge(worker.order, worker.part, worker.num_done, loss, first=not worker.used)
        agenda.put_back(*rest)
        return [] if row is None else [(worker.part.ticket, row)]

    def _discard(self, seat: int) -> None:
        self._workers.pop(seat).kill()
