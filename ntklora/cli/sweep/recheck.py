"""`ntklora sweep recheck`: a few stored cells computed again and compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ntklora.cli.answer import NOT_SHOWN, OK, Answer, Mistake, Unfinished
from ntklora.cli.sweep.commands import Recheck
from ntklora.cli.sweep.words import cell_in_words, number
from ntklora.sweeps.crew import WorkersFail
from ntklora.sweeps.executors import Processes
from ntklora.sweeps.recheck import Rechecked, recheck, write_recheck
from ntklora.sweeps.store import Store, Unwritable


def run(options: Recheck) -> Answer:
    """Exit status 1 unless all agree. The result is kept in the folder, which may be one that can only be read."""
    if options.cells < 1 or (options.jobs is not None and options.jobs < 1):
        raise Mistake("-k counts cells, --jobs processes: at least 1 of each")
    store = Store(options.folder)
    try:
        found = recheck(store, Processes(options.jobs), count=options.cells, seed=options.seed)
    except ValueError as error:
        raise Mistake(str(error)) from error
    except WorkersFail as error:
        raise Unfinished(str(error)) from error
    if not found:
        raise Mistake(f"{options.folder}: no cell has succeeded yet, there is nothing to compute again")
    try:
        kept: Path | None = write_recheck(store, found, count=options.cells, seed=options.seed)
    except (Unwritable, OSError):
        kept = None
    differ = sum(not each.agrees for each in found)
    document = {
        "cells": len({each.key for each in found}),
        "agree": len(found) - differ,
        "differ": differ,
        "comparisons": [each._asdict() for each in found],
        "file": None if kept is None else str(kept),
    }
    return Answer(NOT_SHOWN if differ else OK, document, lambda: _show(found, kept))


def _show(found: Sequence[Rechecked], kept: Path | None) -> None:
    for each in found:
        if not each.agrees:
            size = "" if each.difference is None else f", relative difference {each.difference:.2g}"
            print(f"DIFFERS ({each.comparison}): {cell_in_words(each.cell)}: {each.column}{size}")
    for (comparison, reason), count in Counter((each.comparison, each.reason) for each in found).items():
        agree = sum(each.agrees for each in found if (each.comparison, each.reason) == (comparison, reason))
        why = "" if reason is None else f" ({reason})"
        print(f"{agree:,} of {number(count, 'cell')} agree, {comparison}{why}")
    if kept is not None:
        print(f"kept in {kept}")
