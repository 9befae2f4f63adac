"""`run_chunk`: from the cells of a chunk to their rows. Every way to run a sweep ends here.

A computation that takes one cell runs cell by cell. A `Vmapped` one runs all slots of the chunk in one compiled call,
`chunk` slots on each of the process's devices: the same program on every device whatever their number, and empty slots
filled with a copy, so that a row's bits depend neither on the devices nor on what its neighbours are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache, partial
from time import perf_counter
from typing import Any

import numpy as np

from ntklora.sweeps.chunk import Chunk
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.experiment import Cell, Experiment, Row
from ntklora.sweeps.failure import describe_failure
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.row import failed_row, row_of


def run_chunk(experiment: Experiment, chunk: Chunk, numerics: Numerics) -> Iterator[Row]:
    """The rows of a chunk's cells, in their order, each as soon as it is known.

    An exception or a NaN is a row with its status and reason. Where the compiled call itself fails, halves of the cells
    are tried, down to the one that cannot be computed. Errors: none but those of the engine itself.
    """
    if isinstance(experiment.run, Vmapped):
        yield from _run_together(experiment, experiment.run, chunk, numerics)
        return
    for cell in chunk.cells:
        values = partial(_run_alone, experiment, cell, numerics)
        yield row_of(experiment, cell, numerics, values)


def num_devices(experiment: Experiment) -> int:
    """How many chunks a process computes at once: one per device where the computation is vmapped."""
    if not isinstance(experiment.run, Vmapped):
        return 1
    import jax

    return jax.local_device_count()


def _run_alone(experiment: Experiment, cell: Cell, numerics: Numerics) -> Row:
    if numerics.precision != "float64":
        raise ValueError(f"experiment {experiment.name} computes certificates: float64 only, not {numerics.precision}")
    assert not isinstance(experiment.run, Vmapped)
    return experiment.run(experiment.parameters(**cell))


def _run_together(experiment: Experiment, run: Vmapped, chunk: Chunk, numerics: Numerics) -> Iterator[Row]:
    """Prepare on the host, compute at once, finish on the host; a cell that cannot be prepared is out before."""
    prepared: dict[int, tuple[Any, Any, float]] = {}
    failed: dict[int, Row] = {}
    for slot, cell in enumerate(chunk.slots):
        if cell is None:
            continue
        start = perf_counter()
        try:  # the same border as in `row_of`: the others go on
            arrays, context = run.prepare(experiment.parameters(**cell))
        except Exception as error:
            reason = describe_failure(error)
            failed[slot] = failed_row(experiment, cell, numerics, reason, seconds=perf_counter() - start)
            continue
        prepared[slot] = (arrays, context, perf_counter() - start)
    results = _compute(experiment, run, chunk, prepared, numerics)
    for slot, cell in enumerate(chunk.slots):
        if cell is None:
            continue
        if slot in failed:
            yield failed[slot]
            continue
        outputs, seconds = results[slot]
        _, context, before = prepared[slot]
        seconds += before
        if isinstance(outputs, Exception):
            yield failed_row(experiment, cell, numerics, describe_failure(outputs), seconds=seconds)
        else:
            finish = partial(run.finish, experiment.parameters(**cell), context, outputs)
            yield row_of(experiment, cell, numerics, finish, seconds)


def _compute(
    experiment: Experiment,
    run: Vmapped,
    chunk: Chunk,
    prepared: dict[int, tuple[Any, Any, float]],
    numerics: Numerics,
) -> dict[int, tuple[Any, float]]:
    """Outputs, or the exception that they ended in, and seconds, by slot."""
    if not prepared:
        return {}
    first = next(iter(prepared))
    filled = [prepared[slot if slot in prepared else first][0] for slot in range(len(chunk.slots))]
    cell = chunk.slots[first]
    assert cell is not None
    shape = experiment.shape(experiment.parameters(**cell))
    start = perf_counter()
    try:
        outputs = _call(run.compute, shape, filled, experiment.chunk, numerics)
    except Exception as error:  # of the compiled call: out of memory, a shape that does not fit
        slots = list(prepared)
        if len(slots) == 1:
            return {first: (error, perf_counter() - start)}
        halves = (slots[: len(slots) // 2], slots[len(slots) // 2 :])
        parts = (_compute(experiment, run, chunk, {slot: prepared[slot] for slot in half}, numerics) for half in halves)
        return {slot: result for part in parts for slot, result in part.items()}
    seconds = (perf_counter() - start) / len(prepared)
    return {slot: (outputs[slot], seconds) for slot in prepared}


def _call(
    compute: Callable[[Hashable, Any], Any],
    shape: Hashable,
    cells: Sequence[Any],
    per_device: int,
    numerics: Numerics,
) -> list[Any]:
    """`compute` on every cell's arrays: `per_device` cells on each device; missing cells are copies of the first."""
    import jax

    sharding = _sharding()
    width = per_device * sharding.num_devices
    padded = [*cells, *[cells[0]] * (-len(cells) % width)]
    dtype = np.dtype(numerics.precision)

    def stack(*leaves: Any) -> np.ndarray:
        stacked = np.stack([np.asarray(leaf) for leaf in leaves])
        return stacked.astype(dtype) if np.issubdtype(stacked.dtype, np.floating) else stacked

    program = compiled(compute, shape)
    outputs = []
    for start in range(0, len(cells), width):
        arrays = jax.tree.map(stack, *padded[start : start + width])
        answer = jax.device_get(program(jax.device_put(arrays, sharding)))
        wrong = {str(x.dtype) for x in jax.tree.leaves(answer) if np.issubdtype(x.dtype, np.floating)} - {str(dtype)}
        if wrong:
            raise TypeError(
                f"compute gives {', '.join(sorted(wrong))} in a {dtype} sweep: it must keep its arrays' type"
            )
        outputs += [jax.tree.map(lambda x, i=i: x[i], answer) for i in range(width)]
    return outputs[: len(cells)]


@lru_cache(maxsize=4)
def compiled(compute: Callable[[Hashable, Any], Any], shape: Hashable) -> Any:
    """The program of one shape. Chunks of a shape follow each other, so a few suffice."""
    import jax

    return jax.jit(jax.vmap(partial(compute, shape)))


def _sharding() -> Any:
    """The cell axis over this process's devices.

    An Auto mesh: on an Explicit axis `jit(vmap(scan))` raises, and `shard_map` sums gradients over devices, which mixes
    seeds silently.
    """
    import jax
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    devices = jax.local_devices()
    mesh = jax.make_mesh((len(devices),), ("cells",), axis_types=(AxisType.Auto,), devices=devices)
    return NamedSharding(mesh, PartitionSpec("cells"))
