"""How F_P curves at a point, modulo gauge: a count that decides, a number that measures, a direction that exhibits.

Signs come from the inertia of the projected Hessian at `±τ` (`count_below`), never from an iterative eigensolver: the
smallest eigenvalue is bracketed by the count and closed in on by inverse iteration [derived, theory §2.2].
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from ntklora.certificates.factors import host_factors
from ntklora.certificates.hessian import Hessian, count_below, hessian, multiply, solve_shifted, to_factors
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]

# Rounding of the count, as a share of ‖H‖: see the calibration in tests/certificates/test_inertia_counts.py.
_ROUNDING = 1e-12
# Curvature below this multiple of what the gradient gives the gauge directions is not resolved.
_GAUGE_SAFETY = 10.0
_BLOCK = 3  # vectors iterated together: the smallest eigenvalues of planted minima come in clusters
# Up to this dimension the iteration starts at a dense eigendecomposition: one or two steps then close the bracket where
# random vectors take about ten.
_DENSE = 320


class Curvature(NamedTuple):
    """Second-order facts of a point, modulo gauge.

    `min_curvature` is the smallest eigenvalue of the projected Hessian and `direction = (du, dv)`, of norm 1, has it.
    `negative` eigenvalues lie below `−resolution`, `zero` ones in `[−resolution, resolution)`; `scale ≥ ‖H‖`.
    """

    min_curvature: float
    direction: tuple[Matrices, Matrices]
    negative: int
    zero: int
    resolution: float
    scale: float


def curvature(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> Curvature:
    """Inertia and smallest curvature of F_P at `(u, v)` modulo gauge.

    The resolution is `τ = max(1e-12 ‖H‖, 10 ‖H B‖)` with `B` the orthonormal gauge tangents: at a point of gradient `g`
    they have curvature about `‖g‖/σ_min(Q)` instead of zero, and what is smaller than that is not a property of the
    landscape. The cost grows as `(m + n)³`: reduce a wide unperturbed problem first (`reduce_problem`).

    >>> import ntklora as nl
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> found = curvature(problem, np.zeros((2, 2)), np.zeros((2, 2)))  # at 0 the Hessian is λ ± σ_i(M)
    >>> round(found.min_curvature, 9), found.negative
    (-2.0, 4)
    """
    return hessian_curvature(hessian(problem.host(), *host_factors(problem, u, v)))


def hessian_curvature(h: Hessian) -> Curvature:
    """`curvature` from a structured Hessian."""
    coupling = np.linalg.norm(multiply(h, h.gauge), 2) if h.gauge.size else 0.0
    tau = max(_ROUNDING * h.scale, _GAUGE_SAFETY * float(coupling))
    negative = count_below(h, -tau)
    zero = count_below(h, tau) - negative
    value, direction = lowest_mode(h)
    return Curvature(value, direction, negative, zero, tau, h.scale)


def lowest_mode(h: Hessian) -> tuple[float, tuple[Matrices, Matrices]]:
    """The smallest eigenvalue of the projected Hessian and its direction `(du, dv)` of norm 1."""
    free = min(h.free, key=lambda mode: mode.values[0], default=None)
    if h.diagonal.size:
        value, vector = _lowest_bound_mode(h)
        if free is None or value <= free.values[0]:
            return value, to_factors(h, vector)
    assert free is not None
    left, right = to_factors(h, np.zeros(h.diagonal.size))
    frame = next(f for f in h.frames if f.name == free.name)
    along = np.outer(free.vectors[:, 0], frame.rotation[:, frame.rank])
    left[free.name], right[free.name] = along[: frame.fan_out], along[frame.fan_out :]
    return float(free.values[0]), (left, right)


def _lowest_bound_mode(h: Hessian) -> tuple[float, np.ndarray]:
    """Inverse iteration from below, where `H_⟂ − μ ≻ 0` and Rayleigh quotients only fall; the count moves `μ` up."""
    accuracy = 1e-15 * h.scale
    # JᵀJ ⪰ 0: nothing lies below the smallest d.
    low, high = float(h.diagonal.min()) - 2 * accuracy, np.inf
    block = _first_block(h, min(_BLOCK, h.diagonal.size - h.gauge.shape[1]))
    value, vector = np.inf, block[:, 0] / np.linalg.norm(block[:, 0])
    for _ in range(100):
        block = np.linalg.qr(solve_shifted(h, low, block))[0]
        image = multiply(h, block)
        image -= h.gauge @ (h.gauge.T @ image)
        ritz, mix = np.linalg.eigh(block.T @ image)
        block, image = block @ mix, image @ mix
        if ritz[0] < value:
            value, vector = float(ritz[0]), block[:, 0]
        high = min(high, value)
        residual = float(np.linalg.norm(image[:, 0] - ritz[0] * block[:, 0]))
        for trial in (value - max(2 * residual, accuracy), 0.5 * (low + high)):
            if trial > low:
                if count_below(h, trial) == 0:
                    low = trial
                else:
                    high = min(high, trial)
        if high - low <= max(1e-8 * abs(high), 4 * accuracy):
            break
    return value, vector


def _first_block(h: Hessian, count: int) -> np.ndarray:
    """Vectors `(D, count)` orthogonal to the gauge: the lowest eigenvectors of `H_⟂`, or random ones if D is large."""
    size = h.diagonal.size
    if size <= _DENSE:
        matrix = h.rows.T @ h.rows
        matrix[np.arange(size), np.arange(size)] += h.diagonal
        image = matrix @ h.gauge
        # P H P with P = I − B Bᵀ, and the gauge moved to the top of the spectrum.
        cross = h.gauge @ (image.T - 0.5 * (h.gauge.T @ image) @ h.gauge.T)
        matrix -= cross + cross.T - h.scale * h.gauge @ h.gauge.T
        block = scipy.linalg.eigh(matrix, subset_by_index=(0, count - 1))[1]
    else:
        block = np.random.default_rng(0).standard_normal((size, count))
    return block - h.gauge @ (h.gauge.T @ block)
