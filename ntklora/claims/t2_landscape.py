"""T2: above the rank threshold, LoRA has no spurious local minima."""

from __future__ import annotations

import numpy as np

from ntklora.certificates.endpoints import Endpoint
from ntklora.claims.claim import Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.perturbed_landscape import (
    SETTINGS,
    Surveyed,
    count,
    perturbed_landscapes,
    planted_landscape,
    survey_setting,
    untrained,
)

# Share of endpoints that must be certified global; the others may be unfinished, none may be spurious.
_GLOBAL_SHARE = 0.99


def _check(profile: Profile) -> Evidence:
    surveyed = perturbed_landscapes(profile)
    # With optima of rank 1 mostly, every descent would end well: that would be no test of the theorem.
    if np.mean([each.unperturbed.rank >= 2 for each in surveyed]) < 0.5:
        return Evidence(Outcome.inconclusive, None, None, None)
    return _evidence(surveyed)


def _evidence(surveyed: tuple[Surveyed, ...]) -> Evidence:
    """Inapplicable outside the hypotheses; otherwise what the endpoints say."""
    inside = all(each.inside_hypotheses for each in surveyed)
    return _verdict(surveyed) if inside else Evidence(Outcome.inapplicable, None, None, None)


def _verdict(surveyed: tuple[Surveyed, ...]) -> Evidence:
    """Refuted by one spurious minimum, consistent when all but 1% of the endpoints are certified global."""
    starts = sum(len(each.landscape.kinds) for each in surveyed)
    spurious = count(surveyed, Endpoint.spurious)
    share = count(surveyed, Endpoint.global_) / starts
    margin = (share - _GLOBAL_SHARE) / (1 - _GLOBAL_SHARE)
    finished = Outcome.consistent if margin >= 0 else Outcome.inconclusive
    return Evidence(
        Outcome.refuted if spurious else finished,
        {"spurious": 0, "global_share": 1.0},
        {"spurious": spurious, "global_share": share, "starts": starts},
        -float(spurious) if spurious else margin,
    )


def _planted_without_hypothesis(profile: Profile) -> Evidence:
    return _verdict((planted_landscape(),))


def _rank_below_threshold(profile: Profile) -> Evidence:
    return _evidence((survey_setting(SETTINGS[profile][0], seed=0, starts=8, below=1),))


def _untrained(profile: Profile) -> Evidence:
    return _evidence(tuple(untrained(each) for each in perturbed_landscapes(profile)[:1]))


claim = Claim(
    id="T2",
    statement="If F has a minimizer and r(r+1)/2 > KN, then for almost every PSD P every second-order stationary point "
    "of LoRA's perturbed objective F_P is a global minimizer of F_P.",
    source="Jang, Lee, Ryu, ICML 2024, arXiv 2402.11867",
    label=Label.paper,
    version=1,
    check=_check,
    controls=(
        Control(
            "planted minimum at N = r(r+3)/2, hypothesis not asked for", Outcome.refuted, _planted_without_hypothesis
        ),
        Control("rank one below the threshold", Outcome.inapplicable, _rank_below_threshold),
        Control("solver stopped before its first step", Outcome.inconclusive, _untrained),
    ),
)
