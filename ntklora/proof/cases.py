"""What is shipped to be proved, and what must not be: spurious minima at the boundary r(r+3)/2, and its controls."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import NamedTuple

import numpy as np

from ntklora.instances.planted import Planted, plant_spurious_minimum, plant_tight_optimum
from ntklora.instances.worst_case import WorstMinimum, plant_worst_minimum
from ntklora.problem.problem import Problem
from ntklora.proof.spurious import Proof, Verdict, prove_spurious_minimum
from ntklora.theory.ranks import planting_threshold

# Rank, seed and excess e of planted points, found by trying seeds in floating point, the largest excess first: a seed
# chooses an instance and is no evidence for it.
_PLANTED = ((1, 16, 1.0), (2, 49, 0.1), (3, 0, 0.1), (4, 4, 0.01), (5, 3, 0.01))
_BELOW = (1, 2, 3)  # ranks at which the same planting, one sample below the boundary, is a control


_WORST_CURVATURE = 0.5  # relative, of the worst case: an excess of more than half of F goes with it
_WORST_RANKS = (1, 2, 3, 4, 5)


class Case(NamedTuple):
    """A problem with a point of it, and the verdict that must come out."""

    name: str
    statement: str
    plant: Callable[[], Planted | WorstMinimum]
    expected: Verdict


class CaseProof(NamedTuple):
    """A case with its proof. `data` names the problem: a digest of its float64 numbers, which are taken as exact."""

    case: Case
    num_samples: int
    rank: int
    data: str
    proof: Proof

    @property
    def must_be_proved(self) -> bool:
        """Whether this is an instance of the statement; otherwise it is a control."""
        return self.case.expected is Verdict.proved

    @property
    def as_expected(self) -> bool:
        """Whether the case came out as it must."""
        return self.proof.verdict is self.case.expected


def spurious_cases() -> tuple[Case, ...]:
    """Two minima of each rank, on as few samples as T2-strict allows: planted, and the worst there is [derived]."""
    planted = tuple(
        Case(
            f"planted r={rank}",
            f"LoRA of rank {rank} has a strict spurious minimum on N = r(r+3)/2 = {planting_threshold(rank)} samples",
            partial(plant_spurious_minimum, rank, planting_threshold(rank), seed=seed, excess=e),
            Verdict.proved,
        )
        for rank, seed, e in _PLANTED
    )
    worst = tuple(
        Case(
            f"worst case r={rank}",
            f"the same at rank {rank} on N = {planting_threshold(rank)} samples, in the closed form that attains the "
            f"bound of T2-worst at relative curvature {_WORST_CURVATURE:g}",
            partial(plant_worst_minimum, rank, curvature=_WORST_CURVATURE, seed=0),
            Verdict.proved,
        )
        for rank in _WORST_RANKS
    )
    return planted + worst


def control_cases() -> tuple[Case, ...]:
    """Points that are no strict spurious minima, each for another reason: the procedure must stop at that one."""
    below = tuple(
        Case(
            f"one sample fewer r={rank}",
            "below r(r+3)/2 samples no spurious minimum is strict",
            partial(plant_spurious_minimum, rank, planting_threshold(rank) - 1, seed=0, excess=1e-2),
            Verdict.not_positive,
        )
        for rank in _BELOW
    )
    return (
        *below,
        Case(
            "saddle",
            "a planted point whose excess is above the threshold of the draw",
            partial(plant_spurious_minimum, 2, planting_threshold(2), seed=0, excess=1.0),
            Verdict.not_positive,
        ),
        Case(
            "valley",
            "fewer than r(r+1)/2 samples: stationary points are not isolated",
            partial(plant_spurious_minimum, 2, 2, seed=0),
            Verdict.not_enclosed,
        ),
        Case(
            "global minimum",
            "the unique minimizer of the tight instance of T1",
            partial(plant_tight_optimum, 2, seed=0),
            Verdict.not_lower,
        ),
    )


def prove_case(case: Case) -> CaseProof:
    """Plant the case and try to prove it. Errors: `ValueError` unless JAX's x64 flag is on."""
    point = case.plant()
    problem, u, v = point.problem, point.u, point.v
    better = (point.better_u, point.better_v) if isinstance(point, WorstMinimum) else None
    proof = prove_spurious_minimum(problem, u, v, better=better)
    return CaseProof(case, problem.num_samples, u.shape[1], _digest(problem.host()), proof)


def _digest(problem: Problem) -> str:
    (features,) = problem.op.as_dict(problem.op.dense()).values()
    arrays = (features, problem.f0, problem.y, problem.lam)
    return sha256(b"".join(np.ascontiguousarray(array, "<f8").tobytes() for array in arrays)).hexdigest()[:12]
