"""How strict a minimum is, in a number without units: its smallest curvature modulo gauge, over the largest."""

from __future__ import annotations

from typing import Any

import numpy as np

from ntklora.certificates.factors import host_factors
from ntklora.certificates.hessian import hessian
from ntklora.certificates.inertia import lowest_mode
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem

Array = Any
Matrices = dict[str, Any]


def relative_curvature(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> float:
    """`λ_min(H_⟂)/‖H‖` at `(u, v)`, with `H_⟂` the Hessian modulo gauge.

    It stays when F is multiplied or the point is scaled together with the features. An unperturbed problem is reduced
    first: coordinates that no feature sees would add the eigenvalue λ. The largest eigenvalue is a dense one's: the
    cost grows as `((m + n) r)³`. Errors: `ValueError` for factors whose names or shapes do not fit.

    >>> import ntklora as nl
    >>> planted = nl.plant_worst_minimum(2, curvature=0.25, seed=0)
    >>> round(relative_curvature(planted.problem, planted.u, planted.v), 12)
    0.25
    """
    host, (us, vs) = problem.host(), host_factors(problem, u, v)
    if host.perturbation is None:
        reduction = reduce_problem(host)
        left, right = reduction.restrict_factors(host.op.like(us), host.op.like(vs))
        host = reduction.problem
        us, vs = host.op.as_dict(left), host.op.as_dict(right)
    h = hessian(host, us, vs)
    bound = h.rows.T @ h.rows + np.diag(h.diagonal)
    sizes = [np.abs(np.linalg.eigvalsh(bound)).max(initial=0.0), *(np.abs(mode.values).max() for mode in h.free)]
    return lowest_mode(h)[0] / float(max(sizes))
