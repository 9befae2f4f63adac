"""The runner: compute the cells that the store lacks, and keep every row as soon as a shard is full.

A cell that raises or turns NaN is a row with its status and reason, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from ntklora.sweeps.execution import Find, Group, Task, in_processes, in_this_process
from ntklora.sweeps.experiment import Cell, CellStatus, Experiment, Row
from ntklora.sweeps.interruption import graceful_interruption
from ntklora.sweeps.progress import show_progress
from ntklora.sweeps.provenance import now, provenance
from ntklora.sweeps.store import Store


class Tally(NamedTuple):
    """Cells asked for, computed now, failed (now or stored before), and whether Ctrl-C cut the run short."""

    requested: int
    computed: int
    failed: int
    interrupted: bool


def run_experiment(
    experiment: Experiment, cells: Sequence[Cell], store: Store, *, force: bool = False, retry_failed: bool = False
) -> Tally:
    """Compute what is missing of `cells` in this process; see `run_experiments`."""
    return run_experiments([(experiment, cells)], store, force=force, retry_failed=retry_failed)[experiment.name]


def run_experiments(
    requests: Sequence[tuple[Experiment, Sequence[Cell]]],
    store: Store,
    *,
    jobs: int = 1,
    find: Find | None = None,
    force: bool = False,
    retry_failed: bool = False,
) -> dict[str, Tally]:
    """Compute what is missing of each experiment's cells, everything with `force`, failed rows with `retry_failed`.

    With `jobs > 1`, in as many processes, which `find` experiments by name. Rows are written in shards of
    `experiment.chunk` cells; when the run stops early, for whatever reason, finished cells are kept.
    """
    experiments = {experiment.name: experiment for experiment, _ in requests}
    open_runs: dict[str, _Run] = {}
    for experiment, cells in requests:
        set_aside = store.set_aside_unreadable(experiment)
        todo = list(cells) if force else store.missing(experiment, cells, retry_failed=retry_failed)
        if todo:
            open_runs[experiment.name] = _Run(experiment, cells, todo, [path.name for path in set_aside], store)
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
        experiment.name: Tally(
            requested=len(cells),
            computed=open_runs[experiment.name].computed if experiment.name in open_runs else 0,
            failed=sum(row["status"] != CellStatus.ok for row in store.rows(experiment, cells)),
            interrupted=interrupted,
        )
        for experiment, cells in requests
    }


class _Run:
    """The rows of one experiment on their way to the store."""

    def __init__(
        self,
        experiment: Experiment,
        cells: Sequence[Cell],
        todo: Sequence[Cell],
        set_aside: Sequence[str],
        store: Store,
    ) -> None:
        self.experiment, self.todo, self.store = experiment, todo, store
        self.computed = 0
        self.pending: list[Row] = []
        self.before = store.manifest(experiment)
        self.entry: dict[str, Any] = {**provenance(), "asked": len(todo), "set_aside": list(set_aside)}
        store.write_spec(experiment, cells)
        store.write_manifest(experiment, [*self.before, self.entry])

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
        finished = {**self.entry, "computed": self.computed, "finished": now()}
        self.store.write_manifest(self.experiment, [*self.before, finished])

    def _write(self) -> None:
        self.store.write(self.experiment, self.pending)
        self.pending = []


def _groups(experiment: Experiment, todo: Sequence[Cell]) -> list[Group]:
    groups: dict[Hashable, list[Task]] = {}
    for cell in todo:
        shape = experiment.shape(experiment.parameters(**cell))
        groups.setdefault(shape, []).append(Task(experiment.name, cell))
    return list(groups.values())
