"""Where does LoRA's landscape turn: a fine grid of ranks and sample sizes on matrices small enough to see it turn.

One cell: one instance and one rank; its random starts are trained to the end and judged. Typical instances are Gaussian
features, the setting of Park (arXiv 2605.03724, known by its abstract), with Gaussian targets, which no small rank
fits: spurious minima need targets that are out of reach. On 6×6, 8×8 and 5×9 matrices they are common at sample sizes
that a grid can afford. At λ = 0.01 λ_max shares are close to their limit as λ falls to 0 (on 6×6, a tenth of it gave
little more). λ = 0 itself is another problem: the landscape turns where rank r can just interpolate the targets, while
with weight decay it still has spurious minima there, interpolations of larger norm.

The worst case beside them are planted minima, with the excess e of ‖Γ‖_op over λ swept. Read: T2-strict [derived]
forbids strict spurious minima for r(r+3)/2 > d, planting reaches that curve; typical instances turn at far smaller
ranks.

Sample sizes share programs: samples that no feature sees are added up to a multiple of 16, which changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import ntklora as nl
from ntklora.shared import shared
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_generator, stream_key

CLASSES = tuple(kind.value for kind in nl.Endpoint)

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("span_dimension", int, "d, the dimension of the span of the tangent features"),
    *(Column(kind, int, f"endpoints of class {kind}", verdict=True) for kind in CLASSES),
    Column("certified_rank", int, "rank of the certified convex optimum", verdict=True),
    Column("gap", float, "its relative duality gap"),
)


@dataclass(frozen=True)
class Survey:
    """One instance and the LoRA rank whose landscape is surveyed."""

    family: str = "gaussian"
    """gaussian, or planted."""
    fan_out: int = 8
    """m."""
    fan_in: int = 8
    """n."""
    lam_ratio: float = 0.01
    """Weight decay as a share of lam_max; 0 for none (a planted instance has its own)."""
    excess: float = 0.0
    """e of a planted instance; 0 where nothing is planted."""
    num_samples: int = 8
    """N; K is 1."""
    seed: int = 0
    """Seed of the data (the same at every rank, unless planted) and of the starts."""
    starts: int = 16
    """Random starts, each trained to the end and judged."""
    rank: int = 1
    """LoRA rank r; a planted instance is planted at this rank."""


def slots(num_samples: int) -> int:
    """The samples of the padded problem."""
    return -(-num_samples // 16) * 16


@shared(maxsize=4)
def typical(fan_out: int, fan_in: int, lam_ratio: float, num_samples: int, seed: int):
    """A Gaussian instance, its certified optimum and span dimension: the same for every rank."""
    problem = nl.gaussian_problem((fan_out, fan_in), num_samples=num_samples, seed=seed, lam_ratio=lam_ratio)
    problem = nl.pad_samples(problem, slots(num_samples))
    return problem, nl.solve(problem), nl.span_dimension(problem)


def survey_typical(survey: Survey):
    """All of the landscape that the starts find, and the span dimension."""
    problem, solution, dimension = typical(
        survey.fan_out, survey.fan_in, survey.lam_ratio, survey.num_samples, survey.seed
    )
    key = stream_key("starts", survey.seed, rank=survey.rank, num_samples=survey.num_samples)
    return nl.survey_landscape(problem, survey.rank, key, starts=survey.starts, solution=solution), dimension


def survey_planted(survey: Survey):
    """The landscape of a planted instance, half of the starts a hundredth of its size around the planted point.

    The others are random: without a better point of the same rank, a strict minimum is not called spurious.
    """
    rank, count, seed, near = survey.rank, survey.num_samples, survey.seed, survey.starts // 2
    shape = (survey.fan_out, survey.fan_in)
    problem, u, v = nl.plant_spurious_minimum(rank, count, seed=seed, excess=survey.excess, shape=shape)
    problem = nl.pad_samples(problem, slots(count))
    rng, key = stream_generator("surroundings", seed, rank=rank), stream_key("starts", seed, rank=rank)
    initial = tuple(x + 0.01 * np.abs(x).max() * rng.standard_normal((near, *x.shape)) for x in (u, v))
    around = nl.find_endpoints(problem, rank, key, initial=initial)
    elsewhere = nl.find_endpoints(problem, rank, key, starts=survey.starts - near)
    ends = type(around)(*(np.concatenate(pair) for pair in zip(around, elsewhere)))
    # The excess of F is of the order e²: finer than the default tolerance.
    return nl.judge_endpoints(problem, ends, tolerance=1e-9), nl.span_dimension(problem)


SURVEYS = {"gaussian": survey_typical, "planted": survey_planted}


def run(survey: Survey) -> Row:
    """Survey one rank of one instance."""
    if survey.family not in SURVEYS:
        raise ValueError(f"family is {survey.family!r}: expected {' or '.join(SURVEYS)}")
    landscape, dimension = SURVEYS[survey.family](survey)
    return {
        "num_outputs": 1,
        "span_dimension": dimension,
        **{kind: landscape.counts[kind] for kind in CLASSES},
        "certified_rank": landscape.solution.rank,
        "gap": landscape.solution.gap,
    }


def gaussian(shape, lam_ratios, sizes, ranks, seeds, starts):
    """Typical instances of one shape; the rank varies fastest, so that an instance is built once."""
    return {
        "family": "gaussian",
        "fan_out": shape[0],
        "fan_in": shape[1],
        "lam_ratio": lam_ratios,
        "num_samples": sizes,
        "seed": seeds,
        "starts": starts,
        "rank": ranks,
    }


def around_count(shape, ranks, offsets, seeds, starts):
    """Typical instances without weight decay at `N = r(m+n) − r² + offset`: they turn there and nowhere else."""
    return tuple(
        gaussian(
            shape, 0.0, tuple(nl.parameter_count(rank, *shape) + offset for offset in offsets), rank, seeds, starts
        )
        for rank in ranks
    )


def planted(ranks, offsets, excesses, seeds):
    """Planted instances at `N = r(r+3)/2 + offset ≥ 1`, for each rank a rectangle."""
    return tuple(
        {
            "family": "planted",
            "fan_out": 8,
            "fan_in": 9,
            "excess": excesses,
            "num_samples": tuple(n for offset in offsets if (n := nl.planting_threshold(rank) + offset) > 0),
            "seed": seeds,
            "starts": 8,
            "rank": rank,
        }
        for rank in ranks
    )


def every(step: int, last: int):
    """`step, 2 step, …, last`."""
    return tuple(range(step, last + 1, step))


def up_to(count: int):
    """`1, …, count`."""
    return tuple(range(1, count + 1))


AROUND = (-6, -4, -2, -1, 0, 1, 2)

experiment = Experiment(
    name="phase_diagram",
    version=5,
    question="At which rank does the typical landscape turn, and how does that rank grow with the number of data?",
    parameters=Survey,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (gaussian((5, 5), 0.01, (8, 16), (1, 2, 3), (0, 1), 8), *planted((1, 2), (-1, 0), 1e-3, (0, 1))),
        Profile.default: (
            gaussian((8, 8), 0.01, every(4, 40), up_to(8), tuple(range(6)), 16),
            gaussian((6, 6), 0.01, every(3, 30), up_to(5), tuple(range(6)), 16),
            gaussian((5, 9), 0.01, every(4, 36), up_to(4), tuple(range(6)), 16),
            *around_count((8, 8), up_to(3), AROUND, tuple(range(6)), 8),
            *around_count((6, 6), up_to(4), AROUND, tuple(range(6)), 8),
            *around_count((5, 9), up_to(3), AROUND, tuple(range(6)), 8),
            *planted((1, 2, 3, 4), (-1, 0, 1, 3, 8), (1e-1, 1e-2, 1e-3), tuple(range(8))),
            *planted((5, 6, 7), (-1, 0), 1e-3, tuple(range(8))),
        ),
        Profile.full: (
            gaussian((4, 4), 0.01, every(1, 16), up_to(4), tuple(range(24)), 64),
            gaussian((6, 6), (1e-3, 0.01, 0.1), every(2, 36), up_to(6), tuple(range(16)), 64),
            gaussian((8, 8), (1e-3, 0.01, 0.1), every(4, 56), up_to(8), tuple(range(16)), 64),
            gaussian((5, 9), 0.01, every(2, 44), up_to(5), tuple(range(16)), 64),
            gaussian((12, 12), 0.01, every(8, 96), up_to(8), tuple(range(8)), 64),
            *around_count((8, 8), up_to(6), tuple(range(-8, 5)), tuple(range(16)), 64),
            *around_count((6, 6), up_to(4), tuple(range(-8, 5)), tuple(range(16)), 64),
            *around_count((5, 9), up_to(4), tuple(range(-8, 5)), tuple(range(16)), 64),
            *planted(up_to(7), (-2, -1, 0, 1, 2, 4, 8), (1e-1, 1e-2, 1e-3), tuple(range(24))),
        ),
    },
    run=run,
    side_by_side=nl.side_by_side,
    shape=lambda survey: (survey.family, survey.fan_out, survey.fan_in, slots(survey.num_samples)),
    chunk=48,
)
