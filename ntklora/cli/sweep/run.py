"""`ntklora sweep run`: the cells that a folder lacks, computed here, on a cluster, or a piece of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ntklora.cli.answer import OK, PARTIAL, Answer, Mistake
from ntklora.cli.results import resumable
from ntklora.cli.sweep.commands import Run
from ntklora.cli.sweep.specified import specification_of
from ntklora.cli.sweep.words import number, say_reasons
from ntklora.sweeps.cluster import DaskCluster
from ntklora.sweeps.executors import Executor, Processes
from ntklora.sweeps.runner import Request, Shard, run_sweeps
from ntklora.sweeps.status import Counts, count_statuses
from ntklora.sweeps.store import Store


def run(options: Run) -> Answer:
    """The last line on standard output says how many cells there are, how many failed, and where the rows are."""
    specification = specification_of(options)
    store = Store(options.out)
    shard, executor = _shard(options.shard), _executor(options)
    with resumable():
        request = Request(specification.sweep, specification.reference, store)
        (tally,) = run_sweeps(
            [request],
            executor,
            limits=specification.limits,
            shard=shard,
            force=options.force,
            retry_failed=options.retry_failed,
            extend=options.extend,
        ).values()
        if tally.interrupted:
            raise KeyboardInterrupt
    counts = count_statuses(store)
    document: dict[str, Any] = {
        "experiment": specification.sweep.experiment.name,
        "folder": str(options.out),
        "shard": None if shard is None else str(shard),
        "cells": tally.requested,
        "computed": tally.computed,
        "failed": tally.failed,
        "contradicted": tally.contradicted,
        "reasons": [each._asdict() for each in counts.reasons],
    }
    return Answer(OK if tally.whole else PARTIAL, document, lambda: _show(document, counts, options.out))


def _shard(text: str | None) -> Shard | None:
    try:
        return None if text is None else Shard.parse(text)
    except ValueError as error:
        raise Mistake(f"--{error}") from error


def _executor(options: Run) -> Executor:
    if options.scheduler is not None or options.scheduler_file is not None:
        if options.jobs is not None:
            raise Mistake("--jobs counts processes on this host: with a Dask scheduler its workers decide")
        try:
            return DaskCluster(options.scheduler, options.scheduler_file)
        except ValueError as error:
            raise Mistake(str(error)) from error
    if options.jobs is not None and options.jobs < 1:
        raise Mistake(f"--jobs is {options.jobs}: at least 1 process")
    return Processes(options.jobs)


def _show(document: dict[str, Any], counts: Counts, folder: Path) -> None:
    if document["failed"]:
        say_reasons(counts.reasons)
    if document["contradicted"]:
        print(
            f"{number(document['contradicted'], 'cell')} stored before with other numbers: see {folder / 'set_aside'}"
        )
    piece = "" if document["shard"] is None else f" of piece {document['shard']}"
    print(
        f"{folder}: {number(document['cells'], 'cell')}{piece}, {document['computed']:,} computed now, "
        f"{document['failed']:,} failed"
    )
