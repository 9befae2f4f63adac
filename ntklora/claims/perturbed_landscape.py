"""The instances on which T2, T2-prime and C1 are checked: surveys of perturbed landscapes, and how they are judged.

Networks and Gaussian features, all losses, one and several weights, `λ = 0.02 λ_max`; a random perturbation of about a
thousandth of `λ`; random starts over two decades of scale. Features are written out and sizes agree, so that a compiled
program serves many instances, at every rank up to eight, with and without perturbation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np

from ntklora.certificates.endpoints import Endpoint
from ntklora.certificates.perturbed import stationarity_bound
from ntklora.certificates.span import span_dimension
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.landscape import Landscape, judge_endpoints, survey_landscape
from ntklora.certified.optimum import Solution, solve
from ntklora.claims.claim import INAPPLICABLE, Control, Evidence, Outcome, Profile
from ntklora.instances.digits import Labels, Network, digits_task, initialized_network
from ntklora.instances.gaussian import gaussian_problem, random_perturbation
from ntklora.instances.named import named_problem
from ntklora.instances.planted import Planted, plant_spurious_minimum
from ntklora.problem.networks import make_problem
from ntklora.problem.objective import lam_max
from ntklora.problem.padding import pad_samples
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory.ranks import landscape_rank, planting_threshold, sharp_landscape_rank

ALL_LAYERS = "mlp_all_layers"
LAM_RATIO = 0.02
PERTURBATION = 1e-3  # in units of λ
STARTS = {Profile.smoke: 16, Profile.default: 90, Profile.full: 512}

# Share of endpoints that must be certified global; the others may be unfinished, none may be spurious.
_GLOBAL_SHARE = 0.99
# Samples and coordinates of the planted instances, whatever their rank up to 4: as the networks with one output have.
_PLANTED_SAMPLES = 14
_PLANTED_STARTS = 32
# A point without negative curvature is above the minimum beyond this share of its value.
_ABOVE = 1e-6
_SECOND_ORDER = frozenset({Endpoint.spurious, Endpoint.rank_limited, Endpoint.flat})


class Setting(NamedTuple):
    """One instance: `named_problem`'s family and sizes, or every weight of the MLP on random labels.

    `repeated`: the last sample is the one before, met again.
    """

    family: str
    num_samples: int
    num_outputs: int
    loss: str
    repeated: bool = False


class Surveyed(NamedTuple):
    """A perturbed problem and its landscape at one rank, with the optimum of the unperturbed problem.

    `landscape.solution` is the certified optimum of F_P.
    """

    problem: Problem
    rank: int
    landscape: Landscape
    unperturbed: Solution

    @property
    def num_outputs(self) -> int:
        """KN."""
        return self.problem.num_samples * self.problem.num_outputs

    @property
    def in_range(self) -> bool:
        """Whether T2 speaks of it: r(r+1)/2 > KN."""
        return self.rank >= landscape_rank(self.num_outputs)

    @property
    def in_sharp_range(self) -> bool:
        """Whether T2-prime speaks of it: r(r+3)/2 > d."""
        return self.rank >= sharp_landscape_rank(span_dimension(self.problem))


@lru_cache(maxsize=32)
def plain_problem(setting: Setting, seed: int) -> Problem:
    """The unperturbed instance, its features as dense arrays.

    Gaussian features have the size that one dense layer on as many samples reduces to, `(KN, N)`.
    """
    n, k = setting.num_samples, setting.num_outputs
    if setting.family == "gaussian":
        problem = gaussian_problem((k * n, n), num_samples=n, num_outputs=k, loss=setting.loss, seed=seed)
    elif setting.family == ALL_LAYERS:
        problem = _mlp_in_all_layers(setting, seed)
    else:
        problem = named_problem(setting.family, num_samples=n, num_outputs=k, loss=setting.loss, seed=seed)
    rows = np.arange(n)
    if setting.repeated:
        rows[-1] = n - 2
    features = {name: g[rows] for name, g in problem.op.as_dict(problem.op.dense()).items()}
    # One weight goes without its name: programs are compiled for names too.
    op = TangentOperator.from_dense(features if len(features) > 1 else next(iter(features.values())))
    written = Problem(op, problem.f0[rows], problem.y[rows], problem.loss, 0.0)
    return written.with_lam(LAM_RATIO * lam_max(written))


def _mlp_in_all_layers(setting: Setting, seed: int) -> Problem:
    data = digits_task(setting.num_samples, setting.num_outputs, setting.loss, Labels.random, seed)
    net = initialized_network(Network.mlp, setting.num_outputs, seed)
    full = make_problem(net.apply, net.params, data.x, data.y, targets="matrices", loss=setting.loss, lam=0.0)
    return reduce_problem(full).problem


# Kept, since a claim's controls read the surveys of its check.
@lru_cache(maxsize=64)
def survey_setting(setting: Setting, rank: int, *, seed: int, starts: int) -> Surveyed:
    """One setting at one rank, under a random perturbation."""
    plain = plain_problem(setting, seed)
    problem = random_perturbation(plain, PERTURBATION * float(plain.lam), seed)
    landscape = survey_landscape(problem, rank, jax.random.key(seed), starts=starts, solution=solve(problem))
    return Surveyed(problem, rank, landscape, unperturbed_optimum(problem))


def survey_around(planted: Planted, problem: Problem) -> Surveyed:
    """The landscape of `problem` around a point that was planted in it: starts at a hundredth of its size from it."""
    rank, rng = planted.u.shape[1], np.random.default_rng(1)
    u, v = (x + 1e-2 * rng.standard_normal((_PLANTED_STARTS, *x.shape)) for x in (planted.u, planted.v))
    ends = find_endpoints(problem, rank, jax.random.key(1), starts=_PLANTED_STARTS, initial=(u, v))
    landscape = judge_endpoints(problem, ends, solution=solve(problem))
    return Surveyed(problem, rank, landscape, unperturbed_optimum(problem))


def common_size(planted: Planted) -> Planted:
    """A planted instance on as many samples as all of them have here, with the same objective."""
    return planted._replace(problem=pad_samples(planted.problem, _PLANTED_SAMPLES))


def planted_shape() -> tuple[int, int]:
    """The shape of the weight in all planted instances."""
    return _PLANTED_SAMPLES, _PLANTED_SAMPLES


def unperturbed_optimum(problem: Problem) -> Solution:
    """The optimum of F; `P = 0` is written as a matrix, so that F and F_P are one program."""
    perturbation = problem.op.as_dict(problem.perturbation)
    return solve(problem.with_perturbation({name: np.zeros_like(p) for name, p in perturbation.items()}))


def planted_minimum() -> Planted:
    """A spurious minimum planted at N = r(r+3)/2, r = 3: just outside the hypotheses."""
    return common_size(plant_spurious_minimum(3, planting_threshold(3), seed=1, excess=1e-3, shape=planted_shape()))


@lru_cache(maxsize=4)
def planted_landscape(size: float = 1e-8) -> Surveyed:
    """Around `planted_minimum`, perturbed at random by about `size · λ`."""
    planted = planted_minimum()
    return survey_around(planted, random_perturbation(planted.problem, size * float(planted.problem.lam), seed=1))


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


def counterexamples(surveyed: Surveyed) -> int:
    """Second-order stationary points, strict or in a valley, whose value is above the certified minimum of F_P."""
    landscape = surveyed.landscape
    above = landscape.objective - landscape.solution.primal > _ABOVE * np.abs(landscape.objective)
    return sum(kind in _SECOND_ORDER and bool(high) for kind, high in zip(landscape.kinds, above))


def judge_landscapes(surveyed: tuple[Surveyed, ...]) -> Evidence:
    """Refuted by one second-order point above the minimum, consistent when all but 1% of the ends are global."""
    starts = sum(len(each.landscape.kinds) for each in surveyed)
    spurious = sum(counterexamples(each) for each in surveyed)
    share = sum(each.landscape.counts[Endpoint.global_] for each in surveyed) / starts
    bound = max(best_excess_bound(each) for each in surveyed)
    margin = min((share - _GLOBAL_SHARE) / (1 - _GLOBAL_SHARE), 1 - bound / _ABOVE)
    finished = Outcome.consistent if margin >= 0 else Outcome.inconclusive
    return Evidence(
        Outcome.refuted if spurious else finished,
        {"spurious": 0, "global_share": 1.0, "best_excess_bound": 0.0},
        {"spurious": spurious, "global_share": share, "best_excess_bound": bound, "starts": starts},
        -float(spurious) if spurious else margin,
    )


def best_excess_bound(surveyed: Surveyed) -> float:
    """L3 as a number: how far the best end can be above min F_P, relative, by its gradient and the sign of S alone."""
    problem, landscape = surveyed.problem, surveyed.landscape
    best = int(np.argmin(landscape.objective))
    u, v = (
        problem.op.like({name: x[best] for name, x in problem.op.as_dict(factor).items()})
        for factor in (landscape.ends.u, landscape.ends.v)
    )
    optimum = (*problem.op.as_dict(landscape.solution.u).values(), *problem.op.as_dict(landscape.solution.v).values())
    trace = float(sum((x**2).sum() for x in optimum))
    return stationarity_bound(problem, u, v, trace) / abs(float(landscape.objective[best]))


class Statement(NamedTuple):
    """What is said of landscapes: where its hypotheses hold (`covers`), and what evidence landscapes are (`judge`)."""

    covers: Callable[[Surveyed], bool]
    judge: Callable[[tuple[Surveyed, ...]], Evidence]

    def check(self, surveyed: tuple[Surveyed, ...]) -> Evidence:
        """Inapplicable outside the hypotheses; otherwise what the landscapes say."""
        if not all(self.covers(each) for each in surveyed):
            return INAPPLICABLE
        return self.judge(surveyed)

    def controls(self, inside: Callable[[Profile], Surveyed], size: float = 1e-8) -> tuple[Control, ...]:
        """The boundary from outside, with and without asking, at a perturbation of `size · λ`; then nothing trained."""
        beyond = "planted minimum at N = r(r+3)/2"
        return (
            Control(
                f"{beyond}, hypothesis not asked for",
                Outcome.refuted,
                lambda profile: self.judge((planted_landscape(size),)),
            ),
            Control(beyond, Outcome.inapplicable, lambda profile: self.check((planted_landscape(size),))),
            Control(
                "solver stopped before its first step",
                Outcome.inconclusive,
                lambda profile: self.check((untrained(inside(profile)),)),
            ),
        )
