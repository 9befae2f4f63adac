"""Recheck: stored rows against the same cells computed again, each in its own slot of its own chunk.

Which comparison is right depends on where the row was computed and where it is computed again. Bit for bit, where
everything that the last bits depend on is on record and the same here:

    the code            the revision, without uncommitted changes; the experiment's file; the versions of Python and of
                        the packages
    the program         XLA's flags; for cells computed together, the cut of the sweep into chunks
    the machine         the kind of processor, the cores and BLAS threads in use, JAX's platform and kind of device

On a GPU the flags must ask for the same bits each time: XLA chooses algorithms there by timing them, and sums as
threads come. Names of hosts are never stored, and a name would say less: another host of the same kind gives the same
bits, the same host with fewer cores need not. Where something differs or is not known, numbers agree to the square root
of the precision, everything else exactly. Verdicts of a float32 sweep are checked once more in float64.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ntklora.sweeps.agenda import Order
from ntklora.sweeps.chunk import plan_groups
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.difference import largest_difference, same_bits
from ntklora.sweeps.executors import Executor
from ntklora.sweeps.experiment import Cell, CellStatus, Column, Experiment, Row
from ntklora.sweeps.limits import Limits
from ntklora.sweeps.provenance import now, provenance, source_digest
from ntklora.sweeps.reference import find_experiment
from ntklora.sweeps.store import Store
from ntklora.sweeps.store.writing import write_json
from ntklora.sweeps.sweep import Sweep

SCHEMA = 1
FOLDER = "rechecks"
# The square root of the machine epsilon: iterations carry rounding that far, a change of the mathematics farther.
TOLERANCE = {"float64": 2.0**-26, "float32": 2.0**-11.5}

_REPEATABLE_GPU = "--xla_gpu_deterministic_ops=true"
_MACHINE = ("processor", "threads", "blas_threads", "platform", "kind")


class Rechecked(NamedTuple):
    """One comparison of one cell.

    `comparison` is "bitwise", "tolerance 1.5e-08", or "verdicts in float64"; `reason` says why not bitwise, or how the
    computation failed; `column` is the one that differs most (None where nothing differs), `difference` its largest
    relative difference (None where no number says it).
    """

    key: str
    cell: Cell
    comparison: str
    reason: str | None
    agrees: bool
    column: str | None
    difference: float | None


def recheck(
    store: Store, executor: Executor, *, count: int, seed: int, limits: Limits | None = None
) -> list[Rechecked]:
    """`count` random cells of a folder, chosen by `seed` among those stored as ok, computed again and compared.

    In the order of the cells; all of them where there are fewer. Errors: `ValueError` for a folder that is no sweep's
    or whose experiment is found no more, or in another version; those of the executor.
    """
    sweep, reference = _sweep_of(store)
    experiment = sweep.experiment
    limits = experiment.limits if limits is None else limits.over(experiment.limits)
    statuses = store.statuses()
    finished = [index for index, key in enumerate(sweep.keys) if statuses.get(key) == CellStatus.ok]
    chosen = sorted(random.Random(seed).sample(finished, min(count, len(finished))))
    stored = {row["key"]: row for row in store.rows([sweep.keys[index] for index in chosen])}
    computed = _compute(sweep, reference, chosen, executor, limits)
    here = {
        **provenance(),
        "source": source_digest(experiment.run),
        "device": executor.device(),
        "cut": sweep.cut,
    }
    runs = store.runs()
    found = []
    for index in chosen:
        key, cell = sweep.keys[index], sweep.cells[index]
        reason = _why_not_bitwise(stored[key], runs, here, isinstance(experiment.run, Vmapped))
        tolerance = None if reason is None else TOLERANCE[sweep.numerics.precision]
        found.append(_compared(experiment.columns, stored[key], computed[key], cell, tolerance, reason))
    verdicts = [column for column in experiment.columns if column.verdict]
    if sweep.numerics.precision != "float64" and verdicts:
        double = Sweep(experiment, sweep.grids, sweep.numerics._replace(precision="float64"))
        again = _compute(double, reference, chosen, executor, limits)
        for index in chosen:
            row, other, cell = stored[sweep.keys[index]], again[double.keys[index]], sweep.cells[index]
            tolerance = TOLERANCE[sweep.numerics.precision]
            one = _compared(verdicts, row, other, cell, tolerance, f"computed in {sweep.numerics.precision}")
            found.append(one._replace(comparison="verdicts in float64"))
    return found


def write_recheck(store: Store, found: Sequence[Rechecked], *, count: int, seed: int) -> Path:
    """Keep the result in the folder, as `rechecks/<date>.json`. Errors: `OSError` where it cannot be written."""
    date = now()
    spec = store.spec()
    path = store.folder / FOLDER / f"{date[:19].replace('-', '').replace(':', '')}Z.json"
    content = {
        "schema": SCHEMA,
        "experiment": spec.experiment,
        "experiment_version": spec.version,
        "numerics": spec.numerics._asdict(),
        "asked": count,
        "seed": seed,
        "agree": sum(each.agrees for each in found),
        "differ": sum(not each.agrees for each in found),
        "provenance": provenance(),
        "rows": [each._asdict() for each in found],
    }
    write_json(path, content)
    return path


def _sweep_of(store: Store) -> tuple[Sweep, str]:
    spec = store.spec()
    experiment: Experiment = find_experiment(spec.reference)
    if (experiment.name, experiment.version) != (spec.experiment, spec.version):
        raise ValueError(
            f"{store.folder} holds {spec.experiment}, version {spec.version}; the code computes {experiment.name}, "
            f"version {experiment.version}: run the sweep again"
        )
    return Sweep(experiment, spec.grids, spec.numerics), spec.reference


def _compute(sweep: Sweep, reference: str, chosen: Sequence[int], executor: Executor, limits: Limits) -> dict[str, Row]:
    """The rows of these cells by key, every cell in the slot that it has in the whole sweep."""
    groups = plan_groups(sweep.experiment, sweep.cells, chosen)
    order = Order(sweep, reference, limits, groups)
    return {row["key"]: row for _, row in executor.run([order], lambda: False)} if groups else {}


def _why_not_bitwise(
    row: Row, runs: Iterable[Mapping[str, Any]], here: Mapping[str, Any], together: bool
) -> str | None:
    """What of the circumstances of a row differs from those here, or is not known; None: bits must agree."""
    # The run that wrote it, and those beside it at that time: they must all be like this one.
    candidates = [run for run in runs if run["date"] <= row["date"] <= (run.get("finished") or row["date"])]
    if not candidates:
        return "no run in the manifest wrote it"
    if row["revision"] != here["revision"]:
        return f"the code was {row['revision']}, it is {here['revision']}"
    if here["revision"].endswith("+dirty"):
        return "the source has uncommitted changes"
    for run in candidates:
        if run.get("source") is None or here["source"] is None:
            return "the experiment's file was not recorded"
        if run["source"] != here["source"]:
            return "the experiment's file has changed"
        for name in ("versions", "xla_flags", *(["cut"] if together else [])):
            if run.get(name) != here[name]:
                return f"{_WORDS[name]} differ"
        then, today = run.get("device") or {}, here["device"]
        for name in _MACHINE:
            if then.get(name) != today.get(name) or (name == "processor" and then.get(name) is None):
                return f"{_WORDS[name]} was {then.get(name) or 'not recorded'}, it is {today.get(name)}"
    if here["device"].get("platform") == "gpu" and _REPEATABLE_GPU not in here["xla_flags"].split():
        return f"a GPU repeats no bits without {_REPEATABLE_GPU} in XLA_FLAGS"
    return None


_WORDS = {
    "versions": "the versions of the packages",
    "xla_flags": "XLA's flags",
    "cut": "the cells that were computed together",
    "processor": "the kind of processor",
    "threads": "the number of threads",
    "blas_threads": "the number of BLAS threads",
    "platform": "the platform",
    "kind": "the kind of device",
}


def _compared(
    columns: Sequence[Column], stored: Row, computed: Row, cell: Cell, tolerance: float | None, reason: str | None
) -> Rechecked:
    """The comparison of these columns, bit for bit without a tolerance."""
    comparison = "bitwise" if tolerance is None else f"tolerance {tolerance:.1e}"
    if computed["status"] != CellStatus.ok:
        status = CellStatus(computed["status"]).name
        said = f"computed again, the cell is {status}: {computed['reason']}"
        return Rechecked(stored["key"], cell, comparison, said, False, "status", None)
    pairs = {column.name: (stored[column.name], computed[column.name]) for column in columns}
    apart = {name: largest_difference(one, other) for name, (one, other) in pairs.items() if not same_bits(one, other)}
    wrong = apart if tolerance is None else {n: d for n, d in apart.items() if not within(*pairs[n], tolerance)}
    shown = wrong or apart
    sizes = {name: math.inf if size is None else size for name, size in shown.items()}
    worst = max(sizes, key=lambda name: sizes[name], default=None)
    return Rechecked(stored["key"], cell, comparison, reason, not wrong, worst, None if worst is None else shown[worst])


def within(one: Any, other: Any, tolerance: float) -> bool:
    """Whether two plain values agree: floats to the tolerance relatively, or to a tenth of it, the rest exactly.

    Absolutely, because gaps and errors of rounding size have no digits that another machine must repeat.

    >>> within([1.0, 1e-17], [1.0 + 1e-12, -1e-17], 1e-8), within(3, 4, 1e-8), within(None, 0.0, 1e-8)
    (True, False, False)
    """
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(within(x, y, tolerance) for x, y in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=0.1 * tolerance)
    return same_bits(one, other)
