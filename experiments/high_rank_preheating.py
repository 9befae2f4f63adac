"""HRP: the final loss against the preheating rank, on matrix factorization and on a linearized network.

Matrix factorization ½‖BAᵀ − M‖², M (a, b): the mean over random draws beside its exact value where there is one (H2,
H6), the bound, the random and the Eckart–Young level; a flat spectrum is the null case, where preheating gains nothing.
The linearized network (digits, five classes): the objective after the main stage beside the certified optimum and the
best rank-r endpoint known. Each cell starts in one of three ways: at random, preheated, or wise (the directions of M,
of the certified optimum).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import numpy as np

import ntklora as nl
from ntklora.data.teacher_student import low_rank_matrix
from ntklora.sweeps.experiment import Column, Experiment, Row
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.randomness import stream_generator, stream_key
from ntklora.theory import hrp

COLUMNS = (
    Column("loss", list[float], "objective after the main stage, one value per draw"),
    Column("mean", float, "their mean"),
    Column("standard_error", float, "standard deviation of a draw over the root of the number of draws"),
    Column("learning_rate", float, "mean step size of the main stage: its time is this times main_steps"),
    Column("at_zero", float, "objective at delta = 0"),
    Column("exact_mean", float, "exact expectation, where the theory has one"),
    Column("bound", float, "H6's bound of the expectation (asymmetric preheat, then a frozen right factor)"),
    Column("random_mean", float, "H2's exact expectation without preheating"),
    Column("eckart_young", float, "least loss of any rank-r product (matrix factorization)"),
    Column("primal", float, "objective of the certified optimum at any rank"),
    Column("gap", float, "its relative duality gap"),
    Column("optimal_rank", int, "its rank"),
    Column("best_endpoint", float, "least objective among converged endpoints of rank r (network)"),
)

FAN_IN = 24
# Singular values by the name of the instance; there are as many as M has rows.
SPECTRA = {
    "decaying": np.arange(1.0, 17.0) ** -1.0,
    "low_rank": np.array([1.0, 0.8, 0.6, 0.4, *[0.0] * 12]),
    "flat": np.ones(FAN_IN),
}
RANKS, EVERY, WIDE = (4, 8, 12, 16, 20, 24), tuple(range(4, 25, 2)), (2, 4, 8, 16, 32)
LANES = 100  # draws side by side: batches of one size, whatever the number of draws
NETWORKS = ("mlp", "cnn", "transformer")
TRAINED = {"asymmetric": "left", "classic": "both"}


@dataclass(frozen=True)
class Stages:
    """One way to start and to train, over some random draws."""

    instance: str = "decaying"
    """decaying, low_rank or flat: the spectrum of M; mlp, cnn or transformer: a linearized network on digits."""
    rank: int = 4
    """LoRA rank r of the main stage."""
    draws: int = 100
    """Random initializations, side by side."""
    seed: int = 0
    """Seed of the data (the same for every way to start) and of the draws (others for each)."""
    main: str = "asymmetric"
    """The factors that the main stage trains: asymmetric (one), classic (both)."""
    main_steps: int = 10
    """Steps of the main stage."""
    start: str = "preheated"
    """random, preheated or wise."""
    preheat: str = "asymmetric"
    """The factors that preheating trains."""
    preheat_steps: int = 0
    """Steps of preheating."""
    preheat_rank: int = 0
    """Rank of preheating, 0 without."""


def run(stages: Stages) -> Row:
    """All draws of one way to start."""
    return _network(stages) if stages.instance in NETWORKS else _factorization(stages)


def _factorization(stages: Stages) -> Row:
    sigma, rank = SPECTRA[stages.instance], stages.rank
    target = low_rank_matrix((len(sigma), FAN_IN), sigma.tolist(), stream_generator("data", stages.seed))
    problem = nl.matrix_factorization(target)
    measured = _train(stages, problem, nl.Wise.towards(target), nl.Orthonormal(), FAN_IN)
    preheated = stages.start == "preheated"
    frozen = stages.main == "asymmetric" and (stages.preheat == "asymmetric" or not preheated)
    exact = None
    if frozen and preheated:
        exact = hrp.preheated_mean(sigma, FAN_IN, stages.preheat_rank, rank)
    elif frozen:
        exact = hrp.eckart_young(sigma, rank) if stages.start == "wise" else hrp.random_mean(sigma, FAN_IN, rank)
    return {
        **measured,
        "at_zero": hrp.loss_at_zero(sigma),
        "exact_mean": exact,
        "bound": hrp.preheated_bound(sigma, FAN_IN, stages.preheat_rank, rank) if frozen and preheated else None,
        "random_mean": hrp.random_mean(sigma, FAN_IN, rank),
        "eckart_young": hrp.eckart_young(sigma, rank),
        "primal": None,
        "gap": None,
        "optimal_rank": None,
        "best_endpoint": None,
    }


def _network(stages: Stages) -> Row:
    problem, directions, levels = _reference(stages.instance, stages.rank, stages.seed)
    return {
        **_train(stages, problem, nl.Wise(directions), nl.Kaiming(), max(WIDE)),
        "at_zero": float(problem.loss.value(np.asarray(problem.f0), np.asarray(problem.y)).mean()),
        "exact_mean": None,
        "bound": None,
        "random_mean": None,
        "eckart_young": None,
        **levels,
    }


@lru_cache(maxsize=8)
def _reference(network, rank, seed):
    """The problem, the right directions of its certified optimum, and the levels no start changes."""
    problem = nl.linearized_digits(
        network, "true", num_samples=50, num_outputs=5, loss="cross_entropy", lam_ratio=0.01, seed=seed
    )
    reduction = nl.reduce_problem(problem)
    solution = nl.solve(reduction.problem)
    ends = nl.find_endpoints(reduction.problem, rank, stream_key("starts", seed, rank=rank), starts=8)
    found = np.asarray(ends.objective)[np.asarray(ends.converged)]
    levels = {
        "primal": solution.primal,
        "gap": solution.gap,
        "optimal_rank": solution.rank,
        "best_endpoint": float(found.min()) if len(found) else None,
    }
    lifted = problem.op.as_dict(reduction.lift(solution.delta))
    return problem, {name: np.linalg.svd(delta)[2].T for name, delta in lifted.items()}, levels


def _train(stages, problem, wise, random, columns):
    """The objective after the main stage for every draw, side by side.

    Preheats of every rank have as many columns, those beyond their rank zero: one compilation serves them all.
    """
    if stages.start == "preheated" and not stages.rank <= stages.preheat_rank <= columns:
        raise ValueError(f"preheat_rank = {stages.preheat_rank}: expected rank = {stages.rank} to {columns}")
    draw = nl.Padded(random, stages.preheat_rank)
    preheated = nl.HRP(columns, stages.preheat_steps, trained=TRAINED[stages.preheat], random=draw)
    start = {"random": random, "wise": wise, "preheated": preheated}[stages.start]
    # Ways that differ in nothing but the training begin from the same draws.
    way = {"rank": stages.rank, "start": stages.start, "preheat_rank": stages.preheat_rank}
    key = stream_key("draws", stages.seed, **way)
    how = {"rank": stages.rank, "steps": stages.main_steps, "trained": TRAINED[stages.main]}
    lanes = min(LANES, stages.draws)
    draws = 1 if start is wise else stages.draws
    batches = [_final_objectives(problem, start, key, i, lanes, **how) for i in range(-(-draws // lanes))]
    losses, rates = (np.concatenate(column)[:draws] for column in zip(*batches))
    spread = float(np.std(losses, ddof=1)) if len(losses) > 1 else 0.0
    return {
        "loss": losses,
        "mean": float(losses.mean()),
        "standard_error": spread / len(losses) ** 0.5,
        "learning_rate": float(rates.mean()),
    }


def _final_objectives(problem, start, key, batch, lanes, *, rank, steps, trained):
    """Objective and step size of one batch.

    Draw, preheat, directions and main stage are programs of their own, which cells share. Starts are made before any
    is trained, so that a wise one, which is the same for every draw, is trained by the others' program.
    """
    us, vs = jax.vmap(lambda key: start(problem, rank, key))(_keys(key, batch, lanes=lanes))

    def end(us, vs):
        path = nl.train_to_end(problem, problem.op.like(us), problem.op.like(vs), steps=steps, trained=trained)
        return path.objective, path.learning_rate

    # One batch after the other: their LAPACK calls, at work at once, could wait for each other.
    return [np.asarray(column) for column in jax.vmap(end)(us, vs)]


@partial(jax.jit, static_argnames="lanes")
def _keys(key, batch, *, lanes):
    return jax.random.split(jax.random.fold_in(key, batch), lanes)


def grids(instances, rank, preheat_ranks, draws, seeds, preheats, mains, starts=("random", "wise")):
    """Every preheating rank, and the other `starts` once (preheating rank 0)."""
    common = {"instance": instances, "rank": rank, "draws": draws, "seed": seeds}
    grids = []
    for main, main_steps in mains:
        shared = {**common, "main": main, "main_steps": main_steps}
        for preheat, steps in preheats:
            ways = {"start": "preheated", "preheat": preheat, "preheat_steps": steps, "preheat_rank": preheat_ranks}
            grids.append({**shared, **ways})
        if starts:
            grids.append({**shared, "preheat": "asymmetric", "preheat_steps": 0, "preheat_rank": 0, "start": starts})
    return tuple(grids)


# With orthonormal columns every step of either stage leaves a twentieth of the distance at most, and any number of
# preheating steps finds the same directions (H6).
FROZEN = (("asymmetric", 10),)

experiment = Experiment(
    name="high_rank_preheating",
    version=6,
    question="How far does high-rank preheating lower the loss that LoRA of low rank ends at, and when not at all?",
    parameters=Stages,
    columns=COLUMNS,
    profiles={
        Profile.smoke: (
            *grids(("decaying",), 4, (4, 12), 100, (0,), (("asymmetric", 4),), FROZEN),
            *grids(("mlp",), 2, (16,), 4, (0,), (("asymmetric", 100),), (("asymmetric", 200),)),
            *grids(("flat",), 4, (4, 12), 100, (0,), (("asymmetric", 4),), FROZEN),
        ),
        Profile.default: (
            *grids(("decaying", "low_rank", "flat"), 4, RANKS, 500, (0,), (("asymmetric", 4),), FROZEN),
            *grids(("decaying",), 4, (4, 8, 16, 24), 100, (0,), (("classic", 30),), FROZEN, starts=()),
            *grids(("mlp",), 2, WIDE, 16, (0,), (("asymmetric", 200),), (("asymmetric", 1000), ("classic", 100))),
        ),
        Profile.full: (
            *grids(("decaying", "low_rank", "flat"), 4, EVERY, 4000, (0, 1, 2), (("asymmetric", 4),), FROZEN),
            *grids(("decaying", "flat"), 4, EVERY, 500, (0, 1, 2), (("classic", 30),), (*FROZEN, ("classic", 300))),
            *grids(
                NETWORKS, 2, WIDE, 32, (0, 1, 2),
                (("asymmetric", 50), ("asymmetric", 500), ("classic", 500)),
                (("asymmetric", 2000), ("classic", 100), ("classic", 2000)),
            ),
        ),
    },
    run=run,
    shape=lambda stages: (stages.instance, stages.main, stages.preheat, stages.preheat_rank),
)  # fmt: skip
