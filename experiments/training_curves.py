"""JLR's experiment: the objective against steps, one curve per rank, full fine-tuning beside it, the optimum as a line.

In the manner of JLR's figures, on digits instead of their tasks: N = 32 examples of two classes, K = 2 logits, so that
KN = 64 and the guarantee starts at rank 11. Full-batch gradient descent from LoRA's own initialization; proximal
gradient for full fine-tuning. Read: every rank above the threshold (often below) ends at the certified optimum.

Ranks share one program: factors are padded with zero columns, which gradient descent leaves at zero, because the
gradients Γv + λu and Γᵀu + λv have them where u and v do [derived].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

import ntklora as nl
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_key

CLOSE = 1e-2  # relative excess that counts as having reached the optimum

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("guaranteed_rank", int, "smallest r with r(r+1)/2 > KN"),
    Column("primal", float, "objective of the certified optimum"),
    Column("gap", float, "its relative duality gap"),
    Column("optimal_rank", int, "its rank", verdict=True),
    Column("learning_rate", float, "step size"),
    Column("steps", list[int], "steps at which the objective is kept: all of the first 20, then evenly in log"),
    Column("objective", list[float], "F after that many steps"),
    Column("reached", bool, f"the last objective is within {CLOSE:.0%} of the certified optimum", verdict=True),
)


@dataclass(frozen=True)
class Training:
    """One way to train one linearized network on digits."""

    network: str = "mlp"
    """mlp, cnn or transformer."""
    labels: str = "true"
    """true or random."""
    num_samples: int = 32
    """N; K is 2."""
    lam_ratio: float = 0.01
    """Weight decay as a share of lam_max."""
    num_steps: int = 4000
    """Steps of full-batch gradient descent."""
    method: str = "lora"
    """lora, or full: proximal gradient on the whole weight."""
    seed: int = 0
    """Seed of the data, the labels and the network (the same at every rank), and of the start (another at each)."""
    rank: int = 1
    """LoRA rank; 0 for full."""


class Shape(NamedTuple):
    """What decides array shapes; `columns` of the factors, none in full fine-tuning."""

    network: str
    num_samples: int
    num_steps: int
    columns: int


def shape(training: Training) -> Shape:
    """Columns for at least 16: at that size they cost less than another compilation."""
    columns = 0 if training.method == "full" else max(16, 1 << (training.rank - 1).bit_length())
    return Shape(training.network, training.num_samples, training.num_steps, columns)


@lru_cache(maxsize=64)
def instance(network: str, labels: str, num_samples: int, lam_ratio: float, seed: int):
    """The linearized network and its certified optimum: the same for every rank and method."""
    problem = nl.linearized_digits(
        network, labels, num_samples=num_samples, seed=seed, num_outputs=2, loss="cross_entropy", lam_ratio=lam_ratio
    )
    return problem, nl.solve(problem)


def prepare(training: Training):
    """The problem, with the factors to start from; in full fine-tuning, exactly reduced."""
    problem, solution = instance(
        training.network, training.labels, training.num_samples, training.lam_ratio, training.seed
    )
    if training.method == "full":
        arrays = {"problem": nl.reduce_problem(problem, padded=True).problem}
    else:
        key = stream_key("starts", training.seed, rank=training.rank)
        starts = nl.Kaiming()(problem, training.rank, key)
        u, v = (nl.pad_columns(factors, shape(training).columns) for factors in starts)
        arrays = {"problem": problem, "u": u, "v": v}
    return arrays, (problem, solution)


def compute(shape: Shape, arrays):
    """The objective at the steps kept, and the step size."""
    problem, kept = arrays["problem"], kept_steps(shape.num_steps)
    if shape.columns:
        u, v = problem.op.like(arrays["u"]), problem.op.like(arrays["v"])
        path = nl.train_factors(problem, u, v, steps=shape.num_steps, kept=kept)
        return {"objective": path.objective, "learning_rate": path.learning_rate}
    whole = nl.descend_proximally(problem, steps=shape.num_steps)
    return {"objective": whole.objective[kept], "learning_rate": whole.learning_rate}


def finish(training: Training, context, outputs) -> Row:
    """The curve beside the certified optimum."""
    problem, solution = context
    return {
        **outputs,
        "num_outputs": problem.num_outputs,
        "guaranteed_rank": nl.landscape_rank(problem.num_samples * problem.num_outputs),
        "primal": solution.primal,
        "gap": solution.gap,
        "optimal_rank": solution.rank,
        "steps": kept_steps(training.num_steps),
        "reached": outputs["objective"][-1] <= (1 + CLOSE) * solution.primal,
    }


def kept_steps(num_steps: int) -> np.ndarray:
    """0 … 20, then about 150 steps evenly spaced in the logarithm, the last one included."""
    late = np.round(np.geomspace(20, max(num_steps, 20), 150)).astype(int)
    return np.unique(np.concatenate([np.arange(21), late]).clip(max=num_steps))


def grids(networks, labels, ranks, num_steps, seeds):
    """LoRA at each rank, and full fine-tuning once (rank 0 stands for it)."""
    common = {"network": networks, "labels": labels, "num_samples": 32, "lam_ratio": 0.01, "num_steps": num_steps}
    return (
        {**common, "method": "lora", "seed": seeds, "rank": ranks},
        {**common, "method": "full", "seed": seeds, "rank": 0},
    )


experiment = Experiment(
    name="training_curves",
    version=5,
    question="Does gradient descent from LoRA's initialization reach the certified optimum, at which ranks?",
    parameters=Training,
    columns=COLUMNS,
    profiles={
        Profile.smoke: grids(("mlp",), ("true",), (1, 11), 300, (0,)),
        Profile.default: grids(("mlp", "cnn", "transformer"), ("true", "random"), (1, 2, 4, 8, 11, 16), 4000, (0,)),
        Profile.full: grids(
            ("mlp", "cnn", "transformer"), ("true", "random"), (1, 2, 3, 4, 6, 8, 11, 16, 32), 50_000, tuple(range(5))
        ),
    },
    run=Vmapped(prepare, compute, finish),
    shape=shape,
    chunk=4,
)
