"""Down from a saddle: the direction of most negative curvature, by the inertia of the certificates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ntklora.certificates.hessian import count_below, hessian
from ntklora.certificates.inertia import lowest_mode
from ntklora.certificates.twins import distance, signature_of
from ntklora.problem.objective import dual_vector, gradient_matrices, lowest_kkt_eigenvalue, objective
from ntklora.problem.problem import Problem

Matrices = dict[str, Any]

# With λ_min(2S) above −1e-9 of the unit of Γ the optimality conditions hold: no Hessian is needed.
_OPTIMAL = 1e-9
# Negative curvature below this share of ‖H‖ is left to the verdict: a step down it gains nothing measurable.
_NEGATIVE = 1e-11
# Curvature above this times their relative distance and ‖H‖ at one point tells that no twin of it is a saddle.
_SAFE = 10.0

Point = tuple[Matrices, Matrices]


def points_below(problem: Problem, us: Matrices, vs: Matrices, values: np.ndarray, slope: float) -> dict[int, Point]:
    """For those of the stationary points `us (S, m, r)`, `vs (S, n, r)` that are saddles: a point of smaller `F_P`.

    By position, for a problem on the host; `values (S,)` are F_P there, `slope` the unit of `Γ` (`Scale.slope`). Most
    points satisfy the optimality conditions; those that do not are examined once for all that are twins of each other.
    """

    def point(position: int) -> Point:
        return {k: x[position] for k, x in us.items()}, {k: x[position] for k, x in vs.items()}

    below = {}
    for group, spread in _groups(problem, point, signature_of(values, us, vs), slope):
        if len(group) > 1:
            curved = hessian(problem, *point(group[0]))
            if count_below(curved, _SAFE * spread * curved.scale) == 0:
                continue
        for position in group:
            found = below_saddle(problem, *point(position))
            if found is not None:
                below[position] = found
    return below


def _groups(
    problem: Problem, point: Callable[[int], Point], signatures: np.ndarray, slope: float
) -> Iterable[tuple[list[int], float]]:
    """Positions of points at which `S` is not positive semidefinite, with their twins, and how far these lie apart.

    A twin of a point with `S ⪰ 0`, which is a global minimum, has nothing to gain beyond the level of twins.
    """
    groups: list[tuple[np.ndarray, list[int], list[float]]] = []
    optimal: list[np.ndarray] = []
    for position, signature in enumerate(signatures):
        if any(np.isfinite(distance(signature, first)) for first in optimal):
            continue
        for first, group, apart in groups:
            if np.isfinite(away := distance(signature, first)):
                group.append(position)
                apart.append(away)
                break
        else:
            z = problem.f0 + problem.op.apply_factors(*point(position))
            gammas = gradient_matrices(problem, dual_vector(problem, z))
            if lowest_kkt_eigenvalue(problem, gammas) >= -_OPTIMAL * slope:
                optimal.append(signature)
            else:
                groups.append((signature, [position], [0.0]))
    return ((group, max(apart)) for _, group, apart in groups)


def below_saddle(problem: Problem, u: Matrices, v: Matrices) -> Point | None:
    """A point of smaller `F_P` along the direction of most negative curvature at `(u, v)`; None where there is none.

    For a stationary point of a problem on the host.
    """
    curved = hessian(problem, u, v)
    if count_below(curved, -_NEGATIVE * curved.scale) == 0:
        return None
    du, dv = lowest_mode(curved)[1]
    size = max(1.0, float(np.sqrt(sum((u[k] ** 2).sum() + (v[k] ** 2).sum() for k in u))))

    def moved(length: float) -> Point:
        return {k: u[k] + length * du[k] for k in u}, {k: v[k] + length * dv[k] for k in u}

    # F_P along a line is no more than a convex function of a quadratic: the best of two dozen lengths is good enough.
    lengths = [sign * size * 2.0**-k for sign in (1, -1) for k in range(24)]
    best = min((moved(length) for length in lengths), key=lambda point: float(objective(problem, *point)))
    return best if objective(problem, *best) < objective(problem, u, v) else None
