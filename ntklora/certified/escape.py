"""Down from a saddle: the direction of most negative curvature, by the inertia of the certificates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntklora.certificates.hessian import count_below, hessian
from ntklora.certificates.inertia import lowest_mode
from ntklora.problem.objective import dual_vector, gradient_matrices, kkt_matrices, objective
from ntklora.problem.problem import Problem

Matrices = dict[str, Any]

# With λ_min(2S) above −1e-9 of the unit of Γ the optimality conditions hold: no Hessian is needed.
_OPTIMAL = 1e-9
# Negative curvature below this share of ‖H‖ is left to the verdict: a step down it gains nothing measurable.
_NEGATIVE = 1e-11


def below_saddle(problem: Problem, u: Matrices, v: Matrices, slope: float) -> tuple[Matrices, Matrices] | None:
    """A point of smaller `F_P` along the direction of most negative curvature at `(u, v)`; None where there is none.

    For a stationary point of a problem on the host; `slope` is the unit of `Γ` (`Scale.slope`).
    """
    gammas = gradient_matrices(problem, dual_vector(problem, problem.f0 + problem.op.apply_factors(u, v)))
    if all(np.linalg.eigvalsh(2 * s)[0] >= -_OPTIMAL * slope for s in kkt_matrices(problem, gammas).values()):
        return None
    curved = hessian(problem, u, v)
    if count_below(curved, -_NEGATIVE * curved.scale) == 0:
        return None
    du, dv = lowest_mode(curved)[1]
    size = max(1.0, float(np.sqrt(sum((u[k] ** 2).sum() + (v[k] ** 2).sum() for k in u))))

    def moved(length: float) -> tuple[Matrices, Matrices]:
        return {k: u[k] + length * du[k] for k in u}, {k: v[k] + length * dv[k] for k in u}

    # F_P along a line is no more than a convex function of a quadratic: the best of two dozen lengths is good enough.
    lengths = [sign * size * 2.0**-k for sign in (1, -1) for k in range(24)]
    best = min((moved(length) for length in lengths), key=lambda point: float(objective(problem, *point)))
    return best if objective(problem, *best) < objective(problem, u, v) else None
