"""Workers of a Dask cluster: the runner here plans and stores, they compute. Needs the extra `cluster`.

A Dask worker that is lost gives its chunk to another; a chunk that keeps losing them is halved, down to the cell.
Measured: 155 tasks a second, so chunks of a second or more lose nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any, NamedTuple
from uuid import uuid4

from ntklora.sweeps.agenda import Agenda, Order, Part
from ntklora.sweeps.cluster_task import Result, Task, compute, end
from ntklora.sweeps.crew import WorkersFail
from ntklora.sweeps.executors import Rows, Stopping, one_numerics
from ntklora.sweeps.experiment import CellStatus
from ntklora.sweeps.provenance import common_device
from ntklora.sweeps.row import failed_row

_CONNECTING = 30.0  # seconds for the scheduler to answer
_LISTING = 1.0  # seconds between two looks at which workers there are
_LOSSES = 3  # workers lost with the same cells before the cells are suspected


class _Seat(NamedTuple):
    """A thread of a Dask worker."""

    address: str
    thread: int


@dataclass
class _State:
    """What runs where, by future."""

    client: Any
    agenda: Agenda
    run: str
    seats: list[_Seat] = field(default_factory=list)
    running: dict[Any, tuple[_Seat, Part]] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)  # chunks computed at once, by address


class DaskCluster:
    """The workers of the scheduler at an address, or of the one that wrote a scheduler file."""

    def __init__(self, address: str | None = None, scheduler_file: Path | None = None) -> None:
        if (address is None) == (scheduler_file is None):
            raise ValueError("a Dask scheduler is named by its address or by its file: give one of the two")
        self.address = address
        self.scheduler_file = scheduler_file
        self._device: dict[str, Any] = {}

    def device(self) -> dict[str, Any]:
        """What the workers that answered have in common."""
        return self._device

    def run(self, orders: Sequence[Order], stopping: Stopping) -> Rows:
        """See `Executor`. Errors: also `ValueError` without the extra `cluster`, or where no scheduler answers;
        `WorkersFail` where it is lost.
        """
        one_numerics(orders)
        client = self._connect()
        state = _State(client, Agenda(orders), uuid4().hex)
        try:
            yield from self._run(state, stopping)
        except (OSError, CancelledError) as error:  # what Dask's client makes of it
            raise WorkersFail(f"the Dask scheduler is gone ({type(error).__name__})") from error
        finally:
            if client.status == "running":  # the scheduler may be what was lost
                with suppress(OSError, TimeoutError, CancelledError):
                    client.cancel(list(state.running))
                    client.run(end, state.run, on_error="ignore")
            client.close()

    def _run(self, state: _State, stopping: Stopping) -> Rows:
        looked, told = -_LISTING, False
        while True:
            if monotonic() - looked >= _LISTING:
                yield from _look(state)
                looked = monotonic()
            if not stopping():
                taken = {seat for seat, _ in state.running.values()}
                for seat in state.seats:
                    if seat not in taken:
                        _submit(state, seat)
            if state.running:
                for future in _finished(state):
                    yield from self._collect(state, future)
            elif stopping() or not state.agenda.num_chunks():
                return
            else:
                if not told:
                    print("waiting for a worker of the Dask cluster", file=sys.stderr, flush=True)
                told = True
                sleep(_LISTING / 5)

    def _collect(self, state: _State, future: Any) -> Rows:
        """The rows of a future that is done; it stays where it is when its worker went before they were fetched."""
        seat, part = state.running[future]
        if future.status == "finished":
            try:
                result: Result = future.result(timeout=_LISTING)
            except TimeoutError:
                return
            del state.running[future]
            self._device = common_device(self._device, result.device)
            state.widths[seat.address] = result.width
            for row in result.rows:
                yield part.ticket, row
        elif future.status == "error":
            del state.running[future]
            if isinstance(error := future.exception(), ValueError | WorkersFail):
                raise error
            yield from _lose(state, part)  # Dask's own: the worker went while it was asked
        elif future.status == "cancelled":
            raise WorkersFail("the Dask scheduler is gone")

    def _connect(self) -> Any:
        try:
            from distributed import Client
        except ImportError as error:
            raise ValueError("Dask is not installed: pip install 'ntklora[cluster]'") from error
        where = self.address or str(self.scheduler_file)
        waited = monotonic() + _CONNECTING
        while self.scheduler_file is not None and not self.scheduler_file.exists():
            if monotonic() > waited:
                raise ValueError(f"{where}: no Dask scheduler has written this file")
            sleep(0.2)
        try:
            return Client(
                address=self.address,
                scheduler_file=None if self.scheduler_file is None else str(self.scheduler_file),
                timeout=_CONNECTING,
                set_as_default=False,
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise ValueError(f"no Dask scheduler answers at {where} ({' '.join(str(error).split())})") from error


def _look(state: _State) -> Rows:
    """See which workers there are. What those computed that have gone is given to others, their groups too."""
    threads = state.client.nthreads()
    state.seats = [_Seat(address, number) for address, numbers in threads.items() for number in range(numbers)]
    there = set(state.seats)
    for future, (seat, part) in list(state.running.items()):
        if seat not in there and not future.done():
            del state.running[future]
            future.cancel()
            yield from _lose(state, part)
    for holder in state.agenda.seats():
        if holder not in there:
            state.agenda.leave(holder)


def _submit(state: _State, seat: _Seat) -> None:
    """Give a free seat its next part, if there is one."""
    index = state.agenda.turn(seat)
    part = None if index is None else state.agenda.take(seat, state.widths.get(seat.address, 1))
    if part is None or index is None:
        return
    order = state.agenda.orders[index]
    task = Task(state.run, order.reference, order.sweep.numerics, order.limits, part.chunk)
    # This worker and no other, for its compilations. Not `allow_other_workers`: Dask forgets such a task when all
    # workers are gone for a moment (seen in 2026.8).
    state.running[state.client.submit(compute, task, workers=[seat.address], pure=False)] = (seat, part)


def _finished(state: _State) -> list[Any]:
    """Futures that are done, some time after the first is, or none after a while."""
    from distributed import wait

    try:
        with state.client.as_current():
            return list(wait(list(state.running), timeout=_LISTING, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []


def _lose(state: _State, part: Part) -> Rows:
    """The worker of a part is gone: another gets it, or halves of it; a cell that was alone each time is to blame."""
    part = part._replace(losses=part.losses + 1)
    if part.losses < _LOSSES:
        state.agenda.put_back(part)
    elif len(part.chunk.cells) > 1:
        state.agenda.put_back(*(part._replace(chunk=half, losses=0) for half in part.chunk.halves()))
    else:
        sweep = state.agenda.orders[part.ticket.order].sweep
        reason = f"{part.losses} Dask workers were lost while they computed it"
        row = failed_row(sweep.experiment, part.chunk.cells[0], sweep.numerics, reason, status=CellStatus.died)
        yield part.ticket, row
