"""`ntklora sweep export`: the rows as one file for other programs."""

from __future__ import annotations

from ntklora.cli.answer import OK, Answer, Mistake
from ntklora.cli.sweep.commands import Export
from ntklora.cli.sweep.words import number
from ntklora.sweeps.export import export
from ntklora.sweeps.status import count_statuses
from ntklora.sweeps.store import Store, Unwritable


def run(options: Export) -> Answer:
    """Missing and failed cells are in the file, with their status."""
    store = Store(options.folder)
    try:
        export(store, options.file)
        counts = count_statuses(store)
    except (ValueError, Unwritable) as error:
        raise Mistake(str(error)) from error
    document = {"file": str(options.file), "cells": counts.cells, **counts.statuses}
    gone = "".join(f", {count:,} {name}" for name, count in counts.statuses.items() if name != "ok" and count)
    return Answer(OK, document, lambda: print(f"{options.file}: {number(counts.cells, 'cell')}{gone}"))
