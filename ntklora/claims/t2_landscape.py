"""T2: above the rank threshold, LoRA has no spurious local minima."""

from __future__ import annotations

import numpy as np

from ntklora.claims.claim import Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.perturbed_landscape import (
    ALL_LAYERS,
    STARTS,
    Setting,
    Statement,
    Surveyed,
    judge_landscapes,
    survey_setting,
)
from ntklora.theory.ranks import landscape_rank

_SMOKE = (Setting("gaussian", 6, 1, "squared"), Setting("mlp_random_labels", 6, 1, "logistic"))
_DEFAULT = (
    Setting("gaussian", 14, 1, "squared"),
    Setting("gaussian", 14, 1, "logistic"),
    Setting("gaussian", 6, 3, "cross_entropy"),
    Setting("mlp", 14, 1, "squared"),
    Setting("mlp_random_labels", 14, 1, "squared"),
    Setting("mlp_random_labels", 14, 1, "logistic"),
    Setting("mlp_random_labels", 6, 3, "cross_entropy"),
    Setting("cnn", 14, 1, "squared"),
    Setting("cnn_random_labels", 14, 1, "squared"),
    Setting("cnn_random_labels", 14, 1, "logistic"),
    Setting("transformer_random_labels", 14, 1, "squared"),
    Setting("transformer_random_labels", 7, 2, "cross_entropy"),
    Setting(ALL_LAYERS, 14, 1, "squared"),
)
_SETTINGS = {
    Profile.smoke: _SMOKE,
    Profile.default: _DEFAULT,
    Profile.full: (*_DEFAULT, *(setting._replace(num_samples=2 * setting.num_samples) for setting in _DEFAULT)),
}


def landscapes_in_range(profile: Profile, *, every: int = 1, below: int = 0) -> tuple[Surveyed, ...]:
    """Every setting of the profile (or every so many) at the smallest rank of T2, or `below` that rank by so many."""
    numbered = list(enumerate(_SETTINGS[profile]))[::every]
    return tuple(
        survey_setting(
            setting,
            landscape_rank(setting.num_samples * setting.num_outputs) - below,
            seed=seed,
            starts=STARTS[profile],
        )
        for seed, setting in numbered
    )


def _check(profile: Profile) -> Evidence:
    surveyed = landscapes_in_range(profile)
    # With optima of rank 1 mostly, every descent would end well: that would be no test of the theorem.
    if np.mean([each.unperturbed.rank >= 2 for each in surveyed]) < 0.5:
        return Evidence(Outcome.inconclusive, None, None, None)
    return _STATEMENT.check(surveyed)


def _rank_below_threshold(profile: Profile) -> Evidence:
    return _STATEMENT.check(landscapes_in_range(Profile.smoke, below=1))


_STATEMENT = Statement(lambda surveyed: surveyed.in_range, judge_landscapes)

claim = Claim(
    id="T2",
    statement="If F has a minimizer and r(r+1)/2 > KN, then for almost every PSD P every second-order stationary point "
    "of LoRA's perturbed objective F_P is a global minimizer of F_P.",
    source="Jang, Lee, Ryu, ICML 2024, arXiv 2402.11867",
    label=Label.paper,
    version=3,
    check=_check,
    controls=(
        *_STATEMENT.controls(lambda profile: landscapes_in_range(profile)[0]),
        Control("rank one below the threshold", Outcome.inapplicable, _rank_below_threshold),
    ),
)
