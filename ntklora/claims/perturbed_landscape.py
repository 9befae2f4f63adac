"""The instances on which T2 and C1 are checked: one survey of perturbed landscapes, two statements read from it.

Networks and Gaussian features, all losses, one and several weights, `λ = 0.02 λ_max`, at the smallest rank that T2
allows for `KN`; a random perturbation of a ten-thousandth of `λ`; random starts over two decades of scale.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax

from ntklora.certificates.endpoints import Endpoint
from ntklora.certified.landscape import Landscape, survey_landscape
from ntklora.certified.optimum import Solution, solve
from ntklora.claims.claim import Profile
from ntklora.instances.gaussian import random_perturbation
from ntklora.instances.named import named_problem
from ntklora.problem.problem import Problem
from ntklora.theory.ranks import landscape_rank

LAM_RATIO = 0.02
PERTURBATION = 1e-4  # in units of λ


class Setting(NamedTuple):
    """One instance: `named_problem`'s family and sizes."""

    family: str
    num_samples: int
    num_outputs: int
    loss: str


class Surveyed(NamedTuple):
    """A perturbed problem at the smallest rank of T2, its landscape, and the optimum of the unperturbed problem."""

    problem: Problem
    rank: int
    landscape: Landscape
    unperturbed: Solution


_SMOKE = (Setting("gaussian", 6, 1, "squared"), Setting("mlp_random_labels", 6, 1, "logistic"))
_DEFAULT = (
    Setting("gaussian", 8, 1, "squared"),
    Setting("gaussian", 8, 1, "logistic"),
    Setting("gaussian", 4, 3, "cross_entropy"),
    Setting("mlp", 12, 1, "squared"),
    Setting("mlp_random_labels", 12, 1, "squared"),
    Setting("mlp_random_labels", 12, 1, "logistic"),
    Setting("mlp_random_labels", 6, 3, "cross_entropy"),
    Setting("cnn_random_labels", 10, 1, "squared"),
    Setting("cnn_random_labels", 10, 1, "logistic"),
    Setting("transformer_random_labels", 10, 1, "squared"),
    Setting("transformer_random_labels", 10, 1, "logistic"),
    Setting("transformer_random_labels", 5, 2, "cross_entropy"),
)
SETTINGS = {
    Profile.smoke: _SMOKE,
    Profile.default: _DEFAULT,
    Profile.full: (*_DEFAULT, *(setting._replace(num_samples=2 * setting.num_samples) for setting in _DEFAULT)),
}
STARTS = {Profile.smoke: 16, Profile.default: 90, Profile.full: 512}


@lru_cache(maxsize=1)
def perturbed_landscapes(profile: Profile) -> tuple[Surveyed, ...]:
    """Every setting of the profile, surveyed. Kept, since T2 and C1 read the same ones."""
    return tuple(_survey(setting, seed, STARTS[profile]) for seed, setting in enumerate(SETTINGS[profile]))


def count(surveyed: tuple[Surveyed, ...], kind: Endpoint) -> int:
    """Endpoints of this class over all settings."""
    return sum(each.landscape.counts[kind] for each in surveyed)


def _survey(setting: Setting, seed: int, starts: int) -> Surveyed:
    plain = named_problem(
        setting.family,
        num_samples=setting.num_samples,
        seed=seed,
        num_outputs=setting.num_outputs,
        loss=setting.loss,
        lam_ratio=LAM_RATIO,
    )
    problem = random_perturbation(plain, PERTURBATION * float(plain.lam), seed)
    rank = landscape_rank(setting.num_samples * setting.num_outputs)
    return Surveyed(problem, rank, survey_landscape(problem, rank, jax.random.key(seed), starts=starts), solve(plain))
