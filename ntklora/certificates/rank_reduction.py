"""T1 made constructive: lower the rank of any solution until r(r+1)/2 ≤ d, with the same outputs.

Write `δ = u vᵀ`, `Q = [u; v]`. A symmetric `D ≠ 0` with `<sym(uᵀ G_ij v), D> = 0` for all i, j leaves the outputs of
`Q(I + tD)^{1/2}` alone for every t. With the sign for which `<QᵀQ, D> ≤ 0` the trace does not rise, and at
`t = −1/λ_min(D)` one column vanishes. Such a `D` exists while Σ_l r_l(r_l+1)/2 exceeds the dimension d of the span of
the features: T1 [paper] with d ≤ KN, T1-span and T1-blocks [derived]. Lemon, So, Ye 2016.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ntklora.problem.objective import balanced_factors
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import Reduction, reduce_problem

Array = Any
Matrices = dict[str, Any]

# Singular values of δ below this share of the largest carry no output that float64 could keep.
_NEGLIGIBLE = 1e-15
# A change of the trace below this share of it is rounding: then either sign of D will do.
_LEVEL = 1e-13
# A direction counts as a null vector when it moves the outputs by less than this share of the largest direction.
_NULL = 1e-13


class Factors(NamedTuple):
    """Balanced factors `u (m, r)`, `v (n, r)`, or dicts of them by name."""

    u: Array | Matrices
    v: Array | Matrices


def reduce_rank(problem: Problem, delta: Array | Matrices) -> Factors:
    """Factors of a solution with the outputs of `δ`, a nuclear norm that is not larger, and Σ_l r_l(r_l+1)/2 ≤ d.

    So `r ≤ pataki_rank(KN)` for one weight, and for each of several. Every `δ` may come: optimality is not used, and a
    component of `δ` that the data does not see is dropped. At an exact optimum the nuclear norm stays equal.
    Errors: `ValueError` for a delta whose names or shapes do not fit. Source: T1 [paper; the construction is derived].

    >>> import ntklora as nl
    >>> op = nl.TangentOperator.from_dense(np.eye(2)[None, None])
    >>> problem = nl.Problem(op, np.zeros(1), np.ones(1), "squared", 0.1)
    >>> u, v = reduce_rank(problem, np.eye(2))  # <I, δ> = 2 is all that the one sample sees: rank 1 will do
    >>> u.shape, round(float(np.trace(u @ v.T)), 9), round(float(np.linalg.norm(u @ v.T, "nuc")), 9)
    ((2, 1), 2.0, 2.0)
    """
    return reduce_rank_within(reduce_problem(problem.with_perturbation(None)), problem.op.as_deltas(delta))


def reduce_rank_within(reduction: Reduction, deltas: Matrices) -> Factors:
    """`reduce_rank` of deltas by name, for a problem whose reduction is known."""
    host, bases = reduction.problem, reduction.bases
    deltas = {name: np.asarray(value, np.float64) for name, value in deltas.items()}
    factors = _significant({k: bases[k].left.T @ value @ bases[k].right for k, value in deltas.items()})
    while True:
        directions = _null_direction(host, factors)
        if directions is None:
            break
        factors = _shorten(factors, directions)
    balanced = {name: balanced_factors(u @ v.T, u.shape[1]) for name, (u, v) in factors.items()}
    us, vs = ({name: pair[side] for name, pair in balanced.items()} for side in (0, 1))
    return Factors(*reduction.lift_factors(host.op.like(us), host.op.like(vs)))


def _significant(deltas: Matrices) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Balanced factors without what is rounding beside the largest singular value of all weights."""
    values = {name: np.linalg.svd(delta, compute_uv=False) for name, delta in deltas.items()}
    floor = _NEGLIGIBLE * max(np.finfo(np.float64).tiny, *(value[0] for value in values.values()))
    return {name: balanced_factors(delta, int((values[name] > floor).sum())) for name, delta in deltas.items()}


def _null_direction(problem: Problem, factors: dict[str, tuple[np.ndarray, np.ndarray]]) -> Matrices | None:
    """Symmetric matrices `D^l`, jointly of norm 1, that leave every output alone; None when there are none."""
    columns, sizes = [], {}
    for name, (u, v) in factors.items():
        sizes[name] = u.shape[1]
        rows, cols = np.triu_indices(u.shape[1])
        inner = np.einsum("ikmr,ms->ikrs", problem.op.blocks[name].times_v(v), u)
        symmetric = 0.5 * (inner + inner.swapaxes(2, 3))
        # Coordinates in an orthonormal basis of Sym(r): off-diagonal entries count √2.
        columns.append(symmetric[:, :, rows, cols] * np.where(rows == cols, 1.0, np.sqrt(2.0)))
    moves = np.concatenate(columns, 2).reshape(problem.num_samples * problem.num_outputs, -1)
    count = moves.shape[1]
    if count == 0:
        return None
    _, values, right = np.linalg.svd(moves, full_matrices=len(moves) < count)
    if count <= len(values) and values[count - 1] > _NULL * values[0]:
        return None
    return _unpack(right[count - 1], sizes)


def _unpack(coordinates: np.ndarray, sizes: dict[str, int]) -> Matrices:
    directions, start = {}, 0
    for name, size in sizes.items():
        rows, cols = np.triu_indices(size)
        part = coordinates[start : start + len(rows)] / np.where(rows == cols, 1.0, np.sqrt(2.0))
        matrix = np.zeros((size, size))
        matrix[rows, cols] = matrix[cols, rows] = part
        directions[name] = matrix
        start += len(rows)
    return directions


def _shorten(
    factors: dict[str, tuple[np.ndarray, np.ndarray]], directions: Matrices
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """`Q(I + tD)^{1/2}` at the first t where a column vanishes, that column dropped."""
    grows = sum(np.sum((u.T @ u + v.T @ v) * directions[name]) for name, (u, v) in factors.items())
    trace = sum(np.sum(u**2) + np.sum(v**2) for u, v in factors.values())
    spectra = {name: _spectrum(matrix) for name, matrix in directions.items() if len(matrix)}
    lowest = min(values[0] for values, _ in spectra.values())
    highest = max(values[-1] for values, _ in spectra.values())
    # Where the trace is level, the sign with the shorter step: a long one would magnify what is rounding in D.
    if grows > _LEVEL * trace or (grows >= -_LEVEL * trace and highest > -lowest):
        spectra = {name: (-values, axes) for name, (values, axes) in spectra.items()}
        lowest = -highest
    shorter = dict(factors)
    for name, (values, axes) in spectra.items():
        weights = 1.0 - values / lowest
        kept = weights > 4 * np.finfo(np.float64).eps * len(weights)
        turn = (axes * np.sqrt(weights.clip(min=0.0)))[:, kept]
        u, v = factors[name]
        shorter[name] = (u @ turn, v @ turn)
    return shorter


def _spectrum(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, axes = np.linalg.eigh(matrix)
    return values, axes
