"""Minimizers to be reduced: cases of which a minimizer is known, and what T1's statements ask of the reduced point."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ntklora.certificates.duality import CERTIFIED, duality_gap
from ntklora.certificates.rank_reduction import reduce_rank
from ntklora.certificates.separation import has_minimizer
from ntklora.certificates.span import span_dimension
from ntklora.claims.claim import INAPPLICABLE, Evidence, Outcome
from ntklora.instances.planted import plant_tight_optimum
from ntklora.instances.planted_optima import PlantedOptimum
from ntklora.problem.losses import CrossEntropy, Squared
from ntklora.problem.objective import nuclear_norm
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory.ranks import gauge_count

# What the reduced point may lose: its outputs, relative to the largest; its nuclear norm, relative; its gap.
_OUTPUTS, _GROWTH, _GAP = 1e-10, 1e-10, 2e-8


class Case(NamedTuple):
    """A problem, a minimizer, and the largest count Σ_l r_l(r_l+1)/2 that the statement allows."""

    problem: Problem
    delta: Any
    allowed: int


class Reduced(NamedTuple):
    """A minimizer's gap and `size = Σ_l r_l(r_l+1)/2`; then size, changes and gap of the reduced point."""

    start_gap: float
    start_size: int
    size: int
    outputs: float
    growth: float
    gap: float


def reduce_case(case: Case, reduce: Callable[[Problem, Any], tuple[Any, Any]] = reduce_rank) -> Reduced:
    """What `reduce_rank` (or what a control puts in its place) makes of a minimizer."""
    problem, op = case.problem, case.problem.op
    u, v = reduce(problem, case.delta)
    us, vs = op.as_dict(u), op.as_dict(v)
    reduced = {name: us[name] @ vs[name].T for name in us}
    before = op.apply(case.delta)
    norm = float(nuclear_norm(problem, case.delta))
    return Reduced(
        start_gap=duality_gap(problem, case.delta).gap,
        start_size=gauge_count(int(np.linalg.matrix_rank(d, rtol=1e-7)) for d in op.as_dict(case.delta).values()),
        size=gauge_count(x.shape[1] for x in us.values()),
        outputs=float(np.abs(op.apply(reduced) - before).max() / max(np.abs(before).max(), 1e-300)),
        growth=float(nuclear_norm(problem, reduced)) / max(norm, 1e-300) - 1.0,
        gap=duality_gap(problem, reduced).gap,
    )


def judge(cases: Iterable[Case], reduce: Callable[[Problem, Any], tuple[Any, Any]] = reduce_rank) -> Evidence:
    """Inapplicable without minimizers, inconclusive without certificates, else what the reduced points say."""
    cases = tuple(cases)
    if not all(has_minimizer(case.problem) for case in cases):
        return INAPPLICABLE
    found = [reduce_case(case, reduce) for case in cases]
    if not all(each.start_gap <= CERTIFIED for each in found):
        return Evidence(Outcome.inconclusive, None, {"gap": max(each.start_gap for each in found)}, None)
    margin = min(
        *(float(case.allowed - each.size) for case, each in zip(cases, found)),
        *(1.0 - each.outputs / _OUTPUTS for each in found),
        *(1.0 - each.growth / _GROWTH for each in found),
        *(1.0 - each.gap / _GAP for each in found),
    )
    return Evidence(
        Outcome.consistent if margin >= 0 else Outcome.refuted,
        {"count_over_allowed": 1.0, "outputs_change": 0.0, "nuclear_norm_growth": 0.0, "gap": 0.0},
        {
            "count_over_allowed": max(each.size / case.allowed for case, each in zip(cases, found)),
            "count_over_allowed_before": max(each.start_size / case.allowed for case, each in zip(cases, found)),
            "outputs_change": max(each.outputs for each in found),
            "nuclear_norm_growth": max(each.growth for each in found),
            "gap": max(each.gap for each in found),
        },
        margin,
    )


def outputs_count(problem: Problem) -> int:
    """KN."""
    return problem.num_samples * problem.num_outputs


def duplicated(problem: Problem, times: int) -> Problem:
    """Every sample `times` over: the same objective and minimizers, `times` as many outputs, the same span."""
    twice = np.tile(np.arange(problem.num_samples), times)
    return Problem(problem.op.take(twice), problem.f0[twice], problem.y[twice], problem.loss, problem.lam)


def centred(problem: Problem) -> Problem:
    """With `G_ij` minus its mean over j: the same problem for a loss that does not see shifts common to all logits."""
    features = {name: g - g.mean(1, keepdims=True) for name, g in problem.op.as_dict(problem.op.dense()).items()}
    op = TangentOperator.from_dense(problem.op.like(features))
    return Problem(op, problem.f0, problem.y, problem.loss, problem.lam)


def spanned(problem: Problem, delta: Any) -> Case:
    """With d in place of KN, on the features as the loss sees them."""
    seen = centred(problem) if isinstance(problem.loss, CrossEntropy) else problem
    return Case(seen, delta, span_dimension(problem))


def without_decay(planted: PlantedOptimum, *, torn: float = 1.0) -> Case:
    """`λ = 0`, minimized by the planted `δ`: every sample is met with targets that pull its outputs apart evenly.

    Squared loss: above and below the outputs (`torn` = 0 interpolates). Logistic and softmax: once with each label,
    `f0 = −A(δ)`. So `A*(∇ℓ) = 0`, and no direction separates the data.
    """
    problem, delta = planted
    n, k = problem.num_samples, problem.num_outputs
    z = problem.op.apply(delta)
    y: np.ndarray
    if isinstance(problem.loss, Squared):
        copies, f0 = 2, problem.f0
        pull = torn * np.random.default_rng(0).standard_normal((n, k))
        y = np.concatenate([f0 + z + pull, f0 + z - pull])
    else:
        copies, f0 = max(2, k), -z
        y = np.repeat(np.arange(k) if isinstance(problem.loss, CrossEntropy) else np.array([-1.0, 1.0]), n)
    rows = np.tile(np.arange(n), copies)
    return spanned(Problem(problem.op.take(rows), f0[rows], y, problem.loss, 0.0), delta)


def tight_case(rank: int, allowed: int | None = None) -> Case:
    """The tight instance of this rank, where `KN = r(r+1)/2`."""
    planted = plant_tight_optimum(rank, seed=rank)
    count = outputs_count(planted.problem)
    return Case(planted.problem, planted.u @ planted.v.T, count if allowed is None else allowed)
