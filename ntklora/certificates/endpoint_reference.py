"""What endpoints are measured by: a certified optimum, made sure of here, and the coordinates that the data see."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from ntklora.certificates.duality import dual_objective
from ntklora.certificates.factors import host_factors
from ntklora.certificates.perturbed import feasible_perturbed_dual, scaled_to_feasible
from ntklora.certificates.rank_reduction import reduce_rank_within
from ntklora.certificates.span import output_basis
from ntklora.certificates.stationary import Units, norm, units_of
from ntklora.problem.objective import objective
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import Reduction, reduce_problem

Matrices = dict[str, Any]


class CertifiedOptimum(Protocol):
    """What is read of a solution: its minimizer, and the dual point, which is made feasible before it is used."""

    @property
    def delta(self) -> Any:
        """The minimizer, in the form of the problem's delta."""

    @property
    def u(self) -> Any:
        """Its left factors, read under a perturbation: balanced ones would not be the best there."""

    @property
    def v(self) -> Any:
        """Its right factors."""

    @property
    def alpha(self) -> np.ndarray:
        """The dual point `(N, K)`."""


class Reference(NamedTuple):
    """The problem in the coordinates the data see, and what the solution proves.

    `dual` is a lower bound of the minimum, `convex` the value at the solution (of reduced rank), `exhibited` the same
    where its rank is at most that of the endpoints. `basis` of the outputs is for the dual at λ = 0.
    """

    problem: Problem
    units: Units
    reduction: Reduction | None
    basis: np.ndarray | None
    dual: float
    convex: float
    exhibited: float


def reference_for(problem: Problem, solution: CertifiedOptimum | None, ranks: dict[str, int]) -> Reference:
    """The reference for endpoints of these ranks; without a solution nothing is known but the problem.

    Errors: `ValueError` for a solution whose names or shapes do not fit.
    """
    host = problem.host()
    reduction = reduce_problem(host) if host.perturbation is None else None
    seen = host if reduction is None else reduction.problem
    basis = output_basis(seen) if host.perturbation is None and host.lam == 0 else None
    if solution is None:
        return Reference(seen, units_of(seen), reduction, basis, -np.inf, np.inf, np.inf)
    alpha = np.asarray(solution.alpha, np.float64)
    dual = dual_objective(host, scaled_to_feasible(host, alpha))
    if reduction is not None:
        low_u, low_v = (
            host.op.as_dict(side) for side in reduce_rank_within(reduction, host.op.as_deltas(solution.delta))
        )
    else:
        low_u, low_v = host_factors(problem, solution.u, solution.v)
    value = float(objective(host, low_u, low_v))
    reachable = all(low_u[name].shape[1] <= rank for name, rank in ranks.items())
    return Reference(seen, units_of(seen), reduction, basis, dual, value, value if reachable else np.inf)


def own_dual(reference: Reference, us: Matrices, vs: Matrices) -> float:
    """The dual value of the point's own `∇ℓ`, made feasible; the factors in the coordinates that the data see."""
    problem = reference.problem
    z = problem.f0 + problem.op.apply_factors(us, vs)
    return dual_objective(problem, feasible_perturbed_dual(problem, z, reference.basis))


def seen_factors(reference: Reference, us: Matrices, vs: Matrices) -> tuple[Matrices, Matrices]:
    """The factors in the coordinates that the data see."""
    if reference.reduction is None:
        return us, vs
    op = reference.problem.op
    u, v = reference.reduction.restrict_factors(op.like(us), op.like(vs))
    return op.as_dict(u), op.as_dict(v)


def unseen_norm(reference: Reference, us: Matrices, vs: Matrices) -> float:
    """Norm of the part of the factors that no feature sees."""
    if reference.reduction is None:
        return 0.0
    op = reference.problem.op
    u, v = reference.reduction.lift_factors(*(op.like(side) for side in seen_factors(reference, us, vs)))
    lifted_u, lifted_v = op.as_dict(u), op.as_dict(v)
    return norm({k: us[k] - lifted_u[k] for k in us}, {k: vs[k] - lifted_v[k] for k in vs})
