"""How far the minimizer is from the best on the population, against T3's bound, and whether the rank has a part in it.

One cell: one finite population, one sample size, one way to train; many draws of the training set, each solved with a
certificate. The population's minimizer is known and its risk is a finite sum, so the excess risk has no test-sample
noise; a hundred million samples cost what forty do, for they are counts. Read: T3 [reconstructed; constants derived]
says that at most a share η of the draws exceeds the bound, whatever the LoRA rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

import ntklora as nl
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_generator, stream_key
from ntklora.theory import BEST_KAPPA, deviation_constant, excess_risk_bound

ETA = 0.05
# Atoms and shape of their unit features, by the number of outputs.
SYNTHETIC = {1: (20, (8, 8)), 3: (9, (6, 6))}
DIGITS = 20
CERTIFIED = 1e-6  # relative gap of a LoRA endpoint that counts as global
STARTS = 2  # of LoRA, for each draw

COLUMNS = (
    Column("excess", list[float], "risk(δ) − risk(δ_true), draw by draw (the worse of LoRA's endpoints)"),
    Column("bound", float, "(κ+1)/(κ−1) λ‖δ_true‖_*, the largest suboptimality ε0 included"),
    Column("violations", int, "draws that exceed the bound", verdict=True),
    Column("beyond_two_lambda", int, "draws that exceed 2λ‖δ_true‖_*", verdict=True),
    Column("constant", float, "c"),
    Column("lam", float, "λ = κc"),
    Column("norm", float, "‖δ_true‖_*, the least among minimizers of the risk"),
    Column("trivial", float, "risk(0) − risk(δ_true): the excess of doing nothing"),
    Column("span_dimension", int, "d"),
    Column("zero", int, "draws whose certified minimizer is 0", verdict=True),
    Column("largest_rank", int, "of the certified minimizers", verdict=True),
    Column("largest_gap", float, "relative duality gap of what the excess is that of"),
    Column("certified", int, "draws all of whose endpoints are certified global; none for full fine-tuning"),
    Column("risk_difference", float, "largest |risk(LoRA) − risk(minimizer)| over those; none for full fine-tuning"),
)


@dataclass(frozen=True)
class Sampling:
    """One population, one sample size and rank."""

    features: str = "synthetic"
    """synthetic (unit features of rank 1 around a few directions), or a linearized network on digits: mlp, cnn."""
    num_outputs: int = 1
    """K: 1 (logistic, twenty atoms) or, for synthetic features, 3 (cross-entropy, nine atoms)."""
    shrink: float = 1.0
    """What c is divided by, and λ and the bound with it: T3 is stated for 1."""
    seed: int = 0
    """Seed of the population and of the draws (the same at every rank)."""
    draws: int = 250
    """Training sets."""
    num_samples: int = 1000
    """N."""
    rank: int = 0
    """LoRA rank; 0 for full fine-tuning."""


@lru_cache(maxsize=8)
def population(features: str, num_outputs: int, seed: int):
    """The population with these features and number of outputs."""
    if features != "synthetic":
        return nl.digits_population(features, num_atoms=DIGITS, seed=seed, num_outputs=num_outputs)
    atoms, shape = SYNTHETIC[num_outputs]
    return nl.teacher_population(shape, num_atoms=atoms, num_outputs=num_outputs, seed=seed)


def run(cell: Sampling) -> Row:
    """Solve every draw, at a LoRA rank train from a few starts too; compare with the bound."""
    people = population(cell.features, cell.num_outputs, cell.seed)
    lipschitz, radius = people.loss.lipschitz, people.radius
    constant = deviation_constant(cell.num_samples, cell.num_outputs, lipschitz, radius, ETA) / cell.shrink
    lam = BEST_KAPPA * constant
    rng = stream_generator("draws", cell.seed, num_samples=cell.num_samples)
    problems = [people.sample(cell.num_samples, lam, rng) for _ in range(cell.draws)]
    solutions = list(nl.side_by_side([partial(nl.solve, problem) for problem in problems]))
    if cell.rank:
        trained = [endpoints(cell, draw, problem) for draw, problem in enumerate(problems)]
    else:
        trained = [[(solution.delta, solution.primal - solution.dual, solution.gap)] for solution in solutions]
    excess = np.array([max(people.excess(delta) for delta, _, _ in ends) for ends in trained])
    left = max(above for ends in trained for _, above, _ in ends)
    bound = excess_risk_bound(constant, BEST_KAPPA, people.norm, max(left, 0.0))
    proved = [all(gap <= CERTIFIED for _, _, gap in ends) for ends in trained]
    apart = [
        abs(people.risk(delta) - people.risk(solution.delta))
        for solution, ends, global_ in zip(solutions, trained, proved, strict=True)
        for delta, _, _ in (ends if global_ else [])
    ]
    return {
        "excess": excess.tolist(),
        "bound": bound,
        "violations": int((excess > bound).sum()),
        "beyond_two_lambda": int((excess > 2 * lam * people.norm).sum()),
        "constant": constant,
        "lam": lam,
        "norm": people.norm,
        "trivial": people.excess(0 * people.delta_true),
        "span_dimension": nl.span_dimension(problems[0]),
        "zero": sum(solution.rank == 0 for solution in solutions),
        "largest_rank": max(solution.rank for solution in solutions),
        "largest_gap": max(gap for ends in trained for _, _, gap in ends),
        "certified": sum(proved) if cell.rank else None,
        "risk_difference": max(apart, default=None) if cell.rank else None,
    }


def endpoints(cell: Sampling, draw: int, problem):
    """Where LoRA ends: δ, how far F may lie above its minimum, and the relative gap, for each start."""
    key = stream_key("starts", cell.seed, num_samples=cell.num_samples, rank=cell.rank, draw=draw)
    ends = nl.find_endpoints(problem, cell.rank, key, starts=STARTS)
    deltas = [u @ v.T for u, v in zip(ends.u, ends.v, strict=True)]
    gaps = [nl.duality_gap(problem, delta) for delta in deltas]
    return [(delta, gap.primal - gap.dual, gap.gap) for delta, gap in zip(deltas, gaps, strict=True)]


def full_grid(sizes, seeds, draws, features="synthetic", num_outputs=1, shrink=1.0):
    """Certified minimizers at these sample sizes."""
    return {
        "features": features,
        "num_outputs": num_outputs,
        "shrink": shrink,
        "seed": seeds,
        "draws": draws,
        "num_samples": sizes,
        "rank": 0,
    }


def lora_grid(sizes, ranks, draws):
    """LoRA on the first draws of the binary population."""
    return {"num_outputs": 1, "seed": 0, "draws": draws, "num_samples": sizes, "rank": ranks}


experiment = Experiment(
    name="generalization",
    version=4,
    question="What is the excess risk on the population, against T3's bound, and does the rank enter?",
    parameters=Sampling,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (
            full_grid((10**3, 10**5), (0,), 20),
            full_grid((10**5,), (0,), 10, features="mlp"),
            full_grid((10**3,), (0,), 20, shrink=1000.0),
            lora_grid((10**5,), (6,), 4),
        ),
        Profile.default: (
            full_grid(tuple(10**k for k in range(3, 9)), (0, 1, 2, 3), 250),
            full_grid(tuple(10**k for k in range(3, 9)), (0,), 100, features="mlp"),
            full_grid(tuple(10**k for k in range(5, 9)), (0,), 50, num_outputs=3),
            full_grid((10**3,), (0, 1), 100, shrink=(10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)),
            lora_grid((10**5, 10**6, 10**7), (1, 6, 7, 8), 20),
        ),
        Profile.full: (
            full_grid(tuple(10**k for k in range(3, 10)), tuple(range(10)), 2000),
            full_grid(tuple(10**k for k in range(3, 10)), tuple(range(4)), 1000, features=("mlp", "cnn")),
            full_grid(tuple(10**k for k in range(4, 10)), tuple(range(4)), 1000, num_outputs=3),
            full_grid((10**3, 10**4), tuple(range(4)), 1000, shrink=(10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)),
            lora_grid(tuple(10**k for k in range(5, 10)), tuple(range(1, 9)), 200),
        ),
    },
    run=run,
    shape=lambda cell: (cell.features, cell.num_outputs),
    chunk=6,
)
