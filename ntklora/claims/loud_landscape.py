"""The landscapes on which KKR is checked: convex losses whose restricted convexity is positive, loud minima or none.

Planted loud minima; squared losses of random spectrum; a logistic loss with orthogonal features, whose convexity
depends on the ball. At every endpoint: singular values, the residual S of `∇L(X) = −λUVᵀ + S`, what of the gradient
does not fit that form, and the constants of the hypotheses, from their safe ends.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from ntklora.certificates.endpoints import Endpoint, classify_endpoint, classify_endpoints
from ntklora.certificates.restricted import restricted_curvature
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import solve
from ntklora.claims.claim import Evidence, Outcome, Profile
from ntklora.data.teacher_student import random_frame
from ntklora.instances.loud import Loud, plant_loud_minimum
from ntklora.problem.objective import balanced_factors, dual_vector, gradient_matrices, lam_max
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

STARTS = {Profile.smoke: 8, Profile.default: 32, Profile.full: 256}
SEEDS = {Profile.smoke: 1, Profile.default: 3, Profile.full: 20}
# Share of starts that must end at second-order points; the statements say nothing of the others.
FINISHED = 0.99
# On the instance built for it a bound must be attained up to this factor, or it would say little.
TIGHT = 1.1
_SECOND_ORDER = frozenset({Endpoint.global_, Endpoint.spurious, Endpoint.rank_limited, Endpoint.flat})
# Singular values below this share of the largest do not count towards the rank of an endpoint.
_RANK_TOLERANCE = 1e-6
# Singular values of the loud minimum and of the optimum.
_PLANTED = (
    ((1.0,), (1.0,)),
    ((2.0, 1.0), (1.0,)),
    ((2.0, 1.5, 1.0), (1.0,)),
    ((1.5, 1.0), (1.0, 0.7)),
)
# One shape for all squared losses: the statements do not depend on it, and one compilation serves them all.
_SHAPE = (4, 4)


class Landscape(NamedTuple):
    """The second-order points of LoRA at one rank, one row each, and what KKR supposes of their problem.

    `values (S, r)` singular values, falling; `residual (S,)` ‖S‖_op, `misfit (S,)` what of ∇L is not of the form
    −λUVᵀ + S, relative to λ; `distance (S,)` ‖X − X*‖²; `outside (S,)` ‖(I − UUᵀ) X* (I − VVᵀ)‖_*; `optimal (S,)`
    certified global; `finished` the share of starts that ended at such points.
    """

    lam: float
    rank: int
    optimum_rank: int
    convexity: float
    smoothness: float
    values: np.ndarray
    residual: np.ndarray
    misfit: np.ndarray
    distance: np.ndarray
    outside: np.ndarray
    optimal: np.ndarray
    finished: float

    @property
    def covered(self) -> bool:
        """Whether KKR and what follows from it speak of it: λ > 0, α > 0 and r ≥ r*."""
        return self.lam > 0 and self.convexity > 0 and self.rank >= self.optimum_rank


def kkr_landscapes(profile: Profile) -> list[Landscape]:
    """Loud minima, squared losses with 2α above and below β, logistic losses; the tight instance comes last."""
    starts, seeds = STARTS[profile], range(SEEDS[profile])
    return [
        *(planted_landscape(values, optimum, seed, starts) for values, optimum in _PLANTED for seed in seeds),
        *(conditioned_landscape(condition, seed, starts) for condition in (1.5, 1.9, 4.0) for seed in seeds),
        *(logistic_landscape(seed, starts) for seed in seeds),
        tight_landscape(0),
    ]


@lru_cache(maxsize=256)
def planted_landscape(values: tuple[float, ...], optimum: tuple[float, ...], seed: int, starts: int) -> Landscape:
    """A planted loud minimum, from around it and from random starts."""
    return _around(plant_loud_minimum(values, optimum, seed=seed, shape=_SHAPE), starts)


@lru_cache(maxsize=8)
def tight_landscape(seed: int) -> Landscape:
    """A minimum of rank 2 whose `σ_2/σ_1 = 0.05` is within 10% of `2α/β`, from around it only."""
    return _around(tight_instance(seed), 0)


def tight_instance(seed: int) -> Loud:
    """The problem of `tight_landscape`, with what was planted in it."""
    return plant_loud_minimum((1.0, 0.05), seed=seed, excess=0.0475, stiffness=1.0, margin=0.0005, shape=_SHAPE)


@lru_cache(maxsize=8)
def soft_landscape(rank: int, seed: int, starts: int) -> Landscape:
    """Rank `rank` on a problem with a spurious minimum of rank 1 and β/α just above 3, the least that has one."""
    planted = plant_loud_minimum((0.5,), seed=seed, excess=0.475, stiffness=1.0, margin=0.0005, shape=_SHAPE)
    if rank == 1:
        return _around(planted, starts)
    return _survey(planted.problem, rank, seed, starts)


@lru_cache(maxsize=8)
def soft_rank_share(rank: int) -> float:
    """`r/((β/2α)² r*)` of a spurious minimum at the best conditioning that has one, `r* = 1`; 0 if it is none.

    Equal singular values 1/(1 + √r) beside an optimum 1 make `β/α = 1 + 2√r` as the excess tends to `βσ_r` [derived].
    """
    size = 1.0 / (1.0 + np.sqrt(rank))
    planted = plant_loud_minimum([size] * rank, seed=0, excess=0.999 * size, stiffness=1.0, margin=0.0)
    better = balanced_factors(planted.delta, 1)
    report = classify_endpoint(planted.problem, planted.u, planted.v, rivals=[better])
    threshold = (planted.smoothness / (2 * planted.convexity)) ** 2 * planted.optimum_rank
    return rank / threshold if report.endpoint is Endpoint.spurious else 0.0


@lru_cache(maxsize=64)
def conditioned_landscape(condition: float, seed: int, starts: int, rank: int = 2) -> Landscape:
    """Squared loss with `A*A/N` of spectrum 1 … `condition` in a random basis."""
    m, n = _SHAPE
    return _survey(_quadratic(np.geomspace(1.0, condition, m * n), seed), rank, seed, starts)


@lru_cache(maxsize=8)
def unspanned_landscape(seed: int) -> Landscape:
    """Features that do not span all matrices: no convexity at all, so KKR has nothing to say."""
    return _survey(_quadratic(np.repeat([0.0, 1.0], [6, 10]), seed), 3, seed, 8)


def _quadratic(spectrum: np.ndarray, seed: int) -> Problem:
    """Squared loss with `A*A/N` of this spectrum in a random basis, noisy targets of a teacher of rank 2, large λ."""
    (m, n), size = _SHAPE, len(spectrum)
    rng = np.random.default_rng(seed)
    features = np.sqrt(size * spectrum)[:, None] * random_frame(size, size, rng)
    op = TangentOperator.from_dense(features.reshape(size, 1, m, n))
    teacher = random_frame(m, 2, rng) * [2.0, 1.0] @ random_frame(n, 2, rng).T
    y = op.apply(teacher) + 0.1 * rng.standard_normal((size, 1))
    problem = Problem(op, np.zeros_like(y), y, "squared", 0.0)
    return problem.with_lam(0.3 * lam_max(problem))


@lru_cache(maxsize=64)
def logistic_landscape(seed: int, starts: int) -> Landscape:
    """Logistic loss on three orthonormal bases of features of norm 1: `A*A/N = I/(mn)`, labels of a teacher."""
    m, n = 3, 4
    rng = np.random.default_rng(seed)
    features = np.concatenate([random_frame(m * n, m * n, rng) for _ in range(3)]).reshape(-1, 1, m, n)
    op = TangentOperator.from_dense(features)
    z = op.apply(np.outer(rng.standard_normal(m), rng.standard_normal(n)))[:, 0]
    y = np.where(rng.uniform(size=len(z)) < 1.0 / (1.0 + np.exp(-3 * z)), 1.0, -1.0)
    problem = Problem(op, np.zeros((len(y), 1)), y, "logistic", 0.0)
    return _survey(problem.with_lam(0.6 * lam_max(problem)), 2, seed, starts)


def _with_saddle_at_zero(landscape: Landscape, problem: Problem) -> Landscape:
    optimum = np.asarray(solve(problem).delta)
    return landscape._replace(
        values=np.concatenate([landscape.values, np.zeros((1, landscape.rank))]),
        residual=np.append(landscape.residual, lam_max(problem)),
        misfit=np.append(landscape.misfit, 0.0),
        distance=np.append(landscape.distance, np.sum(optimum**2)),
        outside=np.append(landscape.outside, np.linalg.norm(optimum, "nuc")),
        optimal=np.append(landscape.optimal, False),
    )


def with_saddle(profile: Profile) -> list[Landscape]:
    """A planted landscape with δ = 0 counted as second order: it is stationary, and below λ_max a strict saddle."""
    values, optimum = _PLANTED[1]
    problem = plant_loud_minimum(values, optimum, seed=0, shape=_SHAPE).problem
    return [_with_saddle_at_zero(planted_landscape(values, optimum, 0, STARTS[profile]), problem)]


def judge_points(
    problem: Problem, rank: int, us: Any, vs: Any, kinds: list[Endpoint], convexity: float, smoothness: float
) -> Landscape:
    """Rows for the points among `us (S, m, r)`, `vs (S, n, r)` whose class is one of second order."""
    problem = problem.host()
    lam, kept = float(problem.lam), [s for s, kind in enumerate(kinds) if kind in _SECOND_ORDER]
    solution = solve(problem)
    points = [_decompose(problem, us[s] @ vs[s].T, rank, np.asarray(solution.delta)) for s in kept]
    return Landscape(
        lam=lam,
        rank=rank,
        optimum_rank=solution.rank,
        convexity=convexity,
        smoothness=smoothness,
        values=np.array([point.values for point in points]),
        residual=np.array([point.residual for point in points]),
        misfit=np.array([point.misfit for point in points]),
        distance=np.array([point.distance for point in points]),
        outside=np.array([point.outside for point in points]),
        optimal=np.array([kinds[s] is Endpoint.global_ for s in kept]),
        finished=len(kept) / len(kinds),
    )


class _Point(NamedTuple):
    """One row of a `Landscape`."""

    values: np.ndarray
    residual: float
    misfit: float
    distance: float
    outside: float


def _decompose(problem: Problem, x: np.ndarray, rank: int, optimum: np.ndarray) -> _Point:
    left, values, right = np.linalg.svd(x)
    kept = int((values > _RANK_TOLERANCE * max(values[0], np.finfo(float).tiny)).sum())
    z = problem.f0 + problem.op.apply(x)
    (gradient,) = gradient_matrices(problem, dual_vector(problem, z)).values()
    rotated = left.T @ gradient @ right.T
    across = slice(kept, None), slice(kept, None)
    residual = np.linalg.norm(rotated[across], 2) if kept < min(x.shape) else 0.0
    rotated[:kept, :kept] += problem.lam * np.eye(kept)
    rotated[across] = 0.0
    outside = np.linalg.norm((left.T @ optimum @ right.T)[across], "nuc") if kept < min(x.shape) else 0.0
    misfit = np.linalg.norm(rotated) / problem.lam
    return _Point(values[:rank], float(residual), float(misfit), float(np.sum((x - optimum) ** 2)), float(outside))


def _around(planted: Loud, starts: int) -> Landscape:
    rng = np.random.default_rng(0)
    near = [x + 1e-2 * np.abs(x).min() * rng.standard_normal((4, *x.shape)) for x in (planted.u, planted.v)]
    return _survey(planted.problem, planted.u.shape[1], 0, starts, near, (planted.convexity, planted.smoothness))


def _survey(
    problem: Problem,
    rank: int,
    seed: int,
    starts: int,
    near: list[np.ndarray] | None = None,
    constants: tuple[float, float] | None = None,
) -> Landscape:
    """Endpoints from random starts and from those given, judged; constants on the ball that holds all and the optimum.

    Safe ends of the brackets, unless the constants are known.
    """
    solution, key = solve(problem), jax.random.key(seed)
    found = [find_endpoints(problem, rank, key, starts=starts)] if starts else []
    if near is not None:
        found.append(find_endpoints(problem, rank, key, starts=len(near[0]), initial=(near[0], near[1])))
    us, vs = (np.concatenate([getattr(ends, side) for ends in found]) for side in "uv")
    kinds = [report.endpoint for report in classify_endpoints(problem, us, vs, solution=solution)]
    if constants is None:
        radius = max(np.linalg.norm(x) for x in [solution.delta, *(us @ vs.swapaxes(1, 2))])
        wide = restricted_curvature(problem, rank + solution.rank, float(radius), starts=1)
        narrow = restricted_curvature(problem, 2, float(radius), starts=1)
        constants = wide.convexity.low, narrow.smoothness.high
    return judge_points(problem, rank, us, vs, kinds, *constants)


def if_tight(evidence: Evidence, tight: Evidence, name: str, most: float) -> Evidence:
    """The evidence, unless it is consistent and the instance built to attain the bound stays away from it."""
    loose = not isinstance(tight.measured, dict) or not 1 / most <= tight.measured[name] <= most
    return evidence._replace(outcome=Outcome.refuted) if evidence.outcome is Outcome.consistent and loose else evidence
