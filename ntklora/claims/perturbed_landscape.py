"""The instances on which T2 and C1 are checked: one survey of perturbed landscapes, two statements read from it.

Networks and Gaussian features, all losses, one and several weights, `λ = 0.02 λ_max`, at the smallest rank that T2
allows for `KN`; a random perturbation of about a thousandth of `λ`; random starts over two decades of scale.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np

from ntklora.certificates.endpoints import Endpoint
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.landscape import Landscape, judge_endpoints, survey_landscape
from ntklora.certified.optimum import Solution, solve
from ntklora.claims.claim import Profile
from ntklora.instances.gaussian import random_perturbation
from ntklora.instances.named import named_problem
from ntklora.instances.planted import plant_spurious_minimum
from ntklora.problem.problem import Problem
from ntklora.theory.ranks import landscape_rank, planting_threshold

LAM_RATIO = 0.02
PERTURBATION = 1e-3  # in units of λ


class Setting(NamedTuple):
    """One instance: `named_problem`'s family and sizes."""

    family: str
    num_samples: int
    num_outputs: int
    loss: str


class Surveyed(NamedTuple):
    """A perturbed problem and its landscape at one rank, with the optimum of the unperturbed problem.

    A global endpoint of F_P proves itself by its own dual point; the unperturbed optimum only serves as a rival.
    """

    problem: Problem
    rank: int
    landscape: Landscape
    unperturbed: Solution

    @property
    def inside_hypotheses(self) -> bool:
        """Whether r(r+1)/2 > KN."""
        return self.rank >= landscape_rank(self.problem.num_samples * self.problem.num_outputs)


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


def perturbed_landscapes(profile: Profile, *, every: int = 1) -> tuple[Surveyed, ...]:
    """Every setting of the profile (or every so many), surveyed at the smallest rank of T2."""
    numbered = list(enumerate(SETTINGS[profile]))[::every]
    return tuple(survey_setting(setting, seed=seed, starts=STARTS[profile]) for seed, setting in numbered)


# Kept, since a claim's controls read the surveys of its check.
@lru_cache(maxsize=32)
def survey_setting(setting: Setting, *, seed: int, starts: int, below: int = 0) -> Surveyed:
    """One setting at the smallest rank of T2, or `below` that rank by so many."""
    plain = named_problem(
        setting.family,
        num_samples=setting.num_samples,
        seed=seed,
        num_outputs=setting.num_outputs,
        loss=setting.loss,
        lam_ratio=LAM_RATIO,
    )
    problem = random_perturbation(plain, PERTURBATION * float(plain.lam), seed)
    rank = landscape_rank(setting.num_samples * setting.num_outputs) - below
    solution = solve(plain)
    landscape = survey_landscape(problem, rank, jax.random.key(seed), starts=starts, solution=solution)
    return Surveyed(problem, rank, landscape, solution)


@lru_cache(maxsize=1)
def planted_landscape(rank: int = 2, starts: int = 32) -> Surveyed:
    """A spurious minimum planted at N = r(r+3)/2, hardly perturbed, started from around the planted point.

    `r(r+1)/2 ≤ N` there, so neither statement speaks of it; everything else is as in `survey_setting`.
    """
    planted = plant_spurious_minimum(rank, planting_threshold(rank), seed=1, excess=1e-3)
    problem = random_perturbation(planted.problem, 1e-8 * float(planted.problem.lam), seed=1)
    rng = np.random.default_rng(1)
    u, v = (x + 1e-2 * rng.standard_normal((starts, *x.shape)) for x in (planted.u, planted.v))
    ends = find_endpoints(problem, rank, jax.random.key(1), starts=starts, initial=(u, v))
    solution = solve(planted.problem)
    return Surveyed(problem, rank, judge_endpoints(problem, ends, solution=solution), solution)


def untrained(surveyed: Surveyed) -> Surveyed:
    """The same problem judged at random points: what a solver stopped before its first step would hand over."""
    rng = np.random.default_rng(0)
    ends = surveyed.landscape.ends
    u, v = (
        {name: rng.standard_normal(x.shape) for name, x in factors.items()}
        if isinstance(factors, dict)
        else rng.standard_normal(factors.shape)
        for factors in (ends.u, ends.v)
    )
    landscape = judge_endpoints(surveyed.problem, ends._replace(u=u, v=v), solution=surveyed.landscape.solution)
    return surveyed._replace(landscape=landscape)


def count(surveyed: tuple[Surveyed, ...], kind: Endpoint) -> int:
    """Endpoints of this class over all settings."""
    return sum(each.landscape.counts[kind] for each in surveyed)
