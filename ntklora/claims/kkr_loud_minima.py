"""KKR: beyond linearization, a LoRA run ends at the global minimum or it fails loudly: at high rank and large norm.

Two statements about second-order points of `L(uvᵀ) + (λ/2)(‖u‖² + ‖v‖²)` for a convex L with restricted constants α and
β: the paper's dichotomy and the form of the gradient behind it. Planted loud minima show that neither is empty. What
follows for the distance and the rank is in `kkr_distance`, the bound of the norm in `kkr_norm`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ntklora.certificates.endpoints import Endpoint
from ntklora.certificates.restricted import restricted_curvature
from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.loud_landscape import (
    FINISHED,
    STARTS,
    TIGHT,
    Landscape,
    conditioned_landscape,
    if_tight,
    judge_points,
    kkr_landscapes,
    tight_instance,
    tight_landscape,
    unspanned_landscape,
    with_saddle,
)
from ntklora.theory.kkr import loud_ratio, residual_bound

# The endpoints' gradients vanish to 1e-9 of their scale: what ratios of singular values and norms of S are good to.
_ACCURACY = 1e-6

Landscapes = Sequence[Landscape]


def _loud_ratio(each: Landscape) -> float:
    return loud_ratio(each.convexity, each.smoothness)


def judge_dichotomy(landscapes: Landscapes, ratio: Callable[[Landscape], float] = _loud_ratio) -> Evidence:
    """Whether every second-order point that is not global has `σ_r ≥ ratio · σ_{r*}`."""
    if not all(each.covered for each in landscapes):
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
    if min(each.finished for each in landscapes) < FINISHED or loud == 0:
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
    landscapes = kkr_landscapes(profile)
    return if_tight(judge_dichotomy(landscapes), judge_dichotomy(landscapes[-1:]), "least_ratio_over_bound", TIGHT)


def judge_residual(landscapes: Landscapes, smoothness_share: float = 1.0) -> Evidence:
    """Whether `∇L = −λUVᵀ + S` with `‖S‖_op ≤ λ + smoothness_share · βσ_r` at every second-order point.

    Inapplicable without decay, where factors need not be balanced.
    """
    if any(each.lam == 0 for each in landscapes):
        return INAPPLICABLE
    finished = min(each.finished for each in landscapes) >= FINISHED
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
    landscapes = kkr_landscapes(profile)
    tight = judge_residual(landscapes[-1:])
    return if_tight(judge_residual(landscapes), tight, "largest_share_of_beta_sigma_r", TIGHT)


def _doubled(profile: Profile) -> Evidence:
    return judge_dichotomy([tight_landscape(0)], lambda each: 2 * _loud_ratio(each))


def _rank_one_convexity(profile: Profile) -> Evidence:
    """The constant that a search over differences of rank 1 ends at, in the place of rank r + r*."""
    convexity = restricted_curvature(tight_instance(0).problem, 1, radius=2.0).convexity.high
    return judge_dichotomy([tight_landscape(0)._replace(convexity=convexity)])


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
        statement="With restricted convexity α > 0 (over differences of rank r + r*) and smoothness β, λ > 0, r ≥ r*: "
        "every second-order stationary point of LoRA is global, or has rank exactly r with σ_r ≥ (2α/β) σ_{r*}; with "
        "2α > β every one is global.",
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
                lambda profile: judge_dichotomy(with_saddle(profile)),
            ),
            Control("LoRA rank below the optimum's", Outcome.inapplicable, _too_narrow),
            Control(
                "no weight decay",
                Outcome.inapplicable,
                lambda profile: judge_dichotomy([tight_landscape(0)._replace(lam=0.0)]),
            ),
            Control(
                "features that do not span: alpha = 0",
                Outcome.inapplicable,
                lambda profile: judge_dichotomy([unspanned_landscape(0)]),
            ),
        ),
    ),
    Claim(
        id="KKR-identity",
        statement="At a second-order stationary point X = U Σ Vᵀ of rank-r LoRA the gradient of L is −λ U Vᵀ + S with "
        "S orthogonal to U and V and ‖S‖_op ≤ λ + β σ_r(X).",
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
                lambda profile: judge_residual(with_saddle(profile)),
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
)
