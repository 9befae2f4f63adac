"""The runner: compute the cells that the store lacks, wherever, and store every chunk as soon as it is done.

A cell that fails is a row with its status and reason, and the run goes on. However a run ends, finished chunks are
stored; unless it is killed, so are the finished cells of the others.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

from ntklora.sweeps.agenda import Order, Ticket
from ntklora.sweeps.chunk import Shard as Shard
from ntklora.sweeps.chunk import cells_of_shard, plan_groups
from ntklora.sweeps.executors import Executor, ThisProcess
from ntklora.sweeps.experiment import Cell, CellStatus, Experiment, Row
from ntklora.sweeps.interruption import graceful_interruption, ignoring_interruption
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.numerics import current_numerics
from ntklora.sweeps.progress import show_progress
from ntklora.sweeps.provenance import now, provenance, source_digest
from ntklora.sweeps.store import Store, lock
from ntklora.sweeps.sweep import Sweep

_MOST = 10  # damaged shards that are named one by one


class Request(NamedTuple):
    """A sweep, how another process finds its experiment (`reference`), and the folder of its rows."""

    sweep: Sweep
    reference: str
    store: Store


class Tally(NamedTuple):
    """What became of a request.

    Cells asked for, computed now, failed (now or stored before); whether Ctrl-C cut the run short; cells that were
    stored by another writer meanwhile with other numbers.
    """

    requested: int
    computed: int
    failed: int
    interrupted: bool = False
    contradicted: int = 0

    @property
    def whole(self) -> bool:
        """Whether every cell asked for is stored, and well."""
        return not (self.failed or self.interrupted or self.contradicted)


def run_experiment(
    experiment: Experiment, cells: Sequence[Cell], store: Store, *, force: bool = False, retry_failed: bool = False
) -> Tally:
    """Compute what is missing of `cells` in this process, for notebooks and tests; see `run_sweeps`."""
    sweep = Sweep(experiment, tuple(cells), current_numerics())
    request = Request(sweep, experiment.name, store)
    return run_sweeps([request], ThisProcess(), force=force, retry_failed=retry_failed, extend=True)[experiment.name]


def run_sweeps(
    requests: Sequence[Request],
    executor: Executor,
    *,
    limits: Limits | None = None,
    shard: Shard | None = None,
    force: bool = False,
    retry_failed: bool = False,
    extend: bool = False,
) -> dict[str, Tally]:
    """Compute what is missing of each sweep, everything with `force`, failed cells too with `retry_failed`.

    `limits` take the place of the experiments' own where they say something. With a `shard`, that piece of each sweep
    alone. Each folder takes the sweep as what it was made for, with `extend` though it held other cells. The tallies
    by the name of the experiment. Errors: `Refused` and `Unwritable` of the store, `ValueError` where an experiment
    cannot be loaded, `WorkersFail`; KeyboardInterrupt at the second Ctrl-C.
    """
    with ExitStack() as held:
        runs = [_Run(request, held, shard, force, retry_failed, extend) for request in requests]
        active = [run for run in runs if run.todo]
        orders = [run.order(limits) for run in active]
        if active:
            _compute(active, orders, executor)
        return {run.sweep.experiment.name: run.tally() for run in runs}


def _compute(runs: Sequence[_Run], orders: Sequence[Order], executor: Executor) -> None:
    """Every order's rows to its run; however that ends, the runs are closed."""
    names = [run.sweep.experiment.name for run in runs]
    title = ", ".join(names) if len(names) < 3 else f"{len(names)} experiments"
    costs = [run.sweep.experiment.cost for run in runs]
    cells = [len(run.todo) for run in runs]
    work = sum(cost * number for cost, number in zip(costs, cells, strict=True))
    with graceful_interruption() as interruption, show_progress(title, sum(cells), work=work) as advance:
        try:
            for run in runs:
                run.open()
            with closing(executor.run(orders, lambda: interruption.requested)) as rows:
                for ticket, row in rows:
                    runs[ticket.order].keep(ticket, row)
                    advance(row["status"] != CellStatus.ok, costs[ticket.order])
        finally:
            with ignoring_interruption(), ExitStack() as ending:  # all of them, though one cannot be written
                for run in runs:
                    ending.callback(run.close, executor.device())


