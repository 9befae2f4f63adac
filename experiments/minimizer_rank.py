"""How large is the rank of the optimum of full fine-tuning, and what does T1's construction reduce it to?

One cell: one instance (family, N, seed) at one λ. Read: `solve` gives the certified minimizer, `reduce_rank` its
reduction; T1 [paper] promises a reduced rank of at most `pataki_rank(KN)`, nothing promises that practice comes near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import ntklora as nl
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("span_dimension", int, "d, the dimension of the span of the tangent features"),
    Column("rank", int, "rank of the certified minimizer (singular values above 1e-7 of the largest)"),
    Column("reduced_rank", int, "largest rank of a weight after rank reduction"),
    Column("pataki_rank", int, "bound of T1: the largest r with r(r+1)/2 ≤ KN"),
    Column("gap", float, "relative duality gap of the minimizer"),
    Column("reduced_gap", float, "relative duality gap of the reduced solution"),
    Column(
        "output_error", float, "largest change of an output by the reduction, relative to the largest output change"
    ),
    Column("norm_increase", float, "relative change of the nuclear norm by the reduction (negative: smaller)"),
)


@dataclass(frozen=True)
class Instance:
    """One convex problem."""

    family: str = "gaussian"
    """gaussian, or a linearized network on digits: mlp, cnn, transformer, with _random_labels behind it or not."""
    num_samples: int = 8
    """N."""
    outputs: int = 1
    """K."""
    loss: str = "squared"
    """squared, logistic or cross_entropy."""
    lam_ratio: float = 0.01
    """Weight decay as a share of lam_max, above which 0 is optimal."""
    seed: int = 0
    """Seed of the data, the labels and the initialization."""


def run(instance: Instance) -> Row:
    """Solve one instance with a certificate, reduce the rank of its solution, compare with the bound."""
    problem = nl.named_problem(
        instance.family,
        num_samples=instance.num_samples,
        seed=instance.seed,
        num_outputs=instance.outputs,
        loss=instance.loss,
        lam_ratio=instance.lam_ratio,
    )
    solution = nl.solve(problem)
    reduced = nl.merge_factors(*nl.reduce_rank(problem, solution.delta))
    outputs, kept = problem.op.apply(solution.delta), problem.op.apply(reduced)
    norm = nl.nuclear_norm(problem, solution.delta)
    return {
        "num_outputs": problem.num_outputs,
        "span_dimension": nl.span_dimension(problem),
        "rank": solution.rank,
        "reduced_rank": nl.numerical_rank(problem, reduced),
        "pataki_rank": nl.pataki_rank(problem.num_samples * problem.num_outputs),
        "gap": solution.gap,
        "reduced_gap": nl.duality_gap(problem, reduced).gap,
        "output_error": float(np.abs(kept - outputs).max() / np.abs(outputs).max()),
        "norm_increase": float(nl.nuclear_norm(problem, reduced) / norm - 1.0),
    }


def shape(instance):
    """Sample sizes up to a multiple of 16 share programs, and labels change none."""
    network, samples = instance.family.removesuffix("_random_labels"), -(-instance.num_samples // 16)
    return network, samples, instance.outputs, instance.loss


NETWORKS = ("mlp", "mlp_random_labels", "cnn", "transformer", "transformer_random_labels")

experiment = Experiment(
    name="minimizer_rank",
    version=6,
    question="What rank does the optimum have, against the bound r(r+1)/2 ≤ KN?",
    parameters=Instance,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (
            {
                "family": ("gaussian", "mlp_random_labels"),
                "num_samples": (8, 16),
                "outputs": 1,
                "loss": "squared",
                "lam_ratio": 0.01,
                "seed": range(2),
            },
        ),
        Profile.default: (
            {
                "family": ("gaussian", *NETWORKS),
                "num_samples": (4, 8, 16, 32, 64),
                "outputs": 1,
                "loss": "squared",
                "lam_ratio": (0.1, 0.001),
                "seed": range(4),
            },
            {
                "family": ("gaussian", "mlp_random_labels"),
                "num_samples": (4, 8, 16),
                "outputs": 3,
                "loss": "cross_entropy",
                "lam_ratio": 0.001,
                "seed": range(4),
            },
        ),
        Profile.full: (
            {
                "family": ("gaussian", *NETWORKS),
                "num_samples": (4, 8, 16, 32, 64, 128),
                "outputs": 1,
                "loss": ("squared", "logistic"),
                "lam_ratio": (0.1, 0.01, 0.001),
                "seed": range(16),
            },
            {
                "family": ("gaussian", *NETWORKS),
                "num_samples": (4, 8, 16, 32),
                "outputs": 3,
                "loss": "cross_entropy",
                "lam_ratio": (0.1, 0.01, 0.001),
                "seed": range(16),
            },
        ),
    },
    run=run,
    side_by_side=nl.side_by_side,
    shape=shape,
)
