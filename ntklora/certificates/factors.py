"""Factors as certificates read them: NumPy float64 by name, with shapes that fit the problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]


def host_factors(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> tuple[Matrices, Matrices]:
    """`u (m, r)`, `v (n, r)` in the user's form and any precision as dicts by name in float64.

    Errors: `ValueError` for factors whose names or shapes do not fit.
    """
    us, vs = _float64_by_name(problem, u, v)
    for name, shape in problem.shapes.items():
        left, right = us[name], vs[name]
        if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[1]:
            raise ValueError(f"factors {name!r} have shapes {left.shape}, {right.shape}; expected (m, r), (n, r)")
        _require_finite(name, left, right)
        _require_rows(name, (len(left), len(right)), shape)
    return us, vs


def host_ends(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> tuple[Matrices, Matrices]:
    """`host_factors` of many points: `u (S, m, r)`, `v (S, n, r)`.

    Errors: `ValueError` for factors whose names or shapes do not fit, or that are of different numbers of points.
    """
    us, vs = _float64_by_name(problem, u, v)
    count = len(next(iter(us.values())))
    for name, shape in problem.shapes.items():
        left, right = us[name], vs[name]
        if left.ndim != 3 or right.ndim != 3 or left.shape[2] != right.shape[2] or {len(left), len(right)} != {count}:
            raise ValueError(
                f"factors {name!r} have shapes {left.shape}, {right.shape}; expected (S, m, r), (S, n, r) "
                f"with the S = {count} of all weights"
            )
        _require_finite(name, left, right)
        _require_rows(name, (left.shape[1], right.shape[1]), shape)
    return us, vs


def _float64_by_name(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> tuple[Matrices, Matrices]:
    us, vs = ({name: np.asarray(x, np.float64) for name, x in problem.op.as_dict(side).items()} for side in (u, v))
    return us, vs


def _require_finite(name: str, left: np.ndarray, right: np.ndarray) -> None:
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError(f"factors {name!r} have entries that are NaN or infinite")


def _require_rows(name: str, rows: tuple[int, int], shape: tuple[int, int]) -> None:
    if rows != shape:
        raise ValueError(f"factors {name!r} have {rows} rows; the features say (m, n) = {shape}")
