"""Where training is slow, is it near a saddle? The path of descent, its curvature and its distance to saddles.

A *plateau* is a step at which the decrease of F per step, about `eta |grad F|^2`, has a local minimum and after which
it grows at least fourfold (the gradient twofold): the path came near a stationary point and left it. At chosen steps of
the path: the smallest eigenvalue of the Hessian modulo gauge, and the distance modulo gauge to the nearest saddle of
lower rank found from the path (`lower_rank_saddles`), in units of the optimum's factors. The step of fastest decrease
is the control: a plateau is attributed to a saddle if it lies nearer to one.

Starts: LoRA's own, and the same a hundred and ten thousand times smaller, from which a walk from saddle to saddle is
expected. Ends at a relative excess of 1e-6: the slow tail before it is no plateau, since nothing grows after it.
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

DONE = 1e-6  # relative excess at which the path is over
GROWTH = 4.0  # of the decrease per step after a plateau
SNAPSHOTS = 40  # steps at which factors are kept, evenly in the logarithm, beside the start

COLUMNS = (
    Column("primal", float, "objective of the certified optimum"),
    Column("gap", float, "its relative duality gap"),
    Column("optimal_rank", int, "its rank", verdict=True),
    Column("learning_rate", float, "1/max(curvature at the start, at the optimum)"),
    Column("steps_fine", int, f"steps to a relative excess of {DONE:g}; none within num_steps: null"),
    Column("steps", list[int], "steps looked at, up to there"),
    Column("excess", list[float], "relative excess after them"),
    Column("curvature", list[float], "smallest Hessian eigenvalue modulo gauge, in units of lam"),
    Column("distance", list[float], "to the nearest saddle found, in units of the optimum's factors"),
    Column("nearest_rank", list[int], "rank of that saddle"),
    Column("saddle_ranks", list[int], "rank of every saddle found"),
    Column("saddle_excess", list[float], "relative excess of F at every saddle found"),
    Column("plateau_steps", list[int], "plateaus: the step looked at that is nearest"),
    Column("plateau_lengths", list[int], "steps around with at most four times the decrease of the slowest"),
    Column("plateau_distances", list[float], "distance there"),
    Column("plateau_ranks", list[int], "rank of the nearest saddle there"),
    Column("plateau_curvatures", list[float], "curvature there"),
    Column("fastest_distance", float, "distance at the step of fastest decrease"),
    Column("negative_until", int, "last step looked at with negative curvature; null if none has"),
)


@dataclass(frozen=True)
class Descent:
    """One path of full-batch gradient descent."""

    family: str = "mlp"
    """gaussian, or a network on digits: mlp, cnn, transformer, with _random_labels behind it or not."""
    num_samples: int = 16
    """N; K is 1, the loss squared."""
    lam_ratio: float = 0.1
    """Weight decay as a share of lam_max."""
    num_steps: int = 20_000
    """Cap on the steps."""
    rank: int = 6
    """LoRA rank."""
    start: float = 1.0
    """Size of the start in units of LoRA's own."""
    seed: int = 0
    """Seed of data, labels, network and start."""


class Shape(NamedTuple):
    """What decides array shapes."""

    network: str
    num_samples: int
    num_steps: int
    rank: int


def shape(descent: Descent) -> Shape:
    """Labels, decay, start and seed share a program."""
    network = descent.family.removesuffix("_random_labels")
    return Shape(network, descent.num_samples, descent.num_steps, descent.rank)


@lru_cache(maxsize=64)
def instance(family: str, num_samples: int, lam_ratio: float, seed: int):
    """The problem in the coordinates of the weights, and its certified optimum."""
    problem = nl.named_linearization(family, num_samples=num_samples, seed=seed, lam_ratio=lam_ratio)
    return problem, nl.solve(problem)


def prepare(descent: Descent):
    """The problem, the factors to start from and the step."""
    problem, solution = instance(descent.family, descent.num_samples, descent.lam_ratio, descent.seed)
    u, v = nl.Kaiming()(problem, descent.rank, stream_key("starts", descent.seed, rank=descent.rank))
    u, v = ({name: descent.start * np.asarray(x) for name, x in side.items()} for side in (u, v))
    ends = (problem.op.like(u), problem.op.like(v)), (solution.u, solution.v)
    rate = 1.0 / max(nl.largest_curvature(problem, *end) for end in ends)
    return {"problem": problem, "u": u, "v": v, "rate": rate}, (problem, solution, rate)


def compute(shape: Shape, arrays):
    """The objective after every step, the factors at the steps kept."""
    like = arrays["problem"].op.like
    path = nl.descend_with_snapshots(
        arrays["problem"],
        like(arrays["u"]),
        like(arrays["v"]),
        learning_rate=arrays["rate"],
        kept=kept_steps(shape.num_steps),
    )
    return {"u": path.u, "v": path.v, "objective": path.objective}


