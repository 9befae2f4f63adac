"""Where are spurious local minima: LoRA rank against the number of data, typical instances beside the worst case.

One cell: one instance (family, N, seed) and one rank; its random starts are trained to the end and judged. Read: T2
[paper] excludes spurious minima of almost every perturbed problem for r(r+1)/2 > KN, T2-strict [derived] strict ones
for r(r+3)/2 > d; planted instances show that below, they exist. Typical features are far milder.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import ntklora as nl
from ntklora.shared import shared
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_generator, stream_key

# The planted excess e: small enough that most draws at the boundary are strict minima (theory §2.1), large enough that
# beyond it, where the excess of F is of the order e², it stays far above rounding.
EXCESS = 1e-3
# One shape for all planted ranks: the verdict does not depend on it, and one compilation serves them all.
PLANTED_SHAPE = (8, 9)

CLASSES = tuple(kind.value for kind in nl.Endpoint)

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("span_dimension", int, "d, the dimension of the span of the tangent features"),
    *(Column(kind, int, f"endpoints of class {kind}", verdict=True) for kind in CLASSES),
    Column("certified_rank", int, "rank of the certified convex optimum", verdict=True),
    Column("primal", float, "objective of the certified convex optimum"),
    Column("gap", float, "its relative duality gap"),
    Column("best_objective", float, "lowest endpoint"),
    Column("worst_objective", float, "highest endpoint"),
)


@dataclass(frozen=True)
class Survey:
    """One instance and the LoRA rank whose landscape is surveyed."""

    family: str = "gaussian"
    """planted, gaussian, or a linearized network on digits: mlp, cnn, transformer, with _random_labels or not."""
    num_samples: int = 8
    """N; K is 1."""
    seed: int = 0
    """Seed of the data (the same at every rank), the labels, the initialization, and the starts."""
    lam_ratio: float = 0.01
    """Weight decay as a share of lam_max (a planted instance has its own)."""
    starts: int = 32
    """Random starts, each trained to the end and judged."""
    rank: int = 1
    """LoRA rank r; a planted instance is planted at this rank."""


@shared(maxsize=4)
def instance(family: str, num_samples: int, seed: int, lam_ratio: float):
    """The instance and its certified optimum: the same for every rank, so neighbouring cells share them."""
    problem = nl.named_problem(family, num_samples=num_samples, seed=seed, lam_ratio=lam_ratio)
    return problem, nl.solve(problem)


def planted_landscape(rank: int, num_samples: int, seed: int, starts: int, excess: float):
    """A planted stationary point and the landscape around it: starts at a hundredth of its size."""
    problem, u, v = nl.plant_spurious_minimum(rank, num_samples, seed=seed, excess=excess, shape=PLANTED_SHAPE)
    rng = stream_generator("surroundings", seed, rank=rank)
    initial = tuple(x + 0.01 * np.abs(x).max() * rng.standard_normal((starts, *x.shape)) for x in (u, v))
    ends = nl.find_endpoints(problem, rank, stream_key("starts", seed, rank=rank), starts=starts, initial=initial)
    return problem, nl.judge_endpoints(problem, ends, tolerance=1e-9)


def run(survey: Survey) -> Row:
    """Survey one rank of one instance; a planted one depends on the rank, and its starts surround the planted point."""
    rank, seed, starts = survey.rank, survey.seed, survey.starts
    if survey.family == "planted":
        problem, landscape = planted_landscape(rank, survey.num_samples, seed, starts, EXCESS)
    else:
        problem, solution = instance(survey.family, survey.num_samples, seed, survey.lam_ratio)
        key = stream_key("starts", seed, rank=rank)
        landscape = nl.survey_landscape(problem, rank, key, starts=starts, solution=solution)
    return {
        "num_outputs": problem.num_outputs,
        "span_dimension": nl.span_dimension(problem),
        **{kind: landscape.counts[kind] for kind in CLASSES},
        "certified_rank": landscape.solution.rank,
        "primal": landscape.solution.primal,
        "gap": landscape.solution.gap,
        "best_objective": float(landscape.objective.min()),
        "worst_objective": float(landscape.objective.max()),
    }


def grid(families, sizes, ranks, seeds, starts, lam_ratio=0.01):
    """One rectangle of cells; the rank varies fastest, so that an instance is built once."""
    return {
        "family": families,
        "num_samples": sizes,
        "seed": seeds,
        "lam_ratio": lam_ratio,
        "starts": starts,
        "rank": ranks,
    }


def shape(survey):
    """Sample sizes up to a multiple of 16 share programs, and labels change none."""
    return survey.family.removesuffix("_random_labels"), -(-survey.num_samples // 16)


NETWORKS = tuple(f"{network}{labels}" for network in ("mlp", "cnn", "transformer") for labels in ("", "_random_labels"))

experiment = Experiment(
    name="landscape",
    version=9,
    question="At which ranks, for how many data, does LoRA have spurious local minima?",
    parameters=Survey,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (
            grid(("gaussian", "mlp_random_labels"), (6,), (1, 2, 4), (0, 1), 16),
            grid("planted", (5,), (2,), (0, 1), 8),
        ),
        Profile.default: (
            grid(("gaussian", *NETWORKS), (4, 8, 16, 32), (1, 2, 3, 4, 6, 8), (0, 1, 2), 32),
            grid("planted", (2, 3, 4, 5, 8, 9, 13, 14), (1, 2, 3, 4), tuple(range(8)), 4),
        ),
        Profile.full: (
            grid(("gaussian", *NETWORKS), (4, 8, 16, 32, 64), tuple(range(1, 13)), tuple(range(16)), 256),
            grid("planted", tuple(range(1, 28)), (1, 2, 3, 4, 5, 6), tuple(range(32)), 8),
        ),
    },
    run=run,
    side_by_side=nl.side_by_side,
    shape=shape,
    chunk=24,
)
