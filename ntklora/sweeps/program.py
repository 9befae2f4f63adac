"""The compiled program of one shape: `compute` on the same number of cells on every device of this process.

    cells' arrays --stack--> (devices · per_device, ...) --jit(vmap(compute))--> outputs, on the host at once

The batch is sharded over devices by its first axis, so that every device runs what a process with one device runs: the
bits of a cell depend on `per_device`, not on the number of devices. A missing cell is filled with a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache, lru_cache, partial
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from ntklora.arrays import on_host

Compute = Callable[[Hashable, Any], Any]
Signature = tuple[Any, tuple[tuple[tuple[int, ...], Any], ...]]  # the pytree's structure, shape and type of each leaf


def in_precision(arrays: Any, precision: str) -> Any:
    """What `prepare` gave as NumPy arrays of the sweep's precision; integers, booleans and random keys are kept."""
    return jax.tree.map(lambda leaf: leaf if _is_key(leaf) else _cast(np.asarray(leaf), np.dtype(precision)), arrays)


def signature(arrays: Any) -> Signature:
    """Structure, shapes and types: cells that agree on it share one program."""
    leaves, structure = jax.tree.flatten(arrays)
    return structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)


def num_slots(per_device: int) -> int:
    """How many cells one call takes."""
    return per_device * _cell_axis().num_devices


def program_for(compute: Compute, shape: Hashable, arrays: Any, per_device: int, precision: str) -> Any:
    """The compiled program for cells whose arrays are like these.

    Errors: those of tracing and compiling `compute`; `TypeError` where it leaves the sweep's precision.
    """
    return _program(compute, shape, signature(arrays), per_device, precision)


def call_program(program: Any, slots: Sequence[Any]) -> list[Any]:
    """The outputs of these slots, NumPy in float64 (or integers, booleans), one after another.

    Errors: whatever the device reports.
    """
    stacked = jax.device_put(jax.tree.map(_stack, *slots), _cell_axis())
    outputs = jax.tree.map(on_host, jax.device_get(program(stacked)))
    return [jax.tree.map(lambda leaf, i=i: leaf[i], outputs) for i in range(len(slots))]


@cache
def _cell_axis() -> NamedSharding:
    """The axis of cells over this process's devices.

    An Auto mesh: on an Explicit axis `jit(vmap(scan))` raises, and `shard_map` sums gradients over devices, which mixes
    seeds silently.
    """
    devices = jax.local_devices()
    mesh = jax.make_mesh((len(devices),), ("cells",), axis_types=(AxisType.Auto,), devices=devices)
    return NamedSharding(mesh, PartitionSpec("cells"))


# Chunks of a shape follow each other, so a few programs suffice.
@lru_cache(maxsize=4)
def _program(compute: Compute, shape: Hashable, like: Signature, per_device: int, precision: str) -> Any:
    structure, leaves = like
    width = num_slots(per_device)
    arrays = structure.unflatten([jax.ShapeDtypeStruct((width, *size), dtype) for size, dtype in leaves])
    cells = _cell_axis()
    batched = jax.jit(jax.vmap(partial(_one_cell, compute, shape)), in_shardings=cells, out_shardings=cells)
    traced = batched.trace(arrays)
    _require_precision(traced.jaxpr, precision)
    return traced.lower().compile()


def _one_cell(compute: Compute, shape: Hashable, arrays: Any) -> Any:
    outputs = compute(shape, arrays)
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, outputs)


def _require_precision(program: ClosedJaxpr, precision: str) -> None:
    """Refuse outputs of another precision and, in float32, any float64 on the way.

    Python's own scalars are float64 that takes the type of what it meets (weakly typed): those may pass.
    """
    wrong = {str(aval.dtype) for aval in program.out_avals if _is_float(aval)} - _floats(precision)
    if wrong:
        raise TypeError(f"compute gives {', '.join(sorted(wrong))} in a {precision} sweep: keep the type of its arrays")
    if precision == "float64":
        return
    for equation in _equations(program.jaxpr):
        for variable in equation.outvars:
            aval = variable.aval
            if _is_float(aval) and not aval.weak_type and str(aval.dtype) not in _floats(precision):
                raise TypeError(
                    f"compute goes through {aval.dtype} in a {precision} sweep ({equation.primitive.name} of shape "
                    f"{aval.shape[1:]}): keep the type of its arrays, give constants theirs"
                )


def _equations(jaxpr: Jaxpr) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(list(equation.params.values())):
            if isinstance(value, ClosedJaxpr | Jaxpr):
                yield from _equations(value.jaxpr if isinstance(value, ClosedJaxpr) else value)


def _floats(precision: str) -> set[str]:
    return {"float64", "complex128"} if precision == "float64" else {"float32", "complex64"}


def _is_float(aval: Any) -> bool:
    return jax.dtypes.issubdtype(aval.dtype, np.inexact)  # bfloat16 too, which NumPy does not count


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _cast(leaf: np.ndarray, precision: np.dtype) -> np.ndarray:
    return leaf.astype(precision) if np.issubdtype(leaf.dtype, np.floating) else leaf


def _stack(*leaves: Any) -> Any:
    if not _is_key(leaves[0]):
        return np.stack(leaves)
    data = jax.numpy.stack([jax.random.key_data(leaf) for leaf in leaves])
    return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaves[0]))
