"""How many steps does training take to the certified optimum, against the LoRA rank, and at which rate does it end?

Full-batch gradient descent from LoRA's own initialization, with the step `1/max(L, L')`, `L` and `L'` the curvature of
F (`largest_curvature`) at the start and at the certified optimum: the same rule at every rank. Beside it heavy-ball
momentum at the same step, minibatches of a quarter of the samples with that step decaying to zero, Adam with a decaying
step, and full fine-tuning: proximal gradient with the step `1/beta` that always descends, the same accelerated, and the
plain one with the reciprocal of the curvature of L at the optimum (the same for squared loss, larger for others). All
train the whole weight, not the reduced one: Adam does not commute with rotations.

Read: steps until the relative excess over the certified optimum is 1e-3 and 1e-6 (none where the cap came first); the
rate of the tail beside `-2 log(1 - eta mu)` [derived], `mu` the smallest curvature at the certified optimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import optax

import ntklora as nl
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_key

COARSE, FINE = 1e-3, 1e-6
# The tail is read between these relative excesses, and only where the certificate is this much finer.
TAIL, FINER = (1e-8, 1e-10), 1e-2
MOMENTUM = 0.9
ADAM_RATE = 0.01
BATCH_SHARE = 4

COLUMNS = (
    Column("num_outputs", int, "K"),
    Column("guaranteed_rank", int, "smallest r with r(r+1)/2 > KN"),
    Column("primal", float, "objective of the certified optimum"),
    Column("gap", float, "its relative duality gap"),
    Column("optimal_rank", int, "its rank", verdict=True),
    Column("lam", float, "weight decay"),
    Column("learning_rate", float, "step size, at the start where it decays"),
    Column("steps_coarse", int, f"steps to a relative excess of {COARSE:g}; none within num_steps: null"),
    Column("steps_fine", int, f"steps to a relative excess of {FINE:g}; none within num_steps: null"),
    Column("excess", float, "relative excess after the last step"),
    Column("tail_rate", float, f"decay of the log excess per step between {TAIL[0]:g} and {TAIL[1]:g}; null: not met"),
    Column("certified_rate", float, "-2 log(1 - eta mu); null below the optimum's rank and for other methods"),
    Column("tail_curvature", float, "mu in units of lam, from the certified optimum; null below its rank"),
    Column("rises", int, "steps at which the objective rose by more than rounding"),
)


@dataclass(frozen=True)
class Training:
    """One run."""

    family: str = "mlp"
    """gaussian, or a network on digits: mlp, cnn, transformer, with _random_labels behind it or not."""
    num_samples: int = 16
    """N; K is 1, or 2 with cross_entropy."""
    loss: str = "squared"
    """squared, logistic or cross_entropy."""
    lam_ratio: float = 0.1
    """Weight decay as a share of lam_max."""
    num_steps: int = 20_000
    """Cap on the steps."""
    method: str = "lora"
    """lora (gradient descent), momentum, minibatch, adam; full, accelerated, full_local: the whole weight."""
    rank: int = 1
    """LoRA rank; 0 for full fine-tuning."""
    seed: int = 0
    """Seed of data, labels and network (the same at every rank), and of the start (another at each)."""


class Shape(NamedTuple):
    """What decides array shapes and the program; `columns` of the factors, none in full fine-tuning."""

    network: str
    num_samples: int
    loss: str
    num_steps: int
    method: str
    columns: int


def shape(training: Training) -> Shape:
    """Columns for 16: padding costs less than another compilation. Adam would move none of the zeros either."""
    network = training.family.removesuffix("_random_labels")
    columns = max(16, 1 << (training.rank - 1).bit_length()) if training.rank else 0
    return Shape(network, training.num_samples, training.loss, training.num_steps, training.method, columns)


@lru_cache(maxsize=64)
def instance(family: str, num_samples: int, loss: str, lam_ratio: float, seed: int):
    """The problem in the coordinates of the weights, and its certified optimum: the same for every rank and method."""
    outputs = 2 if loss == "cross_entropy" else 1
    problem = nl.named_linearization(
        family, num_samples=num_samples, seed=seed, num_outputs=outputs, loss=loss, lam_ratio=lam_ratio
    )
    return problem, nl.solve(problem)


def prepare(training: Training):
    """The problem, and for LoRA the padded factors to start from, the step and a key; `mu` at the optimum."""
    problem, solution = instance(
        training.family, training.num_samples, training.loss, training.lam_ratio, training.seed
    )
    if not training.rank:
        arrays = {"problem": nl.reduce_problem(problem, padded=True).problem}
        if training.method == "full_local":
            arrays["rate"] = 1.0 / nl.loss_curvature(problem, problem.f0 + problem.op.apply(solution.delta))
        return arrays, (problem, solution, None)
    key = stream_key("starts", training.seed, rank=training.rank)
    u, v = nl.Kaiming()(problem, training.rank, key)
    like, columns = problem.op.like, shape(training).columns
    ends = [by_name(problem, side) for side in (solution.u, solution.v)]
    steepest = max(
        nl.largest_curvature(problem, like(u), like(v)), nl.largest_curvature(problem, *(like(x) for x in ends))
    )
    fits = all(x.shape[1] <= training.rank for x in ends[0].values())
    mu = nl.tail_curvature(problem, *(like(nl.pad_columns(x, training.rank)) for x in ends)) if fits else None
    arrays = {
        "problem": problem,
        "u": nl.pad_columns(u, columns),
        "v": nl.pad_columns(v, columns),
        "rate": 1.0 / steepest,
        "key": stream_key("batches", training.seed, rank=training.rank),
    }
    return arrays, (problem, solution, mu)


def by_name(problem, factor):
    """The factor of each weight."""
    return problem.op.as_dict(factor)


def compute(shape: Shape, arrays):
    """The objective after every step, and the step size."""
    problem, steps = arrays["problem"], shape.num_steps
    if not shape.columns:
        descend = nl.descend_accelerated if shape.method == "accelerated" else nl.descend_proximally
        path = descend(problem, steps=steps, learning_rate=arrays.get("rate"))
        return {"objective": path.objective, "learning_rate": path.learning_rate}
    u, v, rate = problem.op.like(arrays["u"]), problem.op.like(arrays["v"]), arrays["rate"]
    match shape.method:
        case "lora":
            path = nl.train_factors(problem, u, v, steps=steps, learning_rate=rate)
        case "momentum":
            path = nl.train_factors(problem, u, v, steps=steps, optimizer=optax.sgd(rate, MOMENTUM))
        case "adam":
            optimizer = optax.adam(optax.cosine_decay_schedule(ADAM_RATE, steps))
            path = nl.train_factors(problem, u, v, steps=steps, optimizer=optimizer)
            rate = np.asarray(ADAM_RATE, path.objective.dtype)
        case "minibatch":
            optimizer = optax.sgd(optax.cosine_decay_schedule(rate, steps))
            batch = max(1, shape.num_samples // BATCH_SHARE)
            path = nl.train_minibatches(
                problem, u, v, arrays["key"], steps=steps, batch_size=batch, optimizer=optimizer
            )
        case _:
            raise ValueError(
                f"method = {shape.method!r}: expected lora, momentum, minibatch, adam, full or accelerated"
            )
    return {"objective": path.objective, "learning_rate": rate}


def finish(training: Training, context, outputs) -> Row:
    """Steps and rates from the objective along the path, against the certified optimum."""
    problem, solution, mu = context
    objective, rate = outputs["objective"], float(outputs["learning_rate"])
    excess = objective / solution.primal - 1.0
    lam = float(problem.lam)
    certified = -2.0 * np.log1p(-rate * mu) if training.method == "lora" and mu is not None else None
    return {
        "num_outputs": problem.num_outputs,
        "guaranteed_rank": nl.landscape_rank(problem.num_samples * problem.num_outputs),
        "primal": solution.primal,
        "gap": solution.gap,
        "optimal_rank": solution.rank,
        "lam": lam,
        "learning_rate": rate,
        "steps_coarse": first_below(excess, COARSE),
        "steps_fine": first_below(excess, FINE),
        "excess": excess[-1],
        "tail_rate": tail_rate(excess, solution.gap),
        "certified_rate": certified,
        "tail_curvature": None if mu is None else mu / lam,
        "rises": int((np.diff(objective) > 16 * np.finfo(np.float64).eps * objective[0]).sum()),
    }


def first_below(excess: np.ndarray, level: float) -> int | None:
    """The first step after which the excess is at most `level`."""
    places = np.flatnonzero(excess <= level)
    return int(places[0]) if len(places) else None


def tail_rate(excess: np.ndarray, gap: float) -> float | None:
    """Mean decay of the log excess per step over `TAIL`; None where it was not passed or the gap is not far below."""
    first, last = (first_below(excess, level) for level in TAIL)
    if first is None or last is None or last - first < 2 or gap > FINER * TAIL[1]:
        return None
    return float(np.log(excess[first] / excess[last]) / (last - first))


FULL = ("full", "accelerated")


def grids(families, ranks, seeds, *, steps, others=None, full=FULL, **axes):
    """LoRA at each rank up to `steps[0]` steps; up to `steps[1]` full fine-tuning, and other optimizers at one rank."""
    common = {"family": families, "seed": seeds, **axes}
    lora = {**common, "num_steps": steps[0], "method": "lora", "rank": ranks}
    whole = {**common, "num_steps": steps[1], "method": full, "rank": 0}
    if others is None:
        return lora, whole
    return lora, {**whole, "method": ("momentum", "minibatch", "adam"), "rank": others}, whole


FAMILIES = ("gaussian", "mlp", "mlp_random_labels")
RANKS = (1, 2, 3, 4, 6, 8, 16)
SEEDS = tuple(range(9))  # of the default profile: with nine, the median's interval is the second to the eighth of them

experiment = Experiment(
    name="steps_to_optimum",
    version=4,
    question="How many steps does training take to the certified optimum, against the rank, and at which rate?",
    parameters=Training,
    columns=COLUMNS,
    profiles={
        Profile.smoke: grids(("mlp",), (1, 6), (0,), steps=(4000, 2000)),
        Profile.default: (
            *grids(FAMILIES, RANKS, SEEDS, steps=(20_000, 5_000), others=6),
            *grids(("mlp",), (1, 2, 4, 6, 16), SEEDS, steps=(20_000, 5_000), others=6, lam_ratio=0.01),
            *grids(
                ("mlp",),
                (1, 2, 4, 8, 16),
                SEEDS,
                steps=(20_000, 5_000),
                others=8,
                full=(*FULL, "full_local"),
                loss="cross_entropy",
            ),
        ),
        Profile.full: (
            *grids(
                (*FAMILIES, "cnn", "transformer", "transformer_random_labels"),
                RANKS,
                tuple(range(32)),
                steps=(300_000, 100_000),
                others=6,
                lam_ratio=(0.1, 0.01),
            ),
            *grids(
                ("mlp", "transformer"),
                RANKS,
                tuple(range(32)),
                steps=(300_000, 100_000),
                others=8,
                full=(*FULL, "full_local"),
                loss="cross_entropy",
            ),
        ),
    },
    run=Vmapped(prepare, compute, finish),
    shape=shape,
    chunk=9,
)
