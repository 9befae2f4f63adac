"""Which rank has the optimum of full fine-tuning as the weight decay falls from λ_max, where it is 0?

One cell: one instance and the certified minimizers along a path of λ. Read: T1 [paper] bounds the rank of some
minimizer at every λ alike; the path shows what of it is ever used. Along a path [derived] the nuclear norm falls and
the loss rises with λ, and the optimal value is concave in λ with the nuclear norm as its slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import ntklora as nl
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("pataki_rank", int, "bound of T1: the largest r with r(r+1)/2 ≤ KN"),
    Column("lam", list[float], "weight decays, from lam_max down"),
    Column("lam_share", list[float], "the same as shares of lam_max"),
    Column("rank", list[int], "rank of the certified minimizer (singular values above 1e-7 of the largest)"),
    Column("reduced_rank", list[int], "largest rank of a weight after rank reduction"),
    Column("nuclear_norm", list[float], "of the certified minimizer"),
    Column("training_loss", list[float], "training loss of the certified minimizer"),
    Column("primal", list[float], "its objective"),
    Column("dual", list[float], "lower bound of the optimal value"),
    Column("gap", list[float], "relative duality gap"),
)


@dataclass(frozen=True)
class Instance:
    """One convex problem and the path of its weight decay."""

    family: str = "gaussian"
    """gaussian, or a linearized network on digits: mlp, cnn, transformer, with _random_labels behind it or not."""
    num_samples: int = 32
    """N."""
    outputs: int = 1
    """K."""
    loss: str = "squared"
    """squared, logistic or cross_entropy."""
    decades: float = 4.0
    """The path ends at lam_max times ten to minus this."""
    points: int = 17
    """Weight decays, evenly spread in the logarithm, both ends included."""
    seed: int = 0
    """Seed of the data, the labels and the initialization."""


def run(instance: Instance) -> Row:
    """Solve with a certificate at every weight decay, and reduce the rank of what is found."""
    problem = nl.named_problem(
        instance.family,
        num_samples=instance.num_samples,
        seed=instance.seed,
        num_outputs=instance.outputs,
        loss=instance.loss,
    )
    shares = np.logspace(0.0, -instance.decades, instance.points)
    lams = nl.lam_max(problem) * shares
    solutions = nl.solve_path(problem, lams)
    norms = [float(nl.nuclear_norm(problem, solution.delta)) for solution in solutions]
    return {
        "num_outputs": problem.num_outputs,
        "pataki_rank": nl.pataki_rank(problem.num_samples * problem.num_outputs),
        "lam": lams.tolist(),
        "lam_share": shares.tolist(),
        "rank": [solution.rank for solution in solutions],
        "reduced_rank": [_reduced_rank(problem, solution) for solution in solutions],
        "nuclear_norm": norms,
        "training_loss": [each.primal - lam * norm for each, lam, norm in zip(solutions, lams, norms, strict=True)],
        "primal": [solution.primal for solution in solutions],
        "dual": [solution.dual for solution in solutions],
        "gap": [solution.gap for solution in solutions],
    }


def _reduced_rank(problem, solution) -> int:
    return nl.numerical_rank(problem, nl.merge_factors(*nl.reduce_rank(problem, solution.delta)))


def grid(families, sizes, outputs, loss, points, seeds):
    """One rectangle of cells."""
    return {
        "family": families,
        "num_samples": sizes,
        "outputs": outputs,
        "loss": loss,
        "decades": 4.0,
        "points": points,
        "seed": seeds,
    }


FAMILIES = ("gaussian", "mlp", "mlp_random_labels", "transformer", "transformer_random_labels")

experiment = Experiment(
    name="regularization_path",
    version=4,
    question="What rank does the optimum have along a path of the weight decay, from lam_max down?",
    parameters=Instance,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (grid(("gaussian", "mlp_random_labels"), (8,), 1, "squared", 5, range(2)),),
        Profile.default: (
            grid(FAMILIES, (32,), 1, "squared", 17, range(4)),
            grid(("mlp_random_labels",), (16,), 3, "cross_entropy", 17, range(4)),
        ),
        Profile.full: (
            grid((*FAMILIES, "cnn"), (16, 32, 64, 128), 1, ("squared", "logistic"), 33, range(16)),
            grid((*FAMILIES, "cnn"), (16, 32), 3, "cross_entropy", 33, range(16)),
        ),
    },
    run=run,
    side_by_side=nl.side_by_side,
    shape=lambda instance: (instance.family, instance.num_samples, instance.outputs, instance.loss),
)
