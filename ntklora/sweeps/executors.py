"""Who computes: this process, or worker processes on this host. `ntklora.sweeps.cluster` has Dask's workers.

Whoever it is, all end in `run_chunk` with the same chunks, and give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ntklora.environment import num_processes
from ntklora.sweeps.agenda import Agenda, Order, Ticket
from ntklora.sweeps.crew import Crew
from ntklora.sweeps.experiment import Row
from ntklora.sweeps.numerics import computes_with, current_numerics
from ntklora.sweeps.provenance import device_in_use
from ntklora.sweeps.run_chunk import num_devices, run_chunk

Stopping = Callable[[], bool]
Rows = Generator[tuple[Ticket, Row], None, None]


class Executor(Protocol):
    """Computes what orders ask for; the orders of one call agree on their numerics."""

    def run(self, orders: Sequence[Order], stopping: Stopping) -> Rows:
        """Every row with its ticket, as it comes; once `stopping()`, no further chunk is started.

        Closing the generator stops at once. Errors: `ValueError` for an experiment that cannot be loaded.
        """

    def device(self) -> dict[str, Any]:
        """What was computed on (`device_in_use`), as far as it is known by now; empty where nothing is done."""


@dataclass(frozen=True)
class ThisProcess:
    """One chunk after another, here: for notebooks and tests. No limit is kept, and a crash is this process's own."""

    def run(self, orders: Sequence[Order], stopping: Stopping) -> Rows:
        """See `Executor`. Errors: `ValueError` where JAX is set otherwise than the sweep says."""
        agenda = Agenda(orders)
        while not stopping() and (index := agenda.turn(None)) is not None:
            sweep = orders[index].sweep
            if not computes_with(sweep.numerics):
                raise ValueError(
                    f"this process computes with {current_numerics()}, the sweep asks for {sweep.numerics}; x64 is on "
                    "in both precisions"
                )
            part = agenda.take(None, num_devices(sweep.experiment))
            assert part is not None
            for row in run_chunk(sweep.experiment, part.chunk, sweep.numerics):
                yield part.ticket, row

    def device(self) -> dict[str, Any]:
        """This process's."""
        return device_in_use()


class Processes:
    """Worker processes on this host, `jobs` of them (None: `num_processes`), with limits of time and memory."""

    def __init__(self, jobs: int | None = None) -> None:
        if jobs is not None and jobs < 1:
            raise ValueError(f"{jobs} processes: at least 1 is needed")
        self.jobs = jobs or num_processes()
        self._device: dict[str, Any] = {}

    def run(self, orders: Sequence[Order], stopping: Stopping) -> Rows:
        """See `Executor`."""
        agenda = Agenda(orders)
        crew = Crew(min(self.jobs, agenda.num_chunks()), one_numerics(orders))
        try:
            for ticket, row in crew.work(agenda, stopping):
                self._device = crew.device
                yield ticket, row
        finally:
            self._device = crew.device
            crew.dismiss()

    def device(self) -> dict[str, Any]:
        """The workers'."""
        return self._device


def one_numerics(orders: Sequence[Order]) -> Any:
    """What the orders agree on. Errors: `ValueError` where they do not."""
    (numerics, *others) = {order.sweep.numerics for order in orders}
    if others:
        raise ValueError("the sweeps of one run have one precision and one random generator")
    return numerics
