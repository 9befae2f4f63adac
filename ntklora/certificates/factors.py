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
    us = {name: np.asarray(x, np.float64) for name, x in problem.op.as_dict(u).items()}
    vs = {name: np.asarray(x, np.float64) for name, x in problem.op.as_dict(v).items()}
    for name, (m, n) in problem.shapes.items():
        if us[name].ndim != 2 or vs[name].ndim != 2 or us[name].shape[1] != vs[name].shape[1]:
            raise ValueError(
                f"factors {name!r} have shapes {us[name].shape}, {vs[name].shape}; expected (m, r), (n, r)"
            )
        if not (np.isfinite(us[name]).all() and np.isfinite(vs[name]).all()):
            raise ValueError(f"factors {name!r} have entries that are NaN or infinite")
        if (len(us[name]), len(vs[name])) != (m, n):
            rows = (len(us[name]), len(vs[name]))
            raise ValueError(f"factors {name!r} have {rows} rows; the features say (m, n) = {(m, n)}")
    return us, vs
