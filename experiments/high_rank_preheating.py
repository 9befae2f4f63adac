"""HRP: the final loss against the preheating rank, on matrix factorization and on a linearized network.

Matrix factorization ½‖BAᵀ − M‖², M (a, b): the mean over random draws beside its exact value where there is one (H2,
H6), the bound, the random and the Eckart–Young level; a flat spectrum is the null case, where preheating gains nothing.
The linearized network (digits, five classes): the objective after the main stage beside the certified optimum and the
best rank-r endpoint known. Each cell starts in one of three ways: at random, preheated, or wise (the directions of M,
of the certified optimum).
"""

from __future__ import annotations

from functools import lru_cache, partial

import jax
import numpy as np

import ntklora as nl
from ntklora.data.teacher_student import low_rank_matrix
from ntklora.sweeps.experiment import Cell, Column, Experiment, Row
from ntklora.sweeps.profile import Profile
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
NETWORKS = ("mlp", "cnn", "transformer")
TRAINED = {"asymmetric": "left", "classic": "both"}


def run(cell: Cell) -> Row:
    """All draws of one way to start."""
    return _network(cell) if cell["instance"] in NETWORKS else _factorization(cell)


def _factorization(cell: Cell) -> Row:
    sigma, rank = SPECTRA[str(cell["instance"])], int(cell["rank"])
    rng = np.random.default_rng(int(cell["seed"]))
    target = low_rank_matrix((len(sigma), FAN_IN), sigma.tolist(), rng)
    problem = nl.matrix_factorization(target)
    measured = _train(cell, problem, nl.Wise.towards(target), nl.Orthonormal())
    preheated = cell["start"] == "preheated"
    frozen = cell["main"] == "asymmetric" and (cell["preheat"] == "asymmetric" or not preheated)
    exact = None
    if frozen and preheated:
        exact = hrp.preheated_mean(sigma, FAN_IN, int(cell["preheat_rank"]), rank)
    elif frozen:
        exact = hrp.eckart_young(sigma, rank) if cell["start"] == "wise" else hrp.random_mean(sigma, FAN_IN, rank)
    return {
        **measured,
        "at_zero": hrp.loss_at_zero(sigma),
        "exact_mean": exact,
        "bound": hrp.preheated_bound(sigma, FAN_IN, int(cell["preheat_rank"]), rank) if frozen and preheated else None,
        "random_mean": hrp.random_mean(sigma, FAN_IN, rank),
        "eckart_young": hrp.eckart_young(sigma, rank),
        "primal": None,
        "gap": None,
        "optimal_rank": None,
        "best_endpoint": None,
    }


def _network(cell: Cell) -> Row:
    problem, directions, levels = _reference(str(cell["instance"]), int(cell["rank"]), int(cell["seed"]))
    return {
        **_train(cell, problem, nl.Wise(directions), nl.Kaiming()),
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
    ends = nl.find_endpoints(reduction.problem, rank, jax.random.key(seed), starts=8)
    found = np.asarray(ends.objective)[np.asarray(ends.converged)]
    levels = {
        "primal": solution.primal,
        "gap": solution.gap,
        "optimal_rank": solution.rank,
        "best_endpoint": float(found.min()) if len(found) else None,
    }
    lifted = problem.op.as_dict(reduction.lift(solution.delta))
    return problem, {name: np.linalg.svd(delta)[2].T for name, delta in lifted.items()}, levels


def _train(cell, problem, wise, random):
    """The objective after the main stage for every draw, side by side."""
    preheated = nl.HRP(
        int(cell["preheat_rank"]), int(cell["preheat_steps"]), trained=TRAINED[str(cell["preheat"])], random=random
    )
    start = {"random": random, "wise": wise, "preheated": preheated}[str(cell["start"])]
    # A wise start is the same for every draw.
    keys = jax.random.split(jax.random.key(int(cell["seed"])), 1 if start is wise else int(cell["draws"]))
    how = {"rank": int(cell["rank"]), "steps": int(cell["main_steps"]), "trained": TRAINED[str(cell["main"])]}
    losses, rates = (np.asarray(column) for column in _final_objectives(problem, start, keys, **how))
    spread = float(np.std(losses, ddof=1)) if len(losses) > 1 else 0.0
    return {
        "loss": losses,
        "mean": float(losses.mean()),
        "standard_error": spread / len(losses) ** 0.5,
        "learning_rate": float(rates.mean()),
    }


@partial(jax.jit, static_argnames=("rank", "steps", "trained"))
def _final_objectives(problem, start, keys, *, rank, steps, trained):
    def one(key):
        path = nl.train_lora(problem, rank, key, steps=steps, initialization=start, trained=trained)
        return path.objective[-1], path.learning_rate

    return jax.vmap(one)(keys)


def grids(instances, rank, preheat_ranks, draws, seeds, preheats, mains, starts=("random", "wise")):
    """Every preheating rank, and the other `starts` once (preheating rank 0)."""
    common = {"instance": instances, "rank": rank, "draws": draws, "seed": seeds}
    grids = []
    for main, main_steps in mains:
        shared = {**common, "main": main, "main_steps": main_steps}
        for preheat, steps in preheats:
            ways = {"start": "preheated", "preheat": preheat, "preheat_steps": steps, "preheat_rank": preheat_ranks}
            grids.append({**shared, **ways})
        grids.append({**shared, "preheat": "asymmetric", "preheat_steps": 0, "preheat_rank": 0, "start": starts})
    return tuple(grids)


# With orthonormal columns every step of either stage leaves a twentieth of the distance at most, and any number of
# preheating steps finds the same directions (H6).
FROZEN = (("asymmetric", 10),)

experiment = Experiment(
    name="high_rank_preheating",
    version=2,
    question="How far does high-rank preheating lower the loss that LoRA of low rank ends at, and when not at all?",
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
    shapes=("instance", "main", "preheat", "preheat_rank"),
)  # fmt: skip
