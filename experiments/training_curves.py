"""JLR's experiment: the objective against steps, one curve per rank, full fine-tuning beside it, the optimum as a line.

In the manner of JLR's figures, on digits instead of their tasks: N = 32 examples of two classes, K = 2 logits, so that
KN = 64 and the guarantee starts at rank 11. Full-batch gradient descent from LoRA's own initialization; proximal
gradient for full fine-tuning. Read: every rank above the threshold (often below) ends at the certified optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

import ntklora as nl
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("guaranteed_rank", int, "smallest r with r(r+1)/2 > KN"),
    Column("primal", float, "objective of the certified optimum"),
    Column("gap", float, "its relative duality gap"),
    Column("optimal_rank", int, "its rank"),
    Column("learning_rate", float, "step size"),
    Column("steps", list[int], "steps at which the objective is kept: all of the first 20, then evenly in log"),
    Column("objective", list[float], "F after that many steps"),
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
    rank: int = 1
    """LoRA rank; 0 for full."""
    seed: int = 0
    """Seed of the data (the same at every rank), the labels, and the initializations."""


def run(training: Training) -> Row:
    """Train one method at one rank on one linearized network; solve the convex problem beside it."""
    problem = nl.linearized_digits(
        training.network,
        training.labels,
        num_samples=training.num_samples,
        seed=training.seed,
        num_outputs=2,
        loss="cross_entropy",
        lam_ratio=training.lam_ratio,
    )
    solution = nl.solve(problem)
    num_steps = training.num_steps
    if training.method == "full":
        trained = nl.train_full(problem, steps=num_steps)
    else:
        trained = nl.train_lora(problem, training.rank, jax.random.key(training.seed), steps=num_steps)
    kept = kept_steps(num_steps)
    return {
        "num_outputs": problem.num_outputs,
        "guaranteed_rank": nl.landscape_rank(problem.num_samples * problem.num_outputs),
        "primal": solution.primal,
        "gap": solution.gap,
        "optimal_rank": solution.rank,
        "learning_rate": float(trained.learning_rate),
        "steps": kept.tolist(),
        "objective": np.asarray(trained.objective)[kept].tolist(),
    }


def kept_steps(num_steps: int) -> np.ndarray:
    """0 … 20, then about 150 steps evenly spaced in the logarithm, the last one included."""
    late = np.round(np.geomspace(20, max(num_steps, 20), 150)).astype(int)
    return np.unique(np.concatenate([np.arange(21), late]).clip(max=num_steps))


def grids(networks, labels, ranks, num_steps, seeds):
    """LoRA at each rank, and full fine-tuning once (rank 0 stands for it)."""
    common = {"network": networks, "labels": labels, "num_samples": 32, "lam_ratio": 0.01, "num_steps": num_steps}
    return (
        {**common, "method": "lora", "rank": ranks, "seed": seeds},
        {**common, "method": "full", "rank": 0, "seed": seeds},
    )


experiment = Experiment(
    name="training_curves",
    version=1,
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
    run=run,
    shape=lambda training: (training.network, training.labels, training.num_samples),
)
