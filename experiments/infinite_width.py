"""How fast do the LoRA problems of finite networks approach that of the infinitely wide one?

One cell: an MLP of one width on digits, its problem beside its limit in closed form: the same digits, targets and λ,
outputs at initialization centred to 0, all weights adapted. Read: each Gram matrix is a mean over units, so kernel,
λ_max and certified optimum fluctuate by width^(-1/2) around their limits, with a bias of order 1/width that may
dominate in narrow networks [derived: the central limit theorem, layer after layer].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np

import ntklora as nl
from ntklora.instances.digits import digits_task
from ntklora.models import MLP
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_key

ACTIVATIONS = {"relu": jax.nn.relu, "erf": jax.lax.erf}
INPUTS, OUTPUTS, HIDDEN = 64, 2, 2

COLUMNS = (
    Column("kernel_distance", float, "‖Θ − Θ_∞‖_F/‖Θ_∞‖_F, cross-output entries included"),
    Column("cross_share", float, "share of ‖Θ‖_F that lies in cross-output entries, which the limit has not"),
    Column("lam_max_change", float, "λ_max/its limit − 1"),
    Column("primal", float, "F*, objective of the certified optimum"),
    Column("primal_change", float, "F*/its limit − 1"),
    Column("output_distance", float, "distance of the optimum's outputs to the limit's, relative"),
    Column("total_rank", int, "rank of the certified minimizer, summed over the weights"),
    Column("limit_rank", int, "the same in the limit"),
    Column("rank_difference", int, "differences of the two over the weights, absolute values summed"),
    Column("pataki_rank", int, "bound of T1: the largest r with r(r+1)/2 ≤ KN"),
    Column("gap", float, "larger relative duality gap of the two optima"),
)


@dataclass(frozen=True)
class Width:
    """One network and its limit."""

    activation: str = "relu"
    """relu or erf."""
    num_samples: int = 16
    """N; K is 2."""
    labels: str = "random"
    """random or true."""
    lam_ratio: float = 0.01
    """Weight decay as a share of the limit's λ_max, the same for all widths."""
    width: int = 64
    """Units of each of the two hidden layers."""
    seed: int = 0
    """Seed of the data and of the network."""


class Limit(NamedTuple):
    """What is approached."""

    problem: nl.Problem
    kernel: np.ndarray
    lam_max: float
    solution: NamedTuple
    outputs: np.ndarray


def data(width: Width):
    """The digits, and one-hot targets."""
    return digits_task(width.num_samples, OUTPUTS, "squared", width.labels, width.seed)


def network(activation: str, width: int) -> MLP:
    """64-n-n-2."""
    return MLP((INPUTS, *(width,) * HIDDEN, OUTPUTS), activation=ACTIVATIONS[activation])


@lru_cache(maxsize=64)
def limit(activation: str, num_samples: int, labels: str, lam_ratio: float, seed: int) -> Limit:
    """The infinitely wide network's problem, certified: the same for every width."""
    x, y = digits_task(num_samples, OUTPUTS, "squared", labels, seed)
    free = nl.infinite_width_problem(network(activation, 1), x, y, loss="squared", lam=0.0)
    top = float(nl.lam_max(free))
    problem = nl.reduce_problem(free.with_lam(lam_ratio * top), padded=True).problem
    solution = nl.solve(problem)
    return Limit(problem, problem.op.gram(), top, solution, problem.op.apply(solution.delta))


@lru_cache(maxsize=1)
def initializer(activation: str, width: int):
    """One compilation for all seeds of a width."""
    return jax.jit(network(activation, width).init)


def run(width: Width) -> Row:
    """Draw the network, reduce its problem, solve it, compare with the limit."""
    goal = limit(width.activation, width.num_samples, width.labels, width.lam_ratio, width.seed)
    x, y = data(width)
    key = stream_key("network", width.seed, width=width.width)
    params = initializer(width.activation, width.width)(key)
    op = nl.tangent_features(network(width.activation, width.width).apply, params, x, targets="matrices")
    problem = nl.Problem(op, np.zeros(y.shape), y, "squared", goal.problem.lam)
    problem = nl.reduce_problem(problem, padded=True).problem
    solution = nl.solve(problem)
    kernel, outputs = problem.op.gram(), problem.op.apply(solution.delta)
    across = kernel * (1 - np.eye(OUTPUTS))
    return {
        "kernel_distance": distance(kernel, goal.kernel),
        "cross_share": float(np.linalg.norm(across) / np.linalg.norm(kernel)),
        "lam_max_change": float(nl.lam_max(problem)) / goal.lam_max - 1,
        "primal": solution.primal,
        "primal_change": solution.primal / goal.solution.primal - 1,
        "output_distance": distance(outputs, goal.outputs),
        "total_rank": sum(solution.ranks.values()),
        "limit_rank": sum(goal.solution.ranks.values()),
        "rank_difference": sum(abs(rank - goal.solution.ranks[name]) for name, rank in solution.ranks.items()),
        "pataki_rank": nl.pataki_rank(OUTPUTS * width.num_samples),
        "gap": max(solution.gap, goal.solution.gap),
    }


def distance(array: np.ndarray, goal: np.ndarray) -> float:
    """`‖x − x_∞‖/‖x_∞‖`."""
    return float(np.linalg.norm(array - goal) / np.linalg.norm(goal))


def grid(activations, widths, seeds):
    """One rectangle of cells; the seed varies fastest, so that a width is compiled once."""
    return {"activation": activations, "width": widths, "seed": seeds}


experiment = Experiment(
    name="infinite_width",
    version=3,
    question="How fast do the LoRA problems of finite networks approach that of the infinitely wide one?",
    parameters=Width,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (grid("relu", (64, 512), (0, 1)), grid("erf", 64, 0)),
        Profile.default: (grid(("relu", "erf"), (64, 256, 1024, 4096), tuple(range(8))),),
        Profile.full: (grid(("relu", "erf"), (64, 128, 256, 512, 1024, 2048, 4096, 8192), tuple(range(32))),),
    },
    run=run,
    shape=lambda width: (width.activation, width.width),
    chunk=8,
)
