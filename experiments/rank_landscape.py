"""Where are spurious local minima: LoRA rank against the number of data, typical instances beside the worst case.

One cell: one instance (family, N, seed) and one rank; its random starts are trained to the end and judged. Read: T2
[paper] excludes spurious minima of almost every perturbed problem for r(r+1)/2 > KN, T2-strict [derived] strict ones for
r(r+3)/2 > d; planted instances show that below, they exist. Typical features are far milder.
"""

from __future__ import annotations

from functools import lru_cache

import jax

import ntklora as nl
from ntklora.sweeps.experiment import Cell, Column, Row

CLASSES = ("global", "spurious", "rank_limited", "flat", "saddle", "unconverged", "inconclusive")

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("span_dimension", int, "d, the dimension of the span of the tangent features"),
    *(Column(kind, int, f"endpoints of class {kind}") for kind in CLASSES),
    Column("certified_rank", int, "rank of the certified convex optimum"),
    Column("primal", float, "objective of the certified convex optimum"),
    Column("gap", float, "its relative duality gap"),
    Column("best_objective", float, "lowest endpoint"),
    Column("worst_objective", float, "highest endpoint"),
)


@lru_cache(maxsize=2)
def instance(family: str, num_samples: int, seed: int, lam_ratio: float):
    """The instance and its certified optimum: the same for every rank, so neighbouring cells share them."""
    problem = nl.named_problem(family, num_samples=num_samples, seed=seed, lam_ratio=lam_ratio)
    return problem, nl.solve(problem)


def run(cell: Cell) -> Row:
    """Survey one rank of one instance; a planted one depends on the rank, and its starts surround the planted point."""
    rank, seed, starts = int(cell["rank"]), int(cell["seed"]), int(cell["starts"])
    key = jax.random.fold_in(jax.random.key(seed), rank)
    if cell["family"] == "planted":
        planted = nl.plant_spurious_minimum(rank, int(cell["num_samples"]), seed=seed)
        landscape = nl.survey_landscape(planted.problem, rank, key, starts=starts, initial=(planted.u, planted.v))
        problem = planted.problem
    else:
        problem, solution = instance(str(cell["family"]), int(cell["num_samples"]), seed, float(cell["lam_ratio"]))
        landscape = nl.survey_landscape(problem, rank, key, starts=starts, solution=solution)
    return {
        "num_outputs": problem.num_outputs,
        "span_dimension": nl.span_dimension(problem),
        **{kind: landscape.counts[nl.Endpoint(kind)] for kind in CLASSES},
        "certified_rank": landscape.solution.rank,
        "primal": landscape.solution.primal,
        "gap": landscape.solution.gap,
        "best_objective": float(landscape.objective.min()),
        "worst_objective": float(landscape.objective.max()),
    }