def kept_steps(num_steps: int) -> tuple[int, ...]:
    """0, and at most `SNAPSHOTS` steps evenly spaced in the logarithm, the last one included."""
    return (0, *np.unique(np.round(np.geomspace(1, num_steps, SNAPSHOTS)).astype(int)).tolist())


def finish(descent: Descent, context, outputs) -> Row:
    """The path beside the saddles it passes, in the coordinates that the data see."""
    problem, solution, rate = context
    excess = outputs["objective"] / solution.primal - 1.0
    over = np.flatnonzero(excess <= DONE)
    last = int(over[0]) if len(over) else descent.num_steps
    steps = [step for step in kept_steps(descent.num_steps) if step <= last]
    reduction = nl.reduce_problem(problem)
    seen, as_dict, like = reduction.problem, reduction.problem.op.as_dict, reduction.problem.op.like
    u, v = (as_dict(x) for x in reduction.restrict_factors(outputs["u"], outputs["v"]))
    points = [tuple(like({k: x[i] for k, x in side.items()}) for side in (u, v)) for i in range(len(steps))]
    saddles = nl.lower_rank_saddles(
        seen,
        *(like({k: x[: len(steps)] for k, x in side.items()}) for side in (u, v)),
        min(solution.rank, descent.rank),
    )
    size = np.sqrt(2.0 * float(nl.nuclear_norm(problem, solution.delta)))
    apart = np.array([[nl.factor_distance(seen, at, (s.u, s.v)) / size for s in saddles] for at in points])
    nearest = apart.argmin(1)
    distance = apart.min(1)
    curvature = np.array([nl.curvature(seen, *at).min_curvature / float(problem.lam) for at in points])
    valleys, lengths, fastest = plateaus(-np.diff(outputs["objective"][: last + 1]))
    places = [int(np.abs(np.log1p(steps) - np.log1p(step)).argmin()) for step in (*valleys, fastest)]
    negative = [step for step, value in zip(steps, curvature, strict=True) if value < 0]
    ranks = [saddles[i].rank for i in nearest]
    return {
        "primal": solution.primal,
        "gap": solution.gap,
        "optimal_rank": solution.rank,
        "learning_rate": rate,
        "steps_fine": last if len(over) else None,
        "steps": steps,
        "excess": excess[steps],
        "curvature": curvature,
        "distance": distance,
        "nearest_rank": ranks,
        "saddle_ranks": [s.rank for s in saddles],
        "saddle_excess": [s.objective / solution.primal - 1.0 for s in saddles],
        "plateau_steps": [steps[i] for i in places[:-1]],
        "plateau_lengths": lengths,
        "plateau_distances": [distance[i] for i in places[:-1]],
        "plateau_ranks": [ranks[i] for i in places[:-1]],
        "plateau_curvatures": [curvature[i] for i in places[:-1]],
        "fastest_distance": distance[places[-1]],
        "negative_until": negative[-1] if negative else None,
    }


def plateaus(decrease: np.ndarray) -> tuple[list[int], list[int], int]:
    """The plateaus of a path from its decrease per step: the slowest steps, their lengths, and the fastest step of all.

    A valley of the decrease counts once the decrease has grown to `GROWTH` times its floor; a new one begins once the
    decrease has fallen to a `GROWTH`th of the peak since.
    """
    valleys: list[int] = []
    floor = peak = 0
    rising = False
    for step, now in enumerate(decrease):
        if rising:
            peak = step if now > decrease[peak] else peak
            if GROWTH * now <= decrease[peak]:
                rising, floor = False, step
        else:
            floor = step if now < decrease[floor] else floor
            if now >= GROWTH * decrease[floor]:
                rising, peak = True, step
                valleys.append(floor)
    return valleys, [length(decrease, valley) for valley in valleys], int(np.argmax(decrease))


def length(decrease: np.ndarray, valley: int) -> int:
    """Steps in a row around `valley` whose decrease is at most `GROWTH` times that at it."""
    fast = np.flatnonzero(decrease > GROWTH * decrease[valley])
    place = np.searchsorted(fast, valley)
    before = fast[place - 1] if place else -1
    after = fast[place] if place < len(fast) else len(decrease)
    return int(after - before - 1)


STARTS = (1.0, 1e-2, 1e-4)


def grid(families, seeds, **axes):
    """One rectangle of paths."""
    return {"family": families, "start": STARTS, "seed": seeds, **axes}


experiment = Experiment(
    name="plateaus",
    version=3,
    question="Where training is slow, is it near a saddle?",
    parameters=Descent,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (grid(("mlp",), (0,), num_steps=4000),),
        Profile.default: (grid(("gaussian", "mlp", "mlp_random_labels"), tuple(range(8))),),
        Profile.full: (
            grid(
                ("gaussian", "mlp", "mlp_random_labels", "cnn", "transformer", "transformer_random_labels"),
                tuple(range(32)),
                rank=(1, 2, 3, 6, 8),
                lam_ratio=(0.1, 0.01),
                num_steps=300_000,
            ),
        ),
    },
    run=Vmapped(prepare, compute, finish),
    shape=shape,
    chunk=8,
)
