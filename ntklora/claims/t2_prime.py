"""T2-prime: for almost every P the count r(r+3)/2 > d suffices, r more than T2 asks for.

Proof [derived]. A second-order stationary point `Q` of F_P with a column to spare is global (L3). Let `Q` have rank r
and `S x = −μ x`, `μ > 0`; then `x ⟂ Q`, since `S Q = 0`. The directions `D = x zᵀ + Q M`, M symmetric, have dimension
r + r(r+1)/2 = r(r+3)/2 > d, so one of them changes no output to first order: `J(D) = 0`. Its curvature
`2<S, D Dᵀ> = −2μ‖z‖²` is not negative, hence `z = 0` and `M ≠ 0`. Along `Q(I + tM)^{1/2}` outputs are constant, so `S`
is, so `S Q = 0` stays: stationary points that no gauge relates. But F_P on the manifold of the `Q Qᵀ` of rank r is F
plus the linear function `<P, ·>`, and for almost every P such a sum is a Morse function, whose critical points are
isolated. With several weights, d counts the outputs and each weight of full rank has this argument to itself.

Instances lie where T2 is silent: r(r+1)/2 ≤ d < r(r+3)/2. Two kinds: random starts on networks and Gaussian features;
and starts around points planted as spurious at `d = r(r+3)/2 − 1`: saddles, and valleys that P = 0 leaves in place.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ntklora.certificates.span import span_dimension
from ntklora.claims.claim import Claim, Control, Evidence, Label, Outcome, Profile
from ntklora.claims.perturbed_landscape import (
    ALL_LAYERS,
    PERTURBATION,
    STARTS,
    Setting,
    Statement,
    Surveyed,
    common_size,
    judge_landscapes,
    plain_problem,
    planted_shape,
    survey_around,
    survey_setting,
)
from ntklora.instances.gaussian import random_perturbation
from ntklora.instances.planted import Planted, plant_spurious_minimum, plant_spurious_valley
from ntklora.theory.ranks import planting_threshold, sharp_landscape_rank

_SMOKE = (Setting("gaussian", 5, 1, "squared", repeated=True),)
_DEFAULT = (
    Setting("gaussian", 14, 1, "squared", repeated=True),
    Setting("mlp_random_labels", 14, 1, "logistic", repeated=True),
    Setting("mlp_random_labels", 6, 3, "cross_entropy"),
    Setting("cnn_random_labels", 14, 1, "squared", repeated=True),
    Setting("transformer_random_labels", 14, 1, "squared", repeated=True),
    Setting(ALL_LAYERS, 14, 1, "squared", repeated=True),
)
_SETTINGS = {
    Profile.smoke: _SMOKE,
    Profile.default: _DEFAULT,
    Profile.full: (
        *_DEFAULT,
        Setting("cnn", 14, 1, "logistic", repeated=True),
        Setting("transformer", 7, 2, "cross_entropy"),
        *(setting._replace(num_samples=2 * setting.num_samples, repeated=False) for setting in _DEFAULT),
    ),
}
_SILENT = 0.5  # of the landscapes, at least, on which T2 is silent
_DRAWS = {Profile.smoke: 1, Profile.default: 2, Profile.full: 20}


def landscapes_in_gap(profile: Profile) -> tuple[Surveyed, ...]:
    """Random starts at the smallest rank of T2-prime."""
    return tuple(
        survey_setting(
            setting,
            sharp_landscape_rank(span_dimension(plain_problem(setting, seed))),
            seed=seed,
            starts=STARTS[profile],
        )
        for seed, setting in enumerate(_SETTINGS[profile])
    )


def planted_below(profile: Profile) -> list[Planted]:
    """Saddles and valleys planted at `d = r(r+3)/2 − 1`, ranks 2 and 3."""
    planted: list[Planted] = []
    for rank, seed in product((2, 3), range(_DRAWS[profile])):
        below, shape = planting_threshold(rank) - 1, planted_shape()
        planted.append(plant_spurious_minimum(rank, below, seed=seed, excess=1e-3, shape=shape))
        planted.append(plant_spurious_valley(rank, seed=seed, excess=1e-3, shape=shape))
    return [common_size(each) for each in planted]


def perturbed(planted: Planted, seed: int = 0) -> Surveyed:
    """The landscape around a planted point under a random P."""
    return survey_around(planted, random_perturbation(planted.problem, PERTURBATION * float(planted.problem.lam), seed))


def along_identity(planted: Planted) -> Surveyed:
    """The same with `P = cI`: a decay of λ − 2c with it is a decay of λ without, so nothing is tilted."""
    problem = planted.problem
    size = PERTURBATION * float(problem.lam)
    identity = {name: size * np.eye(m + n) for name, (m, n) in problem.shapes.items()}
    return survey_around(planted, problem.with_lam(float(problem.lam) - 2 * size).with_perturbation(identity))


def _check(profile: Profile) -> Evidence:
    random = landscapes_in_gap(profile)
    around = tuple(perturbed(each, seed) for seed, each in enumerate(planted_below(profile)))
    evidence = _STATEMENT.check((*random, *around))
    if not isinstance(evidence.measured, dict):
        return evidence
    silent = sum(not each.in_range for each in (*random, *around)) / (len(random) + len(around))
    evidence = evidence._replace(measured={**evidence.measured, "share_where_T2_is_silent": silent})
    # Where T2 speaks too, the claim would say nothing of its own.
    untested = evidence.outcome is Outcome.consistent and silent < _SILENT
    return evidence._replace(outcome=Outcome.inconclusive) if untested else evidence


def _valley_along_identity(profile: Profile) -> Evidence:
    return _STATEMENT.check((along_identity(common_size(plant_spurious_valley(2, seed=0, shape=planted_shape()))),))


def _one_rank_lower(profile: Profile) -> Evidence:
    setting = _SMOKE[0]
    rank = sharp_landscape_rank(span_dimension(plain_problem(setting, 0))) - 1
    return _STATEMENT.check((survey_setting(setting, rank, seed=0, starts=STARTS[Profile.smoke]),))


_STATEMENT = Statement(lambda surveyed: surveyed.in_sharp_range, judge_landscapes)

claim = Claim(
    id="T2-prime",
    statement="For almost every PSD P, r(r+3)/2 > d suffices: every second-order stationary point of F_P is a global "
    "minimizer of F_P.",
    source="derived; compare Waldspurger & Waters 2020, O'Carroll et al. 2022; theory 2.1",
    label=Label.derived,
    version=2,
    check=_check,
    controls=(
        *_STATEMENT.controls(lambda profile: landscapes_in_gap(profile)[0], PERTURBATION),
        Control("P = cI, not generic: a planted valley stays", Outcome.refuted, _valley_along_identity),
        Control("rank one below the boundary", Outcome.inapplicable, _one_rank_lower),
    ),
)
