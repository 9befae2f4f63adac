"""`ntklora sweep status`: what became of a sweep's cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ntklora.cli.answer import OK, PARTIAL, Answer, Mistake
from ntklora.cli.sweep.commands import Status
from ntklora.cli.sweep.words import number, say_reasons
from ntklora.sweeps.experiment import CellStatus
from ntklora.sweeps.status import Counts, count_statuses
from ntklora.sweeps.store import Store


def run(options: Status) -> Answer:
    """Exit status 3 when cells failed; missing ones have not been tried."""
    try:
        counts = count_statuses(Store(options.folder))
    except ValueError as error:
        raise Mistake(str(error)) from error
    document = {
        "experiment": counts.spec.experiment,
        "experiment_version": counts.spec.version,
        "precision": counts.spec.numerics.precision,
        "cells": counts.cells,
        **counts.statuses,
        "failed": counts.failed,
        "reasons": [each._asdict() for each in counts.reasons],
        "last_run": counts.last_run,
        "damaged": [each._asdict() for each in counts.damaged],
        "other_versions": counts.other_versions,
    }
    return Answer(PARTIAL if counts.failed else OK, document, lambda: _show(counts))


def _show(counts: Counts) -> None:
    spec, ok = counts.spec, counts.statuses[CellStatus.ok.name]
    print(f"{spec.experiment}, version {spec.version}, {spec.numerics.precision}: {number(counts.cells, 'cell')}")
    print(f"  {ok:,} ok, {counts.missing:,} missing, {counts.failed:,} failed")
    say_reasons(counts.reasons)
    for damage in counts.damaged:
        print(f"  {damage.shard} {damage.reason}: the next run sets it aside and computes its cells again")
    for version in sorted(set(counts.other_versions.values())):
        shards = [shard for shard, other in counts.other_versions.items() if other == version]
        print(f"  {number(len(shards), 'shard')} of version {version}, such as {shards[0]}: kept, not shown")
    if counts.last_run is not None:
        print(f"  {_last(counts.last_run)}")
    if counts.failed:
        print("  the run again with --retry-failed computes the failed ones again")


def _last(run: Mapping[str, Any]) -> str:
    done = f", finished {run['finished'][:19]}" if run.get("finished") else ", not finished"
    return f"last run {run['date'][:19]}{done}, revision {run['revision']}"
