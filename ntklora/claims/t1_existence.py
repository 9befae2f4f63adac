"""T1, T1-span, T1-blocks: some minimizer has low rank, and here it is, constructed from any other one.

A minimizer is certified by its duality gap, its rank lowered with the outputs kept (`reduce_rank`), and what comes out
is certified again. Generic minimizers are unique and low already, so most of the weight lies on planted optima of far
higher rank, with weight decay and without, and on the tight instance, where the bound leaves no room.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ntklora.certificates.duality import duality_gap
from ntklora.certificates.rank_reduction import reduce_rank
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import solve
from ntklora.claims._minimizers import (
    Case,
    centred,
    duplicated,
    judge,
    outputs_count,
    reduce_case,
    spanned,
    tight_case,
    without_decay,
)
from ntklora.claims.claim import Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.instances.named import named_problem
from ntklora.instances.planted_optima import PlantedOptimum, plant_optimum
from ntklora.problem.losses import Squared
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

# LoRA below the rank of the tight instance must stay above the optimum by this share of it.
_STRICT = 1e-6

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
        statement="KN may be replaced by d = dim span{G_ij}, for softmax cross-entropy by dim span{G_ij − G_iK}.",
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
