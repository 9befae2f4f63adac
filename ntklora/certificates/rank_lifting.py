"""L3 as numbers: the direction `x zᵀ` that leaves a stationary point which is not global, x with `xᵀ S x < 0`.

Where a column of `Q` vanishes, `z` along it, its curvature is negative: a saddle. At full rank a column must be
appended first: then it leads below the point, at a rank more [paper, L3 of T2's proof; the numbers derived].
"""

from __future__ import annotations

import numpy as np

from ntklora.certificates.hessian import Hessian, multiply, to_coordinates
from ntklora.certificates.stationary import Point
from ntklora.problem.objective import dual_vector, gradient_matrices, kkt_matrices, stack
from ntklora.problem.problem import Problem

# A column of Q (in principal axes) below this share of the largest: rank deficient, L3's direction is tried first.
_DEFICIENT = 1e-6
# L3's direction counts as negative curvature beyond this share of ‖2S‖.
_NEGATIVE = 1e-10


def deficient_escape(problem: Problem, point: Point, h: Hessian) -> float | None:
    """Curvature of the direction `x zᵀ` of L3 where a column of `Q` (nearly) vanishes and `S` has `xᵀ S x < 0`.

    Measured at the point itself, so that "nearly" needs no threshold of its own. None where it is not negative.
    """
    largest = max(float(np.linalg.norm(stack(point.us[k], point.vs[k]), 2)) for k in point.us)
    z = problem.f0 + problem.op.apply_factors(point.us, point.vs)
    for name, s in kkt_matrices(problem, gradient_matrices(problem, dual_vector(problem, z))).items():
        q = stack(point.us[name], point.vs[name])
        _, columns, axes = np.linalg.svd(q, full_matrices=True)
        shortest = columns[-1] if len(columns) == q.shape[1] else 0.0
        if shortest > _DEFICIENT * largest:
            continue
        values, vectors = np.linalg.eigh(2 * s)
        along = np.outer(vectors[:, 0], axes[-1])
        du = {k: np.zeros_like(x) for k, x in point.us.items()} | {name: along[: len(point.us[name])]}
        dv = {k: np.zeros_like(x) for k, x in point.vs.items()} | {name: along[len(point.us[name]) :]}
        x = to_coordinates(h, du, dv)
        bound = float(x @ multiply(h, x)) if x.size else 0.0
        # What lies on zero columns is not in the coordinates of h; there the curvature is that of 2S alone.
        value = bound + float(values[0]) * max(0.0, 1.0 - float(x @ x))
        if value < -_NEGATIVE * max(abs(values[0]), abs(values[-1])):
            return value
    return None


def lifted_value(problem: Problem, point: Point) -> float:
    """An upper bound of min F_P over all ranks: the step that is best for smooth losses along L3's direction, lifted.

    With a column `√t x` appended, `xᵀ S x = −s < 0`, F_P changes by at most `−s t + ½ β t² (1/N) Σ <G_ij, x_u x_vᵀ>²`
    for a `β`-smooth loss.
    """
    z = problem.f0 + problem.op.apply_factors(point.us, point.vs)
    best = point.objective
    for name, s in kkt_matrices(problem, gradient_matrices(problem, dual_vector(problem, z))).items():
        values, vectors = np.linalg.eigh(s)
        if values[0] >= 0:
            continue
        x_u, x_v = vectors[: len(point.us[name]), :1], vectors[len(point.us[name]) :, :1]
        bend = problem.loss.smoothness * float((problem.op.blocks[name].apply_factors(x_u, x_v) ** 2).sum())
        bend /= problem.num_samples
        if bend > 0:
            best = min(best, point.objective - 0.5 * float(values[0]) ** 2 / bend)
    return best
