"""How fast gradient descent ends, from the curvature where it ends [derived, theory §2.2].

Near a minimum that is strict modulo gauge, a step of size `η < 2/‖H‖` multiplies the error along an eigenvector of the
Hessian by `1 − ηκ`, and the gauge directions do not matter. So for almost every start

    F(Q_k) − F(Q*) = c (1 − ημ)^{2k} (1 + o(1)),        μ the smallest eigenvalue of H modulo gauge (η ≤ 1/‖H‖)

At `P = 0`, `λ > 0` it cannot be large: `(uM, −vM)`, `M` symmetric, which unbalances the factors, is an eigenvector of
eigenvalue `2λ`, because `Γv = −λu`, `Γᵀu = −λv` and the outputs stay; and with more columns than the rank `ρ` of the
minimum, `ρ < max(m, n)`, the top idle singular pair of `Γ` has the eigenvalue `λ − σ_{ρ+1}(Γ) ≤ λ` on a zero column.
Hence `μ ≤ 2λ`, beyond the rank `μ ≤ λ`: however large the rank, each factor e of the last digits then costs about
`1/(2ηλ)` steps at least.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ntklora.certificates.factors import host_factors
from ntklora.certificates.hessian import Hessian, hessian
from ntklora.certificates.inertia import hessian_curvature
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem

Array = Any
Matrices = dict[str, Any]


def tail_curvature(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> float | None:
    """`μ` at a minimum `(u, v)`; None where the Hessian is not positive modulo gauge within its resolution.

    Components that the data do not see (theory §1.1) have the curvature `λ` and count: they decay along the path.
    Errors: `ValueError` for factors whose names or shapes do not fit.
    """
    h, unseen = _seen_hessian(problem, u, v)
    found = hessian_curvature(h)
    if found.negative or found.zero:
        return None
    return min(found.min_curvature, float(problem.lam)) if unseen else found.min_curvature


def largest_curvature(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> float:
    """The bound `‖2S‖ + ‖J‖²` of `‖H‖` at `(u, v)`, with `H = 2S ⊗ I + JᵀJ` (see `Hessian`): any step below twice its
    reciprocal descends there. Errors: `ValueError` for factors whose names or shapes do not fit.
    """
    return _seen_hessian(problem, u, v)[0].scale


def _seen_hessian(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> tuple[Hessian, bool]:
    """The Hessian in the coordinates that the data see, and whether there are others."""
    us, vs = host_factors(problem, u, v)
    host = problem.host()
    if host.perturbation is not None:
        return hessian(host, us, vs), False
    reduction = reduce_problem(host)
    op = reduction.problem.op
    seen = tuple(op.as_dict(x) for x in reduction.restrict_factors(op.like(us), op.like(vs)))
    unseen = any(np.any(np.asarray(op.shapes[k]) < problem.shapes[k]) for k in op.shapes)
    return hessian(reduction.problem, *seen), unseen
