"""The runner: compute the cells that the store lacks, and keep every row as soon as a shard is full.

A cell that raises or turns NaN is a row with its status and reason, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from sys import stderr
from typing import NamedTuple

from ntklora.sweeps.execution import Find, Group, Task, in_processes, in_this_process
from ntklora.sweeps.experiment import Cell, CellStatus, Experiment, Row
from ntklora.sweeps.interruption import graceful_interruption
from ntklora.sweeps.progress import show_progress
from ntklora.sweeps.provenance import now, provenance
from ntklora.sweeps.store import Damage, Disagreement, Store
from ntklora.sweeps.sweep import Sweep


class Request(NamedTuple):
    """A sweep, where its experiment is found, and the folder of its rows."""

    sweep: Sweep
    reference: str
    store: Store


class Tally(NamedTuple):
    """Cells asked for, computed now, failed (now or stored before), and whether Ctrl-C cut the run short."""

    requested: int
    computed: int
    failed: int
    interrupted: bool


def run_experiment(
    experiment: Experiment, cells: Sequence[Cell], store: Store, *, force: bool = False, retry_failed: bool = False
) -> Tally:
    """Compute what is missing of `cells` in this process; see `run_sweeps`."""
    request = Request(Sweep(experiment, tuple(cells)), experiment.name, store)
    return run_sweeps([request], force=force, retry_failed=retry_failed)[experiment.name]


def run_sweeps(
    requests: Sequence[Request],
    *,
    jobs: int = 1,
    find: Find | None = None,
    force: bool = False,
    retry_failed: bool = False,
) -> dict[str, Tally]:
    """Compute what is missing of each sweep's cells, everything with `force`, failed rows with `retry_failed`.

    With `jobs > 1`, in as many processes, which `find` experiments by name. Rows are written in shards of
    `experiment.chunk` cells; when the run stops early, for whatever reason, finished cells are kept. Each folder takes
    the sweep as what it was made for.
    """
    experiments = {request.sweep.experiment.name: request.sweep.experiment for request in requests}
    open_runs: dict[str, _Run] = {}
    for sweep, reference, store in requests:
        store.claim(sweep, reference, force=force, extend=True)
        damaged = store.set_aside_damaged()
        missing = store.missing(sweep, retry_failed=retry_failed, force=force)
        if missing:
            todo = [sweep.cells[index] for index in missing]
            open_runs[sweep.experiment.name] = _Run(sweep.experiment, todo, damaged, store, force)
    groups = [group for run in open_runs.values() for group in _groups(run.experiment, run.todo)]
    total = sum(len(group) for group in groups)
    work = sum(experiments[task.experiment].cost for group in groups for task in group)
    interrupted = False
    if groups:
        title = ", ".join(open_runs) if len(open_runs) < 3 else f"{len(open_runs)} experiments"
        with graceful_interruption() as interruption, show_progress(title, total, work=work) as advance:

            def stopping() -> bool:
                return interruption.requested

            if find is not None and min(jobs, len(groups)) > 1:
                done = in_processes(groups, find, min(jobs, len(groups)), stopping)
            else:
                done = in_this_process(groups, experiments, stopping)
            try:
                for task, row in done:
                    open_runs[task.experiment].keep(row)
                    advance(row["status"] != CellStatus.ok, experiments[task.experiment].cost)
            finally:
                done.close()
                for run in open_runs.values():
                    run.close()
        interrupted = sum(run.computed for run in open_runs.values()) < total
    return {
        sweep.experiment.name: Tally(
            requested=len(sweep.cells),
            computed=open_runs[name].computed if (name := sweep.experiment.name) in open_runs else 0,
            failed=_count_failed(sweep, store),
            interrupted=interrupted,
        )
        for sweep, _, store in requests
    }


def _count_failed(sweep: Sweep, store: Store) -> int:
    statuses = store.statuses()
    return sum(statuses.get(key, CellStatus.ok) != CellStatus.ok for key in sweep.keys)


class _Run:
    """The rows of one experiment on their way to the store."""

    def __init__(
        self, experiment: Experiment, todo: Sequence[Cell], damaged: Sequence[Damage], store: Store, force: bool
    ) -> None:
        self.experiment, self.todo, self.store, self.force = experiment, todo, store, force
        self.computed = 0
        self.pending: list[Row] = []
        self.disagreements: list[Disagreement] = []
        set_aside = [damage._asdict() for damage in damaged]
        self.name = store.append_run(experiment.name, {**provenance(), "asked": len(todo), "set_aside": set_aside})

    def keep(self, row: Row) -> None:
        """Take a row; write a shard when there are enough."""
        self.computed += 1
        self.pending.append(row)
        if len(self.pending) >= self.experiment.chunk:
            self._write()

    def close(self) -> None:
        """Write what is left, and say in the manifest how far the run came."""
        if self.pending:
            self._write()
        contradictions = [str(each) for each in self.disagreements]
        changes = {"computed": self.computed, "finished": now(), "disagreements": contradictions}
        self.store.update_run(self.experiment.name, self.name, changes)

    def _write(self) -> None:
        written = self.store.write(self.experiment, self.pending, force=self.force)
        self.pending = []
        self.disagreements += written.disagreements
        for each in written.disagreements:
            print(f"{self.experiment.name}: {each}; the new row is set aside", file=stderr, flush=True)


def _groups(experiment: Experiment, todo: Sequence[Cell]) -> list[Group]:
    groups: dict[Hashable, list[Task]] = {}
    for cell in todo:
        shape = experiment.shape(experiment.parameters(**cell))
        groups.setdefault(shape, []).append(Task(experiment.name, cell))
    return list(groups.values())
