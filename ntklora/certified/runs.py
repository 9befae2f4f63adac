"""Newton's method from many starts in programs of fixed shape, so that little is ever compiled.

Columns are padded with zeros to a multiple of eight, starts go through a queue of fixed length: one compilation for a
problem's shapes serves every rank up to eight (the next one up to sixteen), every number of starts, every weight decay,
the optimum and the endpoints alike.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from ntklora.problem.problem import Problem
from ntklora.solvers.lanes import Ends, minimize_all, minimize_each
from ntklora.solvers.newton import DEFAULT

Array = Any
Matrices = dict[str, Any]

_COLUMNS = 8
# Starts of one call; an accelerator wants all of its lanes at once.
_QUEUE, _WIDE_QUEUE = 64, 256


def run_newton(problem: Problem, lams: Array, u: Matrices, v: Matrices) -> Ends:
    """From the starts `u (S, m, r)`, `v (S, n, r)` by weight, start `i` at the weight decay `lams[i]`; on the host."""
    starts = len(lams)
    columns = {name: x.shape[2] for name, x in u.items()}
    side_by_side = jax.default_backend() != "cpu"
    queue = _WIDE_QUEUE if side_by_side else _QUEUE
    minimize = partial(minimize_all, lanes=queue) if side_by_side else minimize_each
    parts = []
    for first in range(0, starts, queue):
        count = min(queue, starts - first)
        chunk = slice(first, first + count)
        padded_lams = np.pad(np.asarray(lams, np.float64)[chunk], (0, queue - count))
        padded_u, padded_v = ({k: _padded(x[chunk], queue) for k, x in factor.items()} for factor in (u, v))
        ends = minimize(problem, padded_lams, padded_u, padded_v, np.asarray(count), DEFAULT)
        parts.append(jax.tree.map(lambda x, count=count: x[:count], jax.device_get(ends)))
    whole = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    cut_u, cut_v = ({k: x[:, :, : columns[k]] for k, x in factor.items()} for factor in (whole.u, whole.v))
    return whole._replace(u=cut_u, v=cut_v)


def _padded(factor: np.ndarray, queue: int) -> np.ndarray:
    starts, _, columns = factor.shape
    return np.pad(factor, ((0, queue - starts), (0, 0), (0, -columns % _COLUMNS)))
