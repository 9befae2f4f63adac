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
from typing import Any, NamedTuple

import numpy as np

from ntklora.certificates.duality import relative_gap
from ntklora.certificates.endpoint_reference import (
    CertifiedOptimum,
    Reference,
    own_dual,
    reference_for,
    seen_factors,
    unseen_norm,
)
from ntklora.certificates.factors import host_ends, host_factors
from ntklora.certificates.hessian import hessian
from ntklora.certificates.inertia import hessian_curvature, lowest_mode
from ntklora.certificates.rank_lifting import deficient_escape, lifted_value
from ntklora.certificates.stationary import (
    REACH,
    Point,
    is_stationary,
    norm,
    point_at,
    polished,
    sign_is_resolved,
    valley_is_exhibited,
)
from ntklora.certificates.twins import distance, signature_of
from ntklora.problem.many import values_and_gradient_norms
from ntklora.problem.objective import objective, training_loss
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]

# Twins closer than this times |κ|/‖H‖, at which distance the curvature κ of the first could change its sign, are one
# stationary point modulo gauge.
_NEAR = 0.1


class Endpoint(StrEnum):
    """Class of an endpoint (theory §2.2), equal to its string.

    `global`: within the tolerance of a dual bound. `spurious`: a strict minimum modulo gauge although a point of rank
    ≤ r is exhibited that is better. `rank_limited`: a strict minimum above the convex optimum, no better point of rank
    ≤ r known. `flat`: curvature ≥ 0, a valley. `saddle`: negative curvature, exhibited. `unconverged`: no stationary
    point within reach. `inconclusive`: the margin is below what the arithmetic supports.
    """

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

    The answer has `.endpoint`, the class; `.objective`, `.best_known`, `.gap` (relative), `.gradient_norm`,
    `.min_curvature` (modulo gauge): see `EndpointReport`.

    Errors: `ValueError` for factors whose names or shapes do not fit.
    Source: theory §2.2 [derived].

    >>> import ntklora as nl
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> short, long = np.array([[0.0], [1.0]]), np.array([[2**0.5], [0.0]])  # δ = e₂e₂ᵀ, and the best of rank 1
    >>> [str(classify_endpoint(problem, factor, factor).endpoint) for factor in (short, long)]
    ['saddle', 'rank_limited']
    """
    us, vs = host_factors(problem, u, v)
    ranks = {name: us[name].shape[1] for name in us}
    others = [host_factors(problem, *rival) for rival in (rivals or ())]
    for other, _ in others:
        if any(other[name].shape[1] > ranks[name] for name in other):
            raise ValueError(f"a rival has more columns than the endpoint's {ranks}: it exhibits nothing at this rank")
    reference = reference_for(problem, solution, ranks)
    host = problem.host()
    values = [float(objective(host, *other)) for other in others]
    report = _classify(host, reference, point_at(host, us, vs), min([reference.exhibited, *values]), tolerance)
    if np.isnan(report.min_curvature):
        value, _ = lowest_mode(hessian(reference.problem, *seen_factors(reference, us, vs)))
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

    >>> import ntklora as nl
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> factors = np.array([[[0.0], [1.0]], [[2**0.5], [0.0]]])
    >>> [str(report.endpoint) for report in classify_endpoints(problem, factors, factors)]
    ['saddle', 'rank_limited']
    """
    host = problem.host()
    left, right = host_ends(problem, us, vs)
    count = len(next(iter(left.values())))
    if count == 0:
        return []
    reference = reference_for(problem, solution, {name: x.shape[2] for name, x in left.items()})
    values, norms = values_and_gradient_norms(host, left, right)
    signatures = signature_of(values, left, right)
    best = min(reference.exhibited, float(values.min()))
    reports: list[EndpointReport | None] = [None] * count
    judged: list[tuple[np.ndarray, EndpointReport]] = []  # those whose curvature says how near a twin must be
    for s in np.argsort(norms):
        value, norm_there = float(values[s]), float(norms[s])
        twin = next((report for seen, report in judged if _is_twin(signatures[s], seen, report)), None)
        if twin is None:
            given = Point(
                {k: x[s] for k, x in left.items()}, {k: x[s] for k, x in right.items()}, value, norm_there, 0.0
            )
            report = reports[s] = _classify(host, reference, given, best, tolerance)
            if report.endpoint not in (Endpoint.global_, Endpoint.unconverged) and report.resolution > 0:
                judged.append((signatures[s], report))
        else:
            gap = twin.gap + relative_gap(host, value, twin.objective)
            reports[s] = twin._replace(objective=value, gap=gap, gradient_norm=norm_there)
    return [report for report in reports if report is not None]


def _classify(host: Problem, reference: Reference, given: Point, best_known: float, tolerance: float) -> EndpointReport:
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
    problem, units, (seen_us, seen_vs) = reference.problem, reference.units, seen_factors(reference, us, vs)
    dual = max(reference.dual, own_dual(reference, seen_us, seen_vs))
    report = report._replace(gap=relative_gap(host, given.objective, dual))
    if report.gap <= tolerance:
        return report
    unseen = unseen_norm(reference, us, vs) if host.lam > 0 else 0.0
    point, h = polished(problem, units, point_at(problem, seen_us, seen_vs, moved=unseen))
    dual = max(dual, own_dual(reference, point.us, point.vs))
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
    h = hessian(problem, point.us, point.vs) if h is None else h
    escape = deficient_escape(problem, point, h)
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
    convex = min(reference.convex, lifted_value(problem, point))
    above = given.objective - convex > floor
    return report._replace(endpoint=Endpoint.rank_limited if above else Endpoint.inconclusive)


def _is_twin(signature: np.ndarray, seen: np.ndarray, report: EndpointReport) -> bool:
    return bool(distance(signature, seen) <= _NEAR * abs(report.min_curvature) / report.scale)
