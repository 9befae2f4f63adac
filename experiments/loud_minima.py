"""Does LoRA end well, or fail loudly: the scale of the initialization against where gradient descent ends.

One cell: one convex loss that no network made, one LoRA rank, one scale of Gaussian initialization; many starts, each
trained by gradient descent and judged. Planted instances have a spurious minimum of high rank and large norm beside a
global one of rank 1, and restricted convexity and smoothness that are known exactly; Gaussian sensing is the typical
instance beside them. Read: KKR [paper] allows spurious endpoints only with σ_r ≥ (2α/β) σ_{r*}.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np

import ntklora as nl
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_generator

CLASSES = tuple(kind.value for kind in nl.Endpoint)
# Gaussian sensing: δ (6, 6), twice as many samples as parameters, a teacher of rank 1 and some noise.
GAUSSIAN_SIZE, GAUSSIAN_SAMPLES, NOISE = 6, 72, 0.1

COLUMNS = (
    *(Column(kind, int, f"endpoints of class {kind}", verdict=True) for kind in CLASSES),
    Column("optimal_rank", int, "r*, rank of the certified optimum", verdict=True),
    Column("optimal_norm", float, "its nuclear norm"),
    Column("gap", float, "its relative duality gap"),
    Column("convexity", float, "restricted convexity over differences of rank r + r*: exact, or a safe lower bound"),
    Column("smoothness", float, "restricted smoothness over rank 2: exact, or a safe upper bound"),
    Column("convexity_met", float, "smallest restricted curvature that a search has met: an upper bound of α"),
    Column("smoothness_met", float, "largest that a search has met: a lower bound of β"),
    Column("loss_at_zero", float, "L(0)"),
    Column("lam", float, "weight decay"),
    Column("loud_ratio", float, "least σ_r/σ_{r*} over spurious endpoints; none without them"),
    Column("loud_norm", float, "least nuclear norm over spurious endpoints; none without them"),
    Column("loud_excess", float, "least F/min F − 1 over spurious endpoints; none without them"),
    Column("quiet_ratio", float, "largest σ_r/σ_{r*} over global endpoints; none without them"),
)


@dataclass(frozen=True)
class Run:
    """Gradient descent of LoRA from one scale of initialization."""

    family: str = "planted"
    """planted, or gaussian."""
    rank: int = 1
    """LoRA rank r; a planted instance has its loud minimum at this rank."""
    seed: int = 0
    """Seed of the instance and of the starts (others at each scale)."""
    starts: int = 64
    """Gaussian starts of both factors, each trained to the end and judged."""
    num_steps: int = 2000
    """Gradient steps of one round."""
    num_rounds: int = 8
    """Rounds: in each the step size is chosen anew, since the curvature falls as large factors shrink."""
    scale: float = 1.0
    """Standard deviation of the entries at the start; the optimum's entries of Q are about 0.5."""


class Shape(NamedTuple):
    """What decides array shapes and the length of the loops."""

    family: str
    rank: int
    starts: int
    num_steps: int
    num_rounds: int


@lru_cache(maxsize=16)
def instance(family: str, rank: int, seed: int):
    """The problem, its certified optimum, and the constants of KKR's hypotheses as columns."""
    if family == "planted":
        planted = nl.plant_loud_minimum(np.linspace(2.0, 1.0, rank), seed=seed)
        problem, known = planted.problem, {"convexity": planted.convexity, "smoothness": planted.smoothness}
    elif family == "gaussian":
        problem, known = sensing(stream_generator("data", seed)), {}
    else:
        raise ValueError(f"unknown family {family!r}; expected planted or gaussian")
    solution = nl.solve(problem)
    # The loss is quadratic: its curvature is the same on every ball.
    wide, narrow = (nl.restricted_curvature(problem, k, radius=1.0) for k in (rank + solution.rank, 2))
    constants = {
        "convexity": wide.convexity.low,
        "smoothness": narrow.smoothness.high,
        "convexity_met": wide.convexity.high,
        "smoothness_met": narrow.smoothness.low,
    }
    return problem, solution, {**constants, **known}


