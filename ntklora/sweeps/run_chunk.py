"""`run_chunk`: from the cells of a chunk to their rows. Every way to run a sweep ends here.

A computation that takes one cell runs cell by cell, or, where there is an accelerator and the experiment says how, a
chunk's cells side by side. A `Vmapped` one runs all slots of the chunk in one compiled call, `chunk` slots on each of
the process's devices: the same program on every device whatever their number, and empty slots filled with a copy, so
that a row's bits depend neither on the devices nor on what its neighbours are.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from time import perf_counter

from ntklora.sweeps.chunk import Chunk
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.experiment import Cell, Experiment, Row
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.row import row_of


def run_chunk(experiment: Experiment, chunk: Chunk, numerics: Numerics) -> Iterator[Row]:
    """The rows of a chunk's cells, in their order, each as soon as it is known.

    An exception or a NaN is a row with its status and reason. Where the compiled call itself fails, halves of the cells
    are tried, down to the one that cannot be computed. JAX's x64 is on in both precisions: what is done on the host is
    float64. Errors: none but those of the engine itself.
    """
    if isinstance(experiment.run, Vmapped):
        from ntklora.sweeps.together import run_together

        yield from run_together(experiment, experiment.run, chunk.slots, numerics)
        return
    jobs = [partial(_row_alone, experiment, cell, numerics) for cell in chunk.cells]
    if experiment.side_by_side is not None and experiment.at_once:
        yield from _since_the_last(experiment.side_by_side(jobs))
        return
    for job in jobs:
        yield job()


def num_devices(experiment: Experiment) -> int:
    """How many chunks a process computes at once: one per device where the computation is vmapped."""
    if not isinstance(experiment.run, Vmapped):
        return 1
    import jax

    return jax.local_device_count()


def _since_the_last(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows with the `seconds` since the row before: those of cells side by side overlap, these add up."""
    last = perf_counter()
    for row in rows:
        now = perf_counter()
        yield {**row, "seconds": now - last}
        last = now


def _row_alone(experiment: Experiment, cell: Cell, numerics: Numerics) -> Row:
    return row_of(experiment, cell, numerics, partial(_run_alone, experiment, cell, numerics))


def _run_alone(experiment: Experiment, cell: Cell, numerics: Numerics) -> Row:
    if numerics.precision != "float64":
        raise ValueError(f"experiment {experiment.name} computes certificates: float64 only, not {numerics.precision}")
    assert not isinstance(experiment.run, Vmapped)
    return experiment.run(experiment.parameters(**cell))
