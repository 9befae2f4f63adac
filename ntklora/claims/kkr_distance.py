"""KKR-distance and KKR-rank: how far from the optimum a second-order point lies, and from which rank none is left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ntklora.claims.claim import INAPPLICABLE, Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.loud_landscape import (
    FINISHED,
    SEEDS,
    STARTS,
    TIGHT,
    Landscape,
    conditioned_landscape,
    if_tight,
    kkr_landscapes,
    soft_landscape,
    soft_rank_share,
    tight_landscape,
    unspanned_landscape,
    with_saddle,
)
from ntklora.theory.kkr import benign_rank, distance_bounds

# Distances are known to the accuracy of stationary points and of the certified optimum.
_ACCURACY = 1e-6
# Spurious minima exist up to (2√r/(1 + 2√r))² of the rank of KKR-rank: three quarters and more at r = 16.
_NEARLY = 0.75
Landscapes = Sequence[Landscape]


def judge_distance(landscapes: Landscapes, smoothness_share: float = 1.0) -> Evidence:
    """Whether `‖X − X*‖²` is between the ends of KKR-distance at every second-order point, β taken that many times."""
    if not all(each.covered for each in landscapes):
        return INAPPLICABLE
    if min(each.finished for each in landscapes) < FINISHED:
        return Evidence(Outcome.inconclusive, None, None, None)
    too_near = too_far = -np.inf
    near_share = far_share = 0.0
    for each in landscapes:
        scale = float(each.distance.max() + (each.values**2).sum(1).max())
        smoothness = max(smoothness_share * each.smoothness, each.convexity)
        for values, distance, outside, optimal in zip(
            each.values, each.distance, each.outside, each.optimal, strict=True
        ):
            near, far = distance_bounds(each.convexity, smoothness, list(values), each.optimum_rank, float(outside))
            too_near, too_far = max(too_near, (near - distance) / scale), max(too_far, (distance - far) / scale)
            if not optimal:
                near_share, far_share = (
                    max(near_share, near / distance),
                    max(far_share, distance / far if far else np.inf),
                )
    excess = max(too_near, too_far)
    return Evidence(
        Outcome.consistent if excess <= _ACCURACY else Outcome.refuted,
        {"below_the_near_end": 0.0, "beyond_the_far_end": 0.0},
        {
            "below_the_near_end": float(too_near),
            "beyond_the_far_end": float(too_far),
            "largest_near_end_over_distance": float(near_share),
            "largest_distance_over_far_end": float(min(far_share, np.finfo(float).max)),
        },
        float(1 - excess / _ACCURACY),
    )


def _distance(profile: Profile) -> Evidence:
    landscapes = kkr_landscapes(profile)
    evidence, tight = judge_distance(landscapes), judge_distance(landscapes[-1:])
    for name in ("largest_near_end_over_distance", "largest_distance_over_far_end"):
        evidence = if_tight(evidence, tight, name, TIGHT)
    return evidence


def judge_rank(landscapes: Landscapes, share: float = 1.0) -> Evidence:
    """Whether every second-order point is global where `r > (share · β/2α)² r*`; inapplicable elsewhere."""
    if not all(
        each.covered
        and each.rank >= benign_rank(each.convexity, max(share * each.smoothness, each.convexity), each.optimum_rank)
        for each in landscapes
    ):
        return INAPPLICABLE
    if min(each.finished for each in landscapes) < FINISHED:
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


claims = (
    Claim(
        id="KKR-distance",
        statement="With α > 0 and β as in KKR, λ > 0, r ≥ r*: at a second-order stationary point X = U Σ Vᵀ of LoRA, "
        "with B = (I − UUᵀ) X* (I − VVᵀ), "
        "2σ_{r*}(X)‖B‖_* + Σ_{i > r*} σ_i(X)² ≤ ‖X − X*‖² ≤ (β/α) σ_r(X)‖B‖_*.",
        source="derived, for every r* ≤ r; it implies KKR; theory 2.4",
        label=Label.derived,
        version=1,
        check=_distance,
        controls=(
            Control(
                "half the smoothness",
                Outcome.refuted,
                lambda profile: judge_distance([tight_landscape(0)], smoothness_share=0.5),
            ),
            Control(
                "a saddle counted as second order",
                Outcome.refuted,
                lambda profile: judge_distance(with_saddle(profile)),
            ),
            Control(
                "features that do not span: alpha = 0",
                Outcome.inapplicable,
                lambda profile: judge_distance([unspanned_landscape(0)]),
            ),
        ),
    ),
    Claim(
        id="KKR-rank",
        statement="With α > 0 and β as in KKR and λ > 0: if r > (β/(2α))² r* and r ≥ r*, every second-order stationary "
        "point of LoRA is global.",
        source="derived, from the proof of KKR-distance; theory 2.4",
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
