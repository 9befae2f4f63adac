"""What the end of a LoRA run is: global, spurious, rank limited, flat, a saddle, unfinished, or undecidable.

The classes of theory §2.2 [derived], with tolerances relative to |F|. In this order, each by its own evidence:

    global        F(u, v) − d(α) ≤ tol for a dual-feasible α: the point's own, or the certified solution's
    unconverged   no stationary point within reach
    saddle        negative curvature, exhibited: a direction
    flat          no negative curvature, and a walk along a valley of equal objective
    spurious      a strict minimum modulo gauge, and an exhibited point of rank ≤ r is better by more than tol
    rank_limited  a strict minimum above the convex optimum, no better point of rank ≤ r known
    inconclusive  the margin is below what the arithmetic supports
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np

from ntklora.certificates.duality import dual_objective, relative_gap
from ntklora.certificates.factors import host_factors
from ntklora.certificates.hessian import Hessian, hessian, multiply, to_coordinates
from ntklora.certificates.inertia import hessian_curvature, lowest_mode
from ntklora.certificates.perturbed import feasible_perturbed_dual, scaled_to_feasible
from ntklora.certificates.rank_reduction import reduce_rank
from ntklora.certificates.span import output_basis
from ntklora.certificates.stationary import (
    REACH,
    Point,
    Units,
    is_stationary,
    norm,
    point_at,
    polish,
    sign_is_resolved,
    units_of,
    valley_is_exhibited,
)
from ntklora.certificates.twins import distance, signature_of
from ntklora.problem.objective import dual_vector, gradient_matrices, kkt_matrices, objective, stack, training_loss
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import Reduction, reduce_problem

Array = Any
Matrices = dict[str, Any]

# A column of Q (in principal axes) below this share of the largest: rank deficient, L3's direction is tried first.
_DEFICIENT = 1e-6
# L3's direction counts as negative curvature beyond this share of ‖2S‖.
_NEGATIVE = 1e-10
# Twins closer than this times |κ|/‖H‖, at which distance the curvature κ of the first could change its sign, are one
# stationary point modulo gauge.
_NEAR = 0.1


class Endpoint(StrEnum):
    """Class of an endpoint; see the module."""

    global_ = "global"
    spurious = "spurious"
    rank_limited = "rank_limited"
    flat = "flat"
    saddle = "saddle"
    unconverged = "unconverged"
    inconclusive = "inconclusive"


ENDPOINT_CODES: dict[Endpoint, int] = {endpoint: code for code, endpoint in enumerate(Endpoint)}


class EndpointReport(NamedTuple):
    """The class of an endpoint and the numbers behind it.

    `objective` is F_P at the point given; `best_known` the value at the best exhibited point of rank ≤ r, itself
    included; `gap` relative, from the best dual point at hand; `gradient_norm` at the point given. `min_curvature`
    (modulo gauge, in the coordinates that the data see), the counts `negative` and `zero`, the `resolution` and the
    `scale ≥ ‖H‖` belong to the polished point, `moved` away; nan and 0 where the verdict did not need them.
    """

    endpoint: Endpoint
    objective: float
    best_known: float
    gap: float
    gradient_norm: float
    min_curvature: float
    negative: int
    zero: int
    resolution: float
    scale: float
    moved: float


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


class _Reference(NamedTuple):
    """What endpoints are measured by: the problem in the coordinates the data see, the best dual and primal values."""

    problem: Problem
    units: Units
    reduction: Reduction | None
    basis: np.ndarray | None
    dual: float
    convex: float
    exhibited: float


def classify_endpoint(
    problem: Problem,
    u: Array | Matrices,
    v: Array | Matrices,
    *,
    solution: CertifiedOptimum | None = None,
    rivals: Iterable[tuple[Array | Matrices, Array | Matrices]] | None = None,
    tolerance: float = 1e-6,
) -> EndpointReport:
    """The class of the endpoint `(u, v)` of F_P, with its evidence.

    `solution` is a certified convex optimum: its `alpha` sharpens the gap, its minimizer is an exhibited point where
    its rank (reduced, unless there is a perturbation) is at most `r`. `rivals` are other factors `(u, v)` of rank at
    most `r`. Neither is trusted: values are computed here. Without them a strict minimum can only be `rank_limited` or
    `inconclusive`.

    A point that is nearly stationary is polished by Newton steps, at most 1% of its size away; the verdict is about
    the point they reach (`moved` says how far). An unperturbed problem is reduced first: for `λ > 0` components that
    the data do not see must vanish at a stationary point, for `λ = 0` they do not matter.

    Errors: `ValueError` for factors whose names or shapes do not fit.
    Source: theory §2.2 [derived].
    """
    us, vs = host_factors(problem, u, v)
    ranks = {name: us[name].shape[1] for name in us}
    others = [host_factors(problem, *rival) for rival in (rivals or ())]
    for other, _ in others:
        if any(other[name].shape[1] > ranks[name] for name in other):
            raise ValueError(f"a rival has more columns than the endpoint's {ranks}: it exhibits nothing at this rank")
    reference = _reference(problem, solution, ranks)
    host = problem.host()
    values = [float(objective(host, *other)) for other in others]
    report = _classify(host, reference, point_at(host, us, vs), min([reference.exhibited, *values]), tolerance)
    if np.isnan(report.min_curvature):
        value, _ = lowest_mode(hessian(reference.problem, *_seen(reference, us, vs)))
        report = report._replace(min_curvature=value)
    return report


def classify_endpoints(
    problem: Problem,
    us: Array | Matrices,
    vs: Array | Matrices,
    *,
    solution: CertifiedOptimum | None = None,
    tolerance: float = 1e-6,
) -> list[EndpointReport]:
    """The classes of many endpoints of one rank, `us (S, m, r)`, `vs (S, n, r)`; all are rivals of each other.

    Most cost one evaluation of F and of a gap. Endpoints next to one stationary point modulo gauge (by their objective
    and three random entries of `δ`) share the verdict on the one with the smallest gradient.
    Errors: `ValueError` for factors whose names or shapes do not fit.
    """
    host = problem.host()
    left, right = ({k: np.asarray(x) for k, x in host.op.as_dict(side).items()} for side in (us, vs))
    count = len(next(iter(left.values())))
    points = [
        host_factors(problem, {k: x[s] for k, x in left.items()}, {k: x[s] for k, x in right.items()})
        for s in range(count)
    ]
    if not points:
        return []
    reference = _reference(problem, solution, {name: x.shape[2] for name, x in left.items()})
    given = [point_at(host, *point) for point in points]
    best = min([reference.exhibited, *(point.objective for point in given)])
    reports: list[EndpointReport | None] = [None] * count
    judged: list[tuple[np.ndarray, EndpointReport]] = []
    for s in np.argsort([point.gradient_norm for point in given]):
        signature = signature_of(given[s].objective, given[s].us, given[s].vs)
        twin = next((report for seen, report in judged if _is_twin(signature, seen, report)), None)
        if twin is None:
            reports[s] = _classify(host, reference, given[s], best, tolerance)
            judged.append((signature, reports[s]))
        else:
            gap = twin.gap + relative_gap(host, given[s].objective, twin.objective)
            reports[s] = twin._replace(objective=given[s].objective, gap=gap, gradient_norm=given[s].gradient_norm)
    return [report for report in reports if report is not None]


def _reference(problem: Problem, solution: CertifiedOptimum | None, ranks: dict[str, int]) -> _Reference:
    host = problem.host()
    reduction = reduce_problem(host) if host.perturbation is None else None
    seen = host if reduction is None else reduction.problem
    basis = output_basis(seen) if host.perturbation is None and host.lam == 0 else None
    if solution is None:
        return _Reference(seen, units_of(seen), reduction, basis, -np.inf, np.inf, np.inf)
    alpha = np.asarray(solution.alpha, np.float64)
    dual = dual_objective(host, scaled_to_feasible(host, alpha))
    if host.perturbation is None:
        low_u, low_v = (host.op.as_dict(side) for side in reduce_rank(problem, solution.delta))
    else:
        low_u, low_v = host_factors(problem, solution.u, solution.v)
    value = float(objective(host, low_u, low_v))
    reachable = all(low_u[name].shape[1] <= rank for name, rank in ranks.items())
    return _Reference(seen, units_of(seen), reduction, basis, dual, value, value if reachable else np.inf)


def _classify(
    host: Problem, reference: _Reference, given: Point, best_known: float, tolerance: float
) -> EndpointReport:
    """The verdict on one point of the problem on the host, given the value of the best point known at its rank."""
    us, vs = given.us, given.vs
    report = EndpointReport(
        endpoint=Endpoint.global_,
        objective=given.objective,
        best_known=min(best_known, given.objective),
        gap=relative_gap(host, given.objective, reference.dual),
        gradient_norm=given.gradient_norm,
        min_curvature=np.nan,
        negative=0,
        zero=0,
        resolution=np.nan,
        scale=np.nan,
        moved=0.0,
    )
    if report.gap <= tolerance:
        return report
    problem, units, (seen_us, seen_vs) = reference.problem, reference.units, _seen(reference, us, vs)
    dual = max(reference.dual, _own_dual(reference, seen_us, seen_vs))
    report = report._replace(gap=relative_gap(host, given.objective, dual))
    if report.gap <= tolerance:
        return report
    unseen = _unseen(reference, us, vs) if host.lam > 0 else 0.0
    point = polish(problem, units, point_at(problem, seen_us, seen_vs, moved=unseen))
    dual = max(dual, _own_dual(reference, point.us, point.vs))
    report = report._replace(
        gap=relative_gap(host, given.objective, dual),
        best_known=min(report.best_known, point.objective),
        moved=point.moved,
    )
    if report.gap <= tolerance:
        return report
    floor = tolerance * max(abs(given.objective), 1e-12 * float(training_loss(host, host.f0)))
    near = unseen <= REACH * norm(us, vs) and given.objective - point.objective <= floor
    if not near or not is_stationary(units, point):
        return report._replace(endpoint=Endpoint.unconverged)
    h = hessian(problem, point.us, point.vs)
    escape = _deficient_escape(problem, point, h)
    if escape is not None:
        return report._replace(endpoint=Endpoint.saddle, min_curvature=escape, negative=1)
    found = hessian_curvature(h)
    report = report._replace(
        min_curvature=found.min_curvature,
        negative=found.negative,
        zero=found.zero,
        resolution=found.resolution,
        scale=found.scale,
    )
    if found.negative == 0 and found.zero > 0:
        valley = valley_is_exhibited(problem, units, point, found.direction)
        return report._replace(endpoint=Endpoint.flat if valley else Endpoint.inconclusive)
    if not sign_is_resolved(problem, units, point, found.min_curvature, found.direction):
        return report._replace(endpoint=Endpoint.inconclusive)
    if found.negative > 0:
        return report._replace(endpoint=Endpoint.saddle)
    if given.objective - report.best_known > floor:
        return report._replace(endpoint=Endpoint.spurious)
    convex = min(reference.convex, _lifted_value(problem, point))
    above = given.objective - convex > floor
    return report._replace(endpoint=Endpoint.rank_limited if above else Endpoint.inconclusive)


def _own_dual(reference: _Reference, us: Matrices, vs: Matrices) -> float:
    problem = reference.problem
    z = problem.f0 + problem.op.apply_factors(us, vs)
    return dual_objective(problem, feasible_perturbed_dual(problem, z, reference.basis))


def _deficient_escape(problem: Problem, point: Point, h: Hessian) -> float | None:
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


def _lifted_value(problem: Problem, point: Point) -> float:
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


def _seen(reference: _Reference, us: Matrices, vs: Matrices) -> tuple[Matrices, Matrices]:
    if reference.reduction is None:
        return us, vs
    op = reference.problem.op
    u, v = reference.reduction.restrict_factors(op.like(us), op.like(vs))
    return op.as_dict(u), op.as_dict(v)


def _unseen(reference: _Reference, us: Matrices, vs: Matrices) -> float:
    """Norm of the part of the factors that no feature sees."""
    if reference.reduction is None:
        return 0.0
    op = reference.problem.op
    u, v = reference.reduction.lift_factors(*(op.like(side) for side in _seen(reference, us, vs)))
    lifted_u, lifted_v = op.as_dict(u), op.as_dict(v)
    return norm({k: us[k] - lifted_u[k] for k in us}, {k: vs[k] - lifted_v[k] for k in vs})


def _is_twin(signature: np.ndarray, seen: np.ndarray, report: EndpointReport) -> bool:
    if report.endpoint in (Endpoint.global_, Endpoint.unconverged) or not report.resolution > 0:
        return False
    return bool(distance(signature, seen) <= _NEAR * abs(report.min_curvature) / report.scale)
