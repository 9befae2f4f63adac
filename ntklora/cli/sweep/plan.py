"""`ntklora sweep plan`: what a sweep would take, before it takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ntklora.cli.answer import OK, PARTIAL, Answer, Mistake, Unfinished
from ntklora.cli.sweep.commands import Plan
from ntklora.cli.sweep.specified import specification_of
from ntklora.cli.sweep.words import number
from ntklora.environment import num_processes
from ntklora.sweeps.chunk import Group, plan_groups
from ntklora.sweeps.crew import WorkersFail
from ntklora.sweeps.experiment import CellStatus
from ntklora.sweeps.pilot import estimate, run_pilot
from ntklora.sweeps.progress import duration
from ntklora.sweeps.spec import Specification
from ntklora.sweeps.store import Store, StoredSpec
from ntklora.sweeps.store.spec_file import differences


def run(options: Plan) -> Answer:
    """Count, then time a few cells of what is missing; exit status 3 when a cell of the pilot failed."""
    if options.pilot < 0 or (options.jobs is not None and options.jobs < 1):
        raise Mistake("--pilot counts groups, --jobs processes: at least 0 and 1")
    jobs = options.jobs or num_processes()
    specification = specification_of(options)
    sweep = specification.sweep
    document: dict[str, Any] = {
        "experiment": sweep.experiment.name,
        "experiment_version": sweep.experiment.version,
        "precision": sweep.numerics.precision,
        "parameters": {name: list(dict.fromkeys(cell[name] for cell in sweep.cells)) for name in sweep.experiment.axes},
        "cells": len(sweep.cells),
    }
    missing: Sequence[int] = range(len(sweep.cells))
    if options.out is not None:
        store = Store(options.out)
        statuses = store.statuses() if options.out.is_dir() else {}
        document["another_sweep"] = _another(store, specification)
        missing = [index for index, key in enumerate(sweep.keys) if key not in statuses]
        counts = Counter(CellStatus(statuses[key]).name for key in sweep.keys if key in statuses)
        document["stored"] = dict(counts)
    try:
        groups = plan_groups(sweep.experiment, sweep.cells, missing)
    except ValueError as error:
        raise Mistake(str(error)) from error
    chunks = sum(map(len, groups))
    document |= {
        "missing": len(missing),
        "groups": len(groups),
        "compilations": len(groups),
        "chunks": chunks,
        "chunk": sweep.experiment.chunk,
    }
    if options.pilot and groups:
        document |= _timed(specification, groups, options.pilot, min(jobs, chunks))
    failed = bool(document.get("pilot", {}).get("failures"))
    return Answer(PARTIAL if failed else OK, document, lambda: _show(document, options))


def _another(store: Store, specification: Specification) -> list[str]:
    """In what the folder holds another sweep, as `run` will say; empty where it does not."""
    if not store.folder.is_dir() or not any(store.folder.iterdir()):
        return []
    try:
        return differences(store.spec(), StoredSpec.of(specification.sweep, specification.reference))
    except ValueError as error:
        return [str(error)]


def _timed(specification: Specification, groups: Sequence[Group], sampled: int, jobs: int) -> dict[str, Any]:
    sweep = specification.sweep
    try:
        pilot = run_pilot(sweep, specification.reference, specification.limits, groups, sampled)
    except ValueError as error:
        raise Mistake(str(error)) from error
    except WorkersFail as error:
        raise Unfinished(str(error)) from error
    guess = estimate(sweep, groups, pilot, jobs)
    return {
        "pilot": {
            "groups": len(pilot.timings),
            "piece": "chunk" if sweep.experiment.at_once else "cell",
            "start_seconds": pilot.start,
            "first_seconds": [timing.first for timing in pilot.timings],
            "later_seconds": [list(timing.later) for timing in pilot.timings],
            "failures": list(pilot.failures),
        },
        "seconds": dict(zip(("estimate", "low", "high"), guess, strict=True)),
        "processes": jobs,
        "memory_gib": {"process": pilot.memory, "total": pilot.memory * jobs},
    }


def _show(document: Mapping[str, Any], options: Plan) -> None:
    print(
        f"{document['experiment']}, version {document['experiment_version']}, {document['precision']}: "
        f"{number(document['cells'], 'cell')}"
    )
    for name, values in document["parameters"].items():
        listed = ", ".join(map(str, values if len(values) <= 8 else [*values[:4], "...", values[-1]]))
        print(f"  {name} = {listed}" + (f"  ({len(values)} values)" if len(values) > 1 else ""))
    if "stored" in document:
        stored = ", ".join(f"{count} {name}" for name, count in document["stored"].items()) or "nothing"
        print(f"stored in {options.out}: {stored}; missing: {number(document['missing'], 'cell')}")
        if document["another_sweep"]:
            found = "; ".join(document["another_sweep"])
            print(f"{options.out} holds another sweep ({found}): a run needs --extend or --force, or another folder")
    print(
        f"{number(document['groups'], 'group')} (one shape and one compilation each), "
        f"{number(document['chunks'], 'chunk')} of {document['chunk']}"
    )
    if "pilot" in document:
        pilot, seconds = document["pilot"], document["seconds"]
        for reason in pilot["failures"]:
            print(f"a cell of the pilot failed: {reason}")
        later = [each for group in pilot["later_seconds"] for each in group]
        then = f", a later one {_span(later)}" if later else ""
        print(
            f"pilot: {pilot['groups']} of {number(document['groups'], 'group')} sampled; a process starts in "
            f"{pilot['start_seconds']:.2g} s; the first {pilot['piece']} of a group takes "
            f"{_span(pilot['first_seconds'])}{then}"
        )
        about, low, high = (duration(seconds[name]) for name in ("estimate", "low", "high"))
        span = "" if low == high else f"; {low} to {high} if all were as the fastest or slowest timed"
        print(f"time: about {about} in {number(document['processes'], 'process', 'processes')}{span}")
        memory = document["memory_gib"]
        print(f"memory: {memory['process']:.2g} GiB a process, {memory['total']:.2g} GiB in all")


def _span(seconds: Sequence[float]) -> str:
    """From the least to the most, once where they are the same."""
    ends = dict.fromkeys(f"{end:.2g}" for end in (min(seconds), max(seconds)))
    return f"{' to '.join(ends)} s"
