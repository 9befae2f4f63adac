"""Where runs begin: Gaussian factors over two decades of scale, or the user's own."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from ntklora.arguments import require_key, whole_number
from ntklora.problem.problem import Problem
from ntklora.solvers.scale import Scale, scale_of

Array = Any
Matrices = dict[str, Any]

_SHORTEST_DRAW = 4096


def natural_deviation(scale: Scale, shape: tuple[int, int], rank: int) -> float:
    """Standard deviation of Gaussian entries at which `‖u vᵀ‖_F` is about `scale.step`."""
    m, n = shape
    return float(np.sqrt(scale.step / np.sqrt(m * n * rank)))


def gaussian_starts(
    problem: Problem, rank: int, key: Array, starts: int, scale: float | None
) -> tuple[Matrices, Matrices]:
    """`u (S, m, r)` and `v (S, n, r)` by weight; weight `l` takes the keys `2l` and `2l + 1` folded into `key`.

    Standard deviations: `scale` for all, or from 0.1 to 10 natural ones, evenly spread in the logarithm.
    Errors: `ValueError` for a rank, a number of starts or a scale that is not positive, or no key.
    """
    rank, starts = whole_number("rank", rank, 1), whole_number("starts", starts, 1)
    require_key(key)
    if scale is not None and not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be a positive number, or None for two decades of scale; got {scale}")
    spread = np.geomspace(0.1, 10.0, starts) if starts > 1 else np.ones(1)
    draws = {
        name: [_normals(key, 2 * index + side, starts * rows * rank) for side, rows in enumerate(shape)]
        for index, (name, shape) in enumerate(problem.shapes.items())
    }
    units = scale_of(problem) if scale is None else None
    u, v = {}, {}
    for name, shape in problem.shapes.items():
        deviations = np.full(starts, scale) if units is None else natural_deviation(units, shape, rank) * spread
        u[name], v[name] = (
            deviations[:, None, None] * np.asarray(draw)[: starts * rows * rank].reshape(starts, rows, rank)
            for rows, draw in zip(shape, draws[name])
        )
    return u, v


def _normals(key: Array, number: int, count: int) -> Array:
    """At least `count` standard normals, of which the first are the same however many there are.

    A draw compiles for half a second and there are as many shapes as problems, but few powers of two.
    """
    return _draw(key, number, length=max(_SHORTEST_DRAW, 1 << (count - 1).bit_length()))


@partial(jax.jit, static_argnames="length")
def _draw(key: Array, number: int, *, length: int) -> Array:
    return jax.random.normal(jax.random.fold_in(key, number), (length,))


def given_starts(problem: Problem, rank: int, u: Array | Matrices, v: Array | Matrices) -> tuple[Matrices, Matrices]:
    """The user's starts `u (S, m, r)`, `v (S, n, r)` by weight. Errors: `ValueError` for other shapes or NaN."""
    us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
    starts = len(next(iter(us.values())))
    for name, (m, n) in problem.shapes.items():
        for what, factor, rows in (("u", us[name], m), ("v", vs[name], n)):
            if factor.shape != (starts, rows, rank):
                raise ValueError(
                    f"initial {what} {name!r} has shape {factor.shape}; expected (S, rows, r) = {(starts, rows, rank)}"
                )
            if not np.isfinite(np.asarray(factor)).all():
                raise ValueError(f"initial {what} {name!r} has entries that are NaN or infinite")
    return tuple({k: np.array(x, np.float64) for k, x in factor.items()} for factor in (us, vs))  # type: ignore[return-value]
