"""The cells of a chunk in one compiled call: prepared on the host, computed at once, finished on the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, NamedTuple

import jax

from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.experiment import Cell, Experiment, Row
from ntklora.sweeps.failure import describe_failure
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.program import Signature, call_program, in_precision, num_slots, program_for, signature
from ntklora.sweeps.row import failed_row, row_of


class _Prepared(NamedTuple):
    arrays: Any
    context: Any
    seconds: float


class _Computed(NamedTuple):
    outputs: Any  # or the exception that took their place
    seconds: float


def run_together(
    experiment: Experiment, run: Vmapped, slots: Sequence[Cell | None], numerics: Numerics
) -> Iterator[Row]:
    """The rows of the cells in these slots, in their order, in calls of `chunk` slots on each device.

    Errors: `ValueError` unless JAX's x64 is on; everything else is a row.
    """
    if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise ValueError("a sweep is float64 on the host: jax.config.update('jax_enable_x64', True)")
    width = num_slots(experiment.chunk)
    for start in range(0, len(slots), width):
        yield from _one_call(experiment, run, slots[start : start + width], numerics)


def _one_call(experiment: Experiment, run: Vmapped, slots: Sequence[Cell | None], numerics: Numerics) -> Iterator[Row]:
    """At most as many slots as a call takes; a cell that cannot be prepared is out before."""
    prepared: dict[int, _Prepared] = {}
    failed: dict[int, Row] = {}
    cells = {slot: cell for slot, cell in enumerate(slots) if cell is not None}
    for slot, cell in cells.items():
        start = perf_counter()
        try:  # the same border as in `row_of`: the others go on
            prepared[slot] = _prepare(experiment, run, cell, numerics)
        except Exception as error:
            reason = describe_failure(error)
            failed[slot] = failed_row(experiment, cell, numerics, reason, seconds=perf_counter() - start)
    computed = _compute(experiment, run, cells, prepared, numerics)
    for slot, cell in cells.items():
        if slot in failed:
            yield failed[slot]
            continue
        outputs = computed[slot].outputs
        seconds = prepared[slot].seconds + computed[slot].seconds
        if isinstance(outputs, Exception):
            yield failed_row(experiment, cell, numerics, describe_failure(outputs), seconds=seconds)
        else:
            finish = partial(run.finish, experiment.parameters(**cell), prepared[slot].context, outputs)
            yield row_of(experiment, cell, numerics, finish, seconds)


def _prepare(experiment: Experiment, run: Vmapped, cell: Cell, numerics: Numerics) -> _Prepared:
    start = perf_counter()
    arrays, context = run.prepare(experiment.parameters(**cell))
    arrays = in_precision(arrays, numerics.precision)
    return _Prepared(arrays, context, perf_counter() - start)


def _compute(
    experiment: Experiment,
    run: Vmapped,
    cells: Mapping[int, Cell],
    prepared: Mapping[int, _Prepared],
    numerics: Numerics,
) -> dict[int, _Computed]:
    """What became of each prepared cell, by slot.

    One program serves all, unless the experiment's `shape` says less than the arrays do: then each kind of arrays has
    its own, because a cell's numbers must not depend on its neighbours.
    """
    kinds: dict[Signature, dict[int, Any]] = {}
    for slot, one in prepared.items():
        kinds.setdefault(signature(one.arrays), {})[slot] = one.arrays
    computed: dict[int, _Computed] = {}
    for arrays in kinds.values():
        start = perf_counter()
        slot, first = next(iter(arrays.items()))
        shape = experiment.shape(experiment.parameters(**cells[slot]))
        try:
            program = program_for(run.compute, shape, first, experiment.chunk, numerics.precision)
        except Exception as error:  # of tracing or compiling: no cell of this shape can be computed
            share = (perf_counter() - start) / len(arrays)
            computed |= {slot: _Computed(error, share) for slot in arrays}
            continue
        share = (perf_counter() - start) / len(arrays)
        found = _call(program, arrays, num_slots(experiment.chunk))
        computed |= {slot: _Computed(outputs, share + seconds) for slot, (outputs, seconds) in found.items()}
    return computed


def _call(program: Any, arrays: Mapping[int, Any], width: int) -> dict[int, _Computed]:
    """One call for all slots, those without a cell filled with a copy of the first; halves of them where it fails."""
    start = perf_counter()
    filler = next(iter(arrays.values()))
    try:
        outputs = call_program(program, [arrays.get(slot, filler) for slot in range(width)])
    except Exception as error:  # of the device: out of memory, or a cell that cannot be computed
        taken = list(arrays)
        if len(taken) == 1:
            return {taken[0]: _Computed(error, perf_counter() - start)}
        halves = (taken[: len(taken) // 2], taken[len(taken) // 2 :])
        parts = [_call(program, {slot: arrays[slot] for slot in half}, width) for half in halves]
        return {slot: result for part in parts for slot, result in part.items()}
    seconds = (perf_counter() - start) / len(arrays)
    return {slot: _Computed(outputs[slot], seconds) for slot in arrays}