def sensing(rng: np.random.Generator):
    """Gaussian measurements of a unit matrix of rank 1, λ = 0.1 λ_max."""
    size = GAUSSIAN_SIZE
    op = nl.TangentOperator.from_dense(rng.standard_normal((GAUSSIAN_SAMPLES, 1, size, size)))
    left, right = (x / np.linalg.norm(x) for x in rng.standard_normal((2, size)))
    y = op.apply(np.outer(left, right)) + NOISE * rng.standard_normal((GAUSSIAN_SAMPLES, 1))
    problem = nl.Problem(op, np.zeros_like(y), y, "squared", 0.0)
    return problem.with_lam(0.1 * nl.lam_max(problem))


def prepare(run: Run):
    """The problem with the factors to start from."""
    problem, solution, constants = instance(run.family, run.rank, run.seed)
    (m, n), rng = problem.shapes["w"], stream_generator("starts", run.seed, rank=run.rank, scale=run.scale)
    u, v = (run.scale * rng.standard_normal((run.starts, rows, run.rank)) for rows in (m, n))
    return {"problem": problem, "u": u, "v": v}, (problem, solution, constants)


def compute(shape: Shape, arrays):
    """Where the starts are after all rounds."""
    problem = arrays["problem"]

    def one_round(_, factors):
        path = nl.train_factors(problem, *factors, steps=shape.num_steps, kept=(0, shape.num_steps))
        return path.u, path.v

    def trained(u, v):
        return jax.lax.fori_loop(0, shape.num_rounds, one_round, (u, v))

    u, v = jax.vmap(trained)(arrays["u"], arrays["v"])
    return {"u": u, "v": v}


def finish(run: Run, context, outputs) -> Row:
    """Every end judged, and what the loud and the quiet ones look like."""
    problem, solution, constants = context
    u, v = outputs["u"], outputs["v"]
    reports = nl.classify_endpoints(problem, u, v, solution=solution)
    kinds = np.array([report.endpoint for report in reports])
    values = np.linalg.svd(u @ v.swapaxes(1, 2), compute_uv=False)
    ratio = values[:, run.rank - 1] / np.maximum(values[:, solution.rank - 1], np.finfo(float).tiny)
    excess = np.array([report.objective for report in reports]) / solution.primal - 1
    loud, quiet = kinds == nl.Endpoint.spurious, kinds == nl.Endpoint.global_
    return {
        **{kind: int((kinds == kind).sum()) for kind in CLASSES},
        "optimal_rank": solution.rank,
        "optimal_norm": float(nl.nuclear_norm(problem, solution.delta)),
        "gap": solution.gap,
        **constants,
        "loss_at_zero": float(nl.objective(problem, 0 * u[0], 0 * v[0])),
        "lam": float(problem.lam),
        "loud_ratio": float(ratio[loud].min()) if loud.any() else None,
        "loud_norm": float(values.sum(1)[loud].min()) if loud.any() else None,
        "loud_excess": float(excess[loud].min()) if loud.any() else None,
        "quiet_ratio": float(ratio[quiet].max()) if quiet.any() else None,
    }


def grids(ranks, scales, seeds, starts, rounds=8):
    """Planted minima at several ranks, and Gaussian sensing at rank 2 beside them."""
    common = {"seed": seeds, "starts": starts, "num_rounds": rounds, "scale": scales}
    return {"family": "planted", "rank": ranks, **common}, {"family": "gaussian", "rank": 2, **common}


experiment = Experiment(
    name="loud_minima",
    version=4,
    question="Which scale of initialization runs into a spurious minimum, and what does it look like?",
    parameters=Run,
    columns=COLUMNS,
    profiles={
        Profile.smoke: grids((1, 2), (0.01, 2.0), (0,), 16, 4),
        Profile.default: grids((1, 2, 3), (0.01, 0.03, 0.1, 0.3, 1.0, 2.0), (0, 1), 64),
        Profile.full: grids((1, 2, 3, 4), (0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 4.0), tuple(range(8)), 256, 24),
    },
    run=Vmapped(prepare, compute, finish),
    shape=lambda run: Shape(run.family, run.rank, run.starts, run.num_steps, run.num_rounds),
    chunk=4,
)