class _Run:
    """One request on its way to the store. `todo`: the positions of the cells to compute."""

    def __init__(
        self, request: Request, held: ExitStack, shard: Shard | None, force: bool, retry_failed: bool, extend: bool
    ) -> None:
        self.sweep, self.reference, self.store = request
        self.shard, self.force = shard, force
        held.enter_context(lock(self.store.folder, shard))
        self.store.claim(self.sweep, self.reference, force=force, extend=extend)
        self.damaged = self.store.set_aside_damaged()
        for damage in self.damaged[:_MOST]:
            self._say(f"shard {damage.shard} {damage.reason}; it is set aside, and its cells are computed again")
        if len(self.damaged) > _MOST:
            self._say(f"so are {len(self.damaged) - _MOST} other shards, which the manifest names")
        self.source = source_digest(self.sweep.experiment.run)
        self._say_if_changed()
        missing = self.store.missing(self.sweep, retry_failed=retry_failed, force=force)
        experiment, cells = self.sweep.experiment, self.sweep.cells
        self.asked = range(len(cells)) if shard is None else sorted(cells_of_shard(experiment, cells, shard))
        self.todo = missing if shard is None else sorted({*missing} & {*self.asked})
        self.computed = self.contradicted = 0
        self._pending: dict[int, tuple[Ticket, list[Row]]] = {}
        self._name: str | None = None  # of the entry in the manifest

    def order(self, limits: Limits | None) -> Order:
        """What is asked of the executor."""
        experiment = self.sweep.experiment
        own = experiment.limits if limits is None else limits.over(experiment.limits)
        return Order(self.sweep, self.reference, own, plan_groups(experiment, self.sweep.cells, self.todo))

    def open(self) -> None:
        """Say in the manifest that a run began."""
        entry: dict[str, Any] = {
            **provenance(),
            "version": self.sweep.experiment.version,
            "source": self.source,
            "asked": len(self.todo),
            "cut": self.sweep.cut,
        }
        if self.shard is not None:
            entry["shard"] = str(self.shard)
        entry["set_aside"] = [damage._asdict() for damage in self.damaged]
        self._name = self.store.append_run(self.sweep.experiment.name, entry)

    def keep(self, ticket: Ticket, row: Row) -> None:
        """Take a row; store its ticket's when they are all there."""
        self.computed += 1
        _, rows = self._pending.setdefault(ticket.number, (ticket, []))
        rows.append(row)
        if len(rows) == len(ticket.chunk.cells):
            self._write(ticket.number)

    def close(self, device: dict[str, Any]) -> None:
        """Store what came of unfinished tickets, and say in the manifest how far the run came."""
        for number in list(self._pending):
            self._write(number)
        if self._name is not None:
            changes = {"device": device, "computed": self.computed, "finished": now()}
            self.store.update_run(self.sweep.experiment.name, self._name, changes)

    def tally(self) -> Tally:
        """As it is now."""
        statuses, keys = self.store.statuses(), self.sweep.keys
        failed = sum(statuses.get(keys[position], CellStatus.ok) != CellStatus.ok for position in self.asked)
        return Tally(len(self.asked), self.computed, failed, self.computed < len(self.todo), self.contradicted)

    def _say_if_changed(self) -> None:
        """Rows are known by the experiment's version: another file under the same one is the person's to judge."""
        version = self.sweep.experiment.version
        runs = [run for run in self.store.runs() if run.get("version") == version]
        if not self.force and runs and runs[-1].get("source") != self.source:
            self._say(
                f"its file has changed since the last run; rows of version {version} are kept: raise the version if a "
                "cell gives other numbers now (`sweep recheck` tells)"
            )

    def _write(self, number: int) -> None:
        """One shard, its rows in the order of the cells, so that the same cells make the same shard."""
        ticket, rows = self._pending[number]
        axes = tuple(self.sweep.experiment.axes)
        place = {tuple(cell[name] for name in axes): index for index, cell in enumerate(ticket.chunk.cells)}
        rows.sort(key=lambda row: place[tuple(row[name] for name in axes)])
        written = self.store.write(self.sweep.experiment, rows, force=self.force)
        del self._pending[number]
        self.contradicted += len(written.disagreements)
        for each in written.disagreements:
            self._say(f"{each}; the new row is set aside")

    def _say(self, line: str) -> None:
        print(f"{self.sweep.experiment.name}: {line}", file=sys.stderr, flush=True)
