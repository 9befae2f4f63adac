"""KKR: beyond linearization, a LoRA run ends at the global minimum or it fails loudly: at high rank and large norm.

Three statements about second-order points of `L(uvᵀ) + (λ/2)(‖u‖² + ‖v‖²)` for a convex L with restricted constants α
and β: the paper's dichotomy, the form of the gradient behind it, and the rank beyond which nothing spurious is left.
Planted loud minima show that none of them is empty. The fourth, on the norm, is in `kkr_norm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ntklora.certificates.endpoints import Endpoint
from ntklora.certificates.restricted import restricted_curvature
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.loud_landscape import (
    SEEDS,
    STARTS,
    Landscape,
    conditioned_landscape,
    judge_points,
    logistic_landscape,
    planted_landscape,
    soft_landscape,
    soft_rank_share,
    tight_instance,
    tight_landscape,
    unspanned_landscape,
    with_saddle_at_zero,
)
from ntklora.instances.loud import plant_loud_minimum
from ntklora.theory.kkr import benign_rank, loud_ratio, residual_bound

# Share of starts that must end at second-order points; the statements say nothing of the others.
_FINISHED = 0.99
# The endpoints' gradients vanish to 1e-9 of their scale: what ratios of singular values and norms of S are good to.
_ACCURACY = 1e-6
# On the instance built for it a bound must be attained up to this factor, or it would say little.
_TIGHT = 1.1
# Spurious minima exist up to (2√r/(1 + 2√r))² of the rank of KKR-rank: three quarters and more at r = 16.
_NEARLY = 0.75
_PLANTED = (
    ((1.0,), (1.0,)),
    ((2.0, 1.0), (1.0,)),
    ((2.0, 1.5, 1.0), (1.0,)),
    ((1.5, 1.0), (1.0, 0.7)),
)  # singular values of the loud minimum and of the optimum

Landscapes = Sequence[Landscape]


def _instances(profile: Profile) -> list[Landscape]:
    """Loud minima, squared losses with 2α above and below β, logistic losses; the tight instance comes last."""
    starts, seeds = STARTS[profile], range(SEEDS[profile])
    return [
        *(planted_landscape(values, optimum, seed, starts) for values, optimum in _PLANTED for seed in seeds),
        *(conditioned_landscape(condition, seed, starts) for condition in (1.5, 1.9, 4.0) for seed in seeds),
        *(logistic_landscape(seed, starts) for seed in seeds),
        tight_landscape(0),
    ]


def _loud_ratio(each: Landscape) -> float:
    return loud_ratio(each.convexity, each.smoothness)


def judge_dichotomy(landscapes: Landscapes, ratio: Callable[[Landscape], float] = _loud_ratio) -> Evidence:
    """Whether every second-order point that is not global has `σ_r ≥ ratio · σ_{r*}`."""
    if any(each.convexity == 0 or each.rank < each.optimum_rank for each in landscapes):
        return INAPPLICABLE
    worst, loud, points, silent = np.inf, 0, 0, 0
    for each in landscapes:
        spurious, bound = each.values[~each.optimal], ratio(each)
        loud, points = loud + len(spurious), points + len(each.values)
        silent += len(spurious) if bound > 1 else 0
        if len(spurious):
            last, first = spurious[:, each.rank - 1], spurious[:, each.optimum_rank - 1]
            # A point of rank below r* would have 0/0: it is as far from the statement as can be.
            worst = min(worst, float(np.min(np.where(first > 0, last / np.where(first > 0, first, 1.0), 0.0))) / bound)
    if min(each.finished for each in landscapes) < _FINISHED or loud == 0:
        return Evidence(Outcome.inconclusive, None, None, None)
    outcome = Outcome.consistent if worst >= 1 - _ACCURACY else Outcome.refuted
    return Evidence(
        outcome,
        {"least_ratio_over_bound": 1.0, "not_global_although_2alpha_exceeds_beta": 0.0},
        {
            "least_ratio_over_bound": worst,
            "not_global_although_2alpha_exceeds_beta": float(silent),
            "loud_points": float(loud),
            "second_order_points": float(points),
        },
        worst - 1 + _ACCURACY if outcome is Outcome.consistent else worst - 1,
    )


def _dichotomy(profile: Profile) -> Evidence:
    landscapes = _instances(profile)
    return _if_tight(judge_dichotomy(landscapes), judge_dichotomy(landscapes[-1:]), "least_ratio_over_bound", _TIGHT)


def _if_tight(evidence: Evidence, tight: Evidence, name: str, most: float) -> Evidence:
    """The evidence, unless it is consistent and the instance built to attain the bound stays away from it."""
    loose = not isinstance(tight.measured, dict) or not 1 / most <= tight.measured[name] <= most
    return evidence._replace(outcome=Outcome.refuted) if evidence.outcome is Outcome.consistent and loose else evidence


def judge_residual(landscapes: Landscapes, smoothness_share: float = 1.0) -> Evidence:
    """Whether `∇L = −λUVᵀ + S` with `‖S‖_op ≤ λ + smoothness_share · βσ_r` at every second-order point.

    Inapplicable without decay, where factors need not be balanced.
    """
    if any(each.lam == 0 for each in landscapes):
        return INAPPLICABLE
    finished = min(each.finished for each in landscapes) >= _FINISHED
    misfit = max(float(each.misfit.max()) for each in landscapes)
    if not finished or misfit > _ACCURACY:
        return Evidence(Outcome.inconclusive, None, None, None)
    excess, share = -np.inf, 0.0
    for each in landscapes:
        smallest = each.values[:, each.rank - 1]
        bound = np.array([residual_bound(each.lam, smoothness_share * each.smoothness, value) for value in smallest])
        excess = max(excess, float(np.max(each.residual - bound)) / each.lam)
        if not each.optimal.all():
            used = (each.residual - each.lam) / (each.smoothness * np.maximum(smallest, np.finfo(float).tiny))
            share = max(share, float(used[~each.optimal].max()))
    outcome = Outcome.consistent if excess <= _ACCURACY else Outcome.refuted
    return Evidence(
        outcome,
        {"excess_over_bound_in_lambda": 0.0, "largest_share_of_beta_sigma_r": 1.0},
        {"excess_over_bound_in_lambda": excess, "largest_share_of_beta_sigma_r": share, "misfit": misfit},
        1 - excess / _ACCURACY,
    )


def _residual(profile: Profile) -> Evidence:
    landscapes = _instances(profile)
    tight = judge_residual(landscapes[-1:])
    return _if_tight(judge_residual(landscapes), tight, "largest_share_of_beta_sigma_r", _TIGHT)


def judge_rank(landscapes: Landscapes, share: float = 1.0) -> Evidence:
    """Whether every second-order point is global where `r > (share · β/2α)² r*`; inapplicable elsewhere."""
    if any(
        each.convexity == 0
        or each.rank < benign_rank(each.convexity, max(share * each.smoothness, each.convexity), each.optimum_rank)
        for each in landscapes
    ):
        return INAPPLICABLE
    if min(each.finished for each in landscapes) < _FINISHED:
        return Evidence(Outcome.inconclusive, None, None, None)
    spurious = sum(int((~each.optimal).sum()) for each in landscapes)
    return Evidence(
        Outcome.refuted if spurious else Outcome.consistent,
        {"not_global": 0.0},
        {"not_global": float(spurious), "second_order_points": float(sum(len(each.optimal) for each in landscapes))},
        float(-spurious),
    )


def _rank(profile: Profile) -> Evidence:
    starts, seeds = STARTS[profile], range(SEEDS[profile])
    evidence = judge_rank(
        [
            *(soft_landscape(rank, seed, starts) for rank in (3, 4) for seed in seeds),
            *(conditioned_landscape(1.9, seed, starts) for seed in seeds),
            *(conditioned_landscape(2.5, seed, starts, rank=4) for seed in seeds),
        ]
    )
    if evidence.outcome is not Outcome.consistent:
        return evidence
    shares = {f"r_over_bound_with_spurious_at_r{rank}": soft_rank_share(rank) for rank in (1, 4, 16)}
    loose = shares["r_over_bound_with_spurious_at_r16"] < _NEARLY
    assert isinstance(evidence.measured, dict)
    outcome = Outcome.refuted if loose or max(shares.values()) > 1 else evidence.outcome
    return evidence._replace(outcome=outcome, measured=evidence.measured | shares)


def _doubled(profile: Profile) -> Evidence:
    return judge_dichotomy([tight_landscape(0)], lambda each: 2 * _loud_ratio(each))


def _rank_one_convexity(profile: Profile) -> Evidence:
    """The constant that a search over differences of rank 1 ends at, in the place of rank r + r*."""
    convexity = restricted_curvature(tight_instance(0).problem, 1, radius=2.0).convexity.high
    return judge_dichotomy([tight_landscape(0)._replace(convexity=convexity)])


def _with_saddle(profile: Profile) -> list[Landscape]:
    values, optimum = _PLANTED[1]
    problem = plant_loud_minimum(values, optimum, seed=0, shape=(4, 4)).problem
    return [with_saddle_at_zero(planted_landscape(values, optimum, 0, STARTS[profile]), problem)]


def _too_narrow(profile: Profile) -> Evidence:
    return judge_dichotomy([conditioned_landscape(4.0, 0, STARTS[profile], rank=1)])


def _moved(profile: Profile) -> list[Landscape]:
    """The planted minimum with one factor moved by a thousandth, still taken for a second-order point."""
    planted = tight_instance(0)
    points = (planted.u + 1e-3)[None], planted.v[None]
    constants = planted.convexity, planted.smoothness
    return [judge_points(planted.problem, planted.u.shape[1], *points, [Endpoint.spurious], *constants)]


_SOURCE = "Kim, Kim, Ryu, ICML 2025, arXiv 2502.09376"

claims = (
    Claim(
        id="KKR",
        statement="With restricted convexity alpha (over differences of rank r + r*) and smoothness beta, r >= r*: "
        "every second-order stationary point of LoRA is global, or has rank exactly r with sigma_r >= (2 alpha/beta) "
        "sigma_{r*}; with 2 alpha > beta every one is global.",
        source=f"{_SOURCE}; constants re-derived for every r*",
        label=Label.paper,
        version=1,
        check=_dichotomy,
        controls=(
            Control("the constant doubled: 4 alpha/beta", Outcome.refuted, _doubled),
            Control("convexity over differences of rank 1 only", Outcome.refuted, _rank_one_convexity),
            Control(
                "a saddle counted as second order",
                Outcome.refuted,
                lambda profile: judge_dichotomy(_with_saddle(profile)),
            ),
            Control("LoRA rank below the optimum's", Outcome.inapplicable, _too_narrow),
            Control(
                "features that do not span: alpha = 0",
                Outcome.inapplicable,
                lambda profile: judge_dichotomy([unspanned_landscape(0)]),
            ),
        ),
    ),
    Claim(
        id="KKR-identity",
        statement="At a second-order stationary point X = U Sigma V^T of rank-r LoRA the gradient of L is "
        "-lambda U V^T + S with S orthogonal to U and V and |S|_op <= lambda + beta sigma_r(X).",
        source="derived; theory 2.4",
        label=Label.derived,
        version=1,
        check=_residual,
        controls=(
            Control(
                "half the smoothness",
                Outcome.refuted,
                lambda profile: judge_residual([tight_landscape(0)], smoothness_share=0.5),
            ),
            Control(
                "a saddle counted as second order",
                Outcome.refuted,
                lambda profile: judge_residual(_with_saddle(profile)),
            ),
            Control(
                "points that are not stationary",
                Outcome.inconclusive,
                lambda profile: judge_residual(_moved(profile)),
            ),
            Control(
                "no weight decay",
                Outcome.inapplicable,
                lambda profile: judge_residual([tight_landscape(0)._replace(lam=0.0)]),
            ),
        ),
    ),
    Claim(
        id="KKR-rank",
        statement="If r > (beta/(2 alpha))^2 r* and r >= r*, every second-order stationary point of LoRA is global.",
        source="derived, from the inequality behind KKR; theory 2.4",
        label=Label.derived,
        version=2,
        check=_rank,
        controls=(
            Control(
                "half the condition number, at a loud minimum",
                Outcome.refuted,
                lambda profile: judge_rank([soft_landscape(1, 0, STARTS[profile])], share=0.5),
            ),
            Control(
                "rank 1, which the bound does not reach",
                Outcome.inapplicable,
                lambda profile: judge_rank([soft_landscape(1, 0, STARTS[profile])]),
            ),
        ),
    ),
)
