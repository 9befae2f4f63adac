"""T1, T1-span, T1-blocks: some minimizer has low rank, and here it is, constructed from any other one.

A minimizer is certified by its duality gap, its rank lowered with the outputs kept (`reduce_rank`), and what comes out
is certified again. Generic minimizers are unique and low already, so most of the weight lies on planted optima of far
higher rank, with weight decay and without, and on the tight instance, where the bound leaves no room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import numpy as np

from ntklora.certificates.duality import CERTIFIED, duality_gap
from ntklora.certificates.rank_reduction import reduce_rank
from ntklora.certificates.separation import has_minimizer
from ntklora.certificates.span import span_dimension
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import solve
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.instances.named import named_problem
from ntklora.instances.planted import plant_tight_optimum
from ntklora.instances.planted_optima import PlantedOptimum, plant_optimum
from ntklora.problem.losses import CrossEntropy, Squared
from ntklora.problem.objective import nuclear_norm
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory.ranks import gauge_count

# What the reduced point may lose: its outputs, relative to the largest; its nuclear norm, relative; its gap.
_OUTPUTS, _GROWTH, _GAP = 1e-10, 1e-10, 2e-8
# LoRA below the rank of the tight instance must stay above the optimum by this share of it.
_STRICT = 1e-6


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


_SOLVED = (
    ("gaussian", 16, 1, "squared"),
    ("mlp_random_labels", 16, 1, "logistic"),
    ("cnn_random_labels", 6, 3, "cross_entropy"),
    ("transformer_random_labels", 12, 1, "squared"),
)
_PLANTED = (("squared", 1), ("squared", 3), ("logistic", 1), ("cross_entropy", 3))
_SEEDS = {Profile.smoke: 1, Profile.default: 5, Profile.full: 50}


def _solved_cases(profile: Profile) -> list[Case]:
    cases = []
    for family, num_samples, num_outputs, loss in _SOLVED[:1] if profile is Profile.smoke else _SOLVED:
        problem = named_problem(family, num_samples=num_samples, num_outputs=num_outputs, loss=loss, seed=0)
        cases.append(Case(problem, solve(problem).delta, outputs_count(problem)))
    return cases


def _planted(profile: Profile, ranks: tuple[int, ...]) -> list[PlantedOptimum]:
    """Optima with Σ_l r_l(r_l+1)/2 far above KN, all losses."""
    return [
        plant_optimum(ranks, 4, seed=seed, num_outputs=num_outputs, loss=loss)
        for loss, num_outputs in _PLANTED
        for seed in range(_SEEDS[profile])
    ]


def _existence(profile: Profile) -> Evidence:
    tight = [tight_case(rank) for rank in range(1, 7)]
    planted = [Case(problem, delta, outputs_count(problem)) for problem, delta in _planted(profile, (6,))]
    undecayed = [without_decay(each, torn=torn) for each in _planted(profile, (6,)) for torn in (0.0, 1.0)]
    undecayed = [case._replace(allowed=outputs_count(case.problem)) for case in undecayed]
    evidence = judge([*_solved_cases(profile), *planted, *undecayed, *tight])
    # A bound says something only where it is attained: no slack on the tight instances, and LoRA below stays above.
    slack = max(case.allowed - reduce_case(case).size for case in tight)
    excess = min(_excess_below(tight[rank - 1], rank - 1) for rank in ((2,) if profile is Profile.smoke else (2, 3)))
    assert isinstance(evidence.measured, dict)
    measured = {**evidence.measured, "tight_slack": float(slack), "excess_below_tight_rank": excess}
    attained = slack == 0 and excess > _STRICT
    refuted = evidence.outcome is Outcome.consistent and not attained
    return evidence._replace(outcome=Outcome.refuted if refuted else evidence.outcome, measured=measured)


def _excess_below(case: Case, rank: int) -> float:
    """`(best F(u, v) of this rank − min F)/min F` over random starts."""
    ends = find_endpoints(case.problem, rank, jax.random.key(0), starts=16)
    optimum = duality_gap(case.problem, case.delta).primal
    return float(ends.objective.min() - optimum) / optimum


def _span(profile: Profile) -> Evidence:
    """Samples met three times (d ≤ KN/3), and cross-entropy, which sees differences of logits only (d ≤ (K − 1)N)."""
    repeated = [plant_optimum((6,), 4, seed=seed) for seed in range(_SEEDS[profile])]
    return judge(
        [
            *(spanned(duplicated(problem, 3), delta) for problem, delta in repeated),
            *(spanned(*planted) for planted in _planted(profile, (6,))),
            *(without_decay(planted) for planted in _planted(profile, (6,))),
        ]
    )


def _blocks(profile: Profile) -> Evidence:
    planted = [each for ranks in ((4, 4), (2, 5, 3)) for each in _planted(profile, ranks)]
    return judge([*(spanned(*each) for each in planted), *(without_decay(each) for each in planted)])


class _WrongSquared(Squared):
    """The squared loss with a conjugate that forgets its factor ½: an equally convex function, and a false bound."""

    def conjugate(self, alpha: Any, y: Any) -> Any:
        """`‖α_i‖² + <α_i, y_i>`."""
        return (alpha**2 + alpha * y).sum(1)


def _wrong_conjugate(profile: Profile) -> Evidence:
    problem, delta, allowed = tight_case(3)
    wrong = Problem(problem.op, problem.f0, problem.y, _WrongSquared(), problem.lam)
    return judge([Case(wrong, delta, allowed)])


def _count_off_by_one(profile: Profile) -> Evidence:
    return judge([tight_case(rank, rank * (rank + 1) // 2 - 1) for rank in (2, 3)])


def _stopped_early(profile: Profile) -> Evidence:
    problem, delta, allowed = tight_case(3)
    return judge([Case(problem, np.zeros_like(delta), allowed)])


def _off_the_minimum(profile: Profile) -> Evidence:
    """Without decay, and the targets of the first sample moved: `δ` does not minimize, as `ker A*` tells."""
    problem, delta, allowed = without_decay(plant_optimum((6,), 4, seed=0))
    y = np.array(problem.y)
    y[0] += 1.0
    return judge([Case(Problem(problem.op, problem.f0, y, problem.loss, 0.0), delta, allowed)])


def _no_minimizer(profile: Profile) -> Evidence:
    """Two separable samples without weight decay, seen by as many weights as samples."""
    features = {name: row.reshape(2, 1, 1, 1) for name, row in zip("ab", np.eye(2))}
    op = TangentOperator.from_dense(features)
    problem = Problem(op, np.zeros(2), np.array([1.0, -1.0]), "logistic", 0.0)
    return judge([spanned(problem, {name: np.zeros((1, 1)) for name in features})])


def _sample_left_out(profile: Profile) -> Evidence:
    def reduce(problem: Problem, delta: Any) -> tuple[Any, Any]:
        kept = np.arange(problem.num_samples - 1)
        fewer = Problem(problem.op.take(kept), problem.f0[kept], problem.y[kept], problem.loss, problem.lam)
        return reduce_rank(fewer, delta)

    return judge([spanned(*plant_optimum((6,), 4, seed=0))], reduce)


def _shift_that_is_seen(profile: Profile) -> Evidence:
    problem, delta = plant_optimum((6,), 3, seed=0, num_outputs=3)
    return judge([spanned(problem, delta)], lambda each, minimizer: reduce_rank(centred(each), minimizer))


def _layers_one_by_one(profile: Profile) -> Evidence:
    """Each layer keeps its own share of the outputs: KN is counted once for each layer instead of once."""

    def reduce(problem: Problem, delta: Any) -> tuple[Any, Any]:
        us, vs = {}, {}
        for name, block in problem.op.blocks.items():
            alone = Problem(TangentOperator({name: block}), problem.f0, problem.y, problem.loss, problem.lam)
            u, v = reduce_rank(alone, {name: delta[name]})
            us[name], vs[name] = u[name], v[name]
        return us, vs

    return judge([spanned(*plant_optimum((4, 4), 5, seed=0))], reduce)


claims = (
    Claim(
        id="T1",
        statement="If F has a minimizer, it has one of rank r with r(r+1)/2 ≤ KN.",
        source="Jang, Lee, Ryu, ICML 2024, arXiv 2402.11867; tight instance derived",
        label=Label.paper,
        version=2,
        check=_existence,
        controls=(
            Control("count off by one: r(r+1)/2 ≤ KN − 1 on the tight instance", Outcome.refuted, _count_off_by_one),
            Control("conjugate without its factor 1/2", Outcome.inconclusive, _wrong_conjugate),
            Control("solver stopped before its first step", Outcome.inconclusive, _stopped_early),
            Control("no weight decay, a target moved", Outcome.inconclusive, _off_the_minimum),
            Control("separable data without weight decay", Outcome.inapplicable, _no_minimizer),
        ),
    ),
    Claim(
        id="T1-span",
        statement="KN may be replaced by d = dim span{G_ij}, for softmax cross-entropy by dim span{G_ij - G_iK}.",
        source="derived from Jang, Lee, Ryu, ICML 2024; theory 2",
        label=Label.derived,
        version=3,
        check=_span,
        controls=(
            Control("a sample left out of the span", Outcome.refuted, _sample_left_out),
            Control("shifts of the outputs left out for a loss that sees them", Outcome.refuted, _shift_that_is_seen),
            Control("separable data without weight decay", Outcome.inapplicable, _no_minimizer),
        ),
    ),
    Claim(
        id="T1-blocks",
        statement="With several weights some minimizer has Σ_l r_l(r_l+1)/2 ≤ d: d is counted once.",
        source="derived from Jang, Lee, Ryu, ICML 2024; theory 2",
        label=Label.derived,
        version=3,
        check=_blocks,
        controls=(
            Control("layers reduced one by one: d counted for each", Outcome.refuted, _layers_one_by_one),
            Control("separable data without weight decay", Outcome.inapplicable, _no_minimizer),
        ),
    ),
)
