"""How bad can a strict spurious minimum be: its curvature against its excess, random planting beside the worst case.

One cell: one planted stationary point and its verdict. Planted at random, with the excess e of ‖Γ‖ over λ swept; found
by adversarial search over features, targets and spectrum; or in the closed form that attains T2-worst [derived]. Read:
from N = r(r+3)/2 on the search finds strict minima of large excess at every rank; one sample below, none
(T2-strict [derived]).
"""

from __future__ import annotations

from dataclasses import dataclass

import ntklora as nl
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.theory import planting_threshold

# One shape for all random plantings, so that one compilation serves the ranks that share a number of samples.
PLANTED_SHAPE = (8, 9)

CLASSES = tuple(kind.value for kind in nl.Endpoint)

COLUMNS = (
    *(Column(kind, int, f"1 if the planted point is {kind}, else 0", verdict=True) for kind in CLASSES),
    Column("span_dimension", int, "d, the dimension of the span of the tangent features"),
    Column("curvature", float, "smallest eigenvalue of the Hessian modulo gauge, as a share of the largest"),
    Column("excess", float, "(objective − best_known)/objective"),
    Column("objective", float, "F at the planted point"),
    Column("best_known", float, "F at the best point exhibited of rank at most r, the planted one included"),
    Column("gap", float, "relative duality gap at the planted point"),
)


@dataclass(frozen=True)
class Planting:
    """One stationary point of full rank that is built not to be global."""

    mode: str = "random"
    """random, adversarial, or closed_form (at r(r+3)/2 samples only)."""
    rank: int = 1
    """LoRA rank r."""
    num_samples: int = 2
    """N; K is 1."""
    planted_excess: float = 1e-2
    """e: ‖Γ‖ = λ(1+e) at the planted point. Only random planting reads it."""
    balance: float = 1.0
    """Curvature sought for each unit of excess. Random planting does not read it."""
    starts: int = 4
    """Random plantings that the search climbs from; the best end is the cell's. Only the search reads it."""
    num_steps: int = 600
    """Steps of the search."""
    seed: int = 0
    """Seed of the planting, or of the search's starts (others at each rank and number of samples)."""


def run(planting: Planting) -> Row:
    """Plant, and judge: better points are the certified optimum where its rank allows, or the search's own rival."""
    rank, count, seed = planting.rank, planting.num_samples, planting.seed
    if planting.mode == "random":
        problem, u, v = nl.plant_spurious_minimum(
            rank, count, seed=seed, excess=planting.planted_excess, shape=PLANTED_SHAPE
        )
        evidence = {"solution": nl.solve(problem)}
    elif planting.mode in ("adversarial", "closed_form"):
        found = construct(planting)
        problem, u, v = found.problem, found.u, found.v
        evidence = {"rivals": [(found.better_u, found.better_v)]}
    else:
        raise ValueError(f"mode is {planting.mode!r}: expected random, adversarial or closed_form")
    report = nl.classify_endpoint(problem, u, v, tolerance=1e-9, **evidence)
    return {
        **{kind: int(report.endpoint == kind) for kind in CLASSES},
        "span_dimension": nl.span_dimension(problem),
        "curvature": nl.relative_curvature(problem, u, v),
        "excess": (report.objective - report.best_known) / report.objective,
        "objective": report.objective,
        "best_known": report.best_known,
        "gap": report.gap,
    }


def construct(planting: Planting):
    """The search's find, or the closed form at the same balance of curvature and excess."""
    rank, seed = planting.rank, planting.seed
    if planting.mode == "adversarial":
        return nl.search_worst_minimum(
            rank,
            planting.num_samples,
            seed=seed,
            balance=planting.balance,
            starts=planting.starts,
            steps=planting.num_steps,
        )
    if planting.num_samples != planting_threshold(rank):
        raise ValueError(
            f"the closed form has r(r+3)/2 = {planting_threshold(rank)} samples, not {planting.num_samples}"
        )
    return nl.plant_worst_minimum(rank, curvature=nl.balanced_curvature(planting.balance), seed=seed)


def grids(ranks, sides, excesses, balances, random_seeds, search_seeds, num_steps=600):
    """For every rank the samples `r(r+3)/2 + side`, random and adversarial, and the closed form at r(r+3)/2."""
    for rank in ranks:
        boundary = planting_threshold(rank)
        sizes = tuple(boundary + side for side in sides if boundary + side > 0)
        common = {"rank": rank, "num_samples": sizes}
        yield {"mode": "random", **common, "planted_excess": excesses, "seed": random_seeds}
        yield {"mode": "closed_form", "rank": rank, "num_samples": boundary, "balance": balances}
        yield {"mode": "adversarial", **common, "balance": balances, "num_steps": num_steps, "seed": search_seeds}


def shape(planting):
    """Sample sizes share programs: those of planting up to a multiple of 16, those of the search at a rank."""
    return planting.mode, -(-planting.num_samples // 16) if planting.mode == "random" else planting.rank


experiment = Experiment(
    name="worst_case",
    version=5,
    question="How much excess, with how much curvature, can a strict spurious minimum have?",
    parameters=Planting,
    columns=COLUMNS,
    profiles={
        Profile.smoke: tuple(grids((2,), (-1, 0), (1e-3,), (1.0,), (0, 1), (0,))),
        Profile.default: tuple(
            grids(
                (1, 2, 3, 4, 5), (-1, 0, 1), (1.0, 1e-1, 1e-2, 1e-3, 1e-4), (1.0, 0.3, 0.1, 0.03), tuple(range(6)), (0,)
            )
        ),
        Profile.full: tuple(
            grids(
                (1, 2, 3, 4, 5, 6),
                (-2, -1, 0, 1, 2),
                (1.0, 1e-1, 1e-2, 1e-3, 1e-4),
                (3.0, 1.0, 0.3, 0.1, 0.03),
                tuple(range(200)),
                tuple(range(4)),
                num_steps=3000,
            )
        ),
    },
    run=run,
    side_by_side=nl.side_by_side,
    shape=shape,
    chunk=24,
)
