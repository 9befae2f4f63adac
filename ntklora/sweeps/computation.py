"""Computing many cells at once: what an experiment says when its cells can share one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Vmapped:
    """Three pure functions; the engine runs the middle one as `jit(vmap(compute))` over the cells of a chunk.

        parameters --prepare--> (arrays, context)      on the host, float64
        arrays     --compute--> outputs                one cell; pure JAX, in the precision of the sweep
        parameters, context, outputs --finish--> row   on the host, float64: verdicts and certificates belong here

    `arrays` and `outputs` are pytrees of arrays; random keys (`jax.random.key`) count as such, and come out as their
    key data. Cells of one `shape` (see `Experiment`) have arrays of the same structure and shapes: pad what differs, a
    rank say. `compute(shape, arrays)` gets the shape as a static value and must not mix cells. It gets floats in the
    precision of the sweep and keeps them: what goes through float64 in a float32 sweep is refused. `finish` gets NumPy
    in float64; `context` is whatever it needs of `prepare`, and never leaves the process.
    """

    prepare: Callable[[Any], tuple[Any, Any]]
    compute: Callable[[Hashable, Any], Any]
    finish: Callable[[Any, Any, Any], Row]
