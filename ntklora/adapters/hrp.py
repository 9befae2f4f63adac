"""High-rank preheating (HRP): find the low-rank start by training at a high rank first.

    preheat      B = 0, A_p random of rank R ≥ r; train B (asymmetric) or both (classic) for a while
    SVD          B_T A_Tᵀ = U S Vᵀ, by two QRs and an R × R SVD
    main stage   A0 = c·V_r, B0 = 0, weights back at W_init, optimizer state fresh

After Chen et al., "HRP: High-Rank Preheating for Superior LoRA Initialization", arXiv 2502.07739 [paper, at the level
of its abstract; H6 to H8 derived]. The same code serves matrix factorization and linearized networks: all it sees is a
`Problem`.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from ntklora.adapters.decompositions import Directions, leading_directions
from ntklora.adapters.initializations import (
    KAIMING_NORM,
    Initialization,
    Kaiming,
    ZeroLeft,
    drawn,
    precision,
)
from ntklora.adapters.training import Path, Trained, train_to_end
from ntklora.arguments import whole_number
from ntklora.problem.problem import Problem

Matrices = dict[str, Any]


class Start(StrEnum):
    """What of the preheated product `U S Vᵀ` the main stage starts from."""

    right = "right"  # A0 = c·V_r, B0 = 0
    left = "left"  # B0 = c·U_r, A0 = 0: with the left factor frozen this is H8
    warm = "warm"  # B0 = U_r √S_r, A0 = V_r √S_r: keeps the best rank-r part of the preheated change


class HRP(Initialization):
    """High-rank preheating as an initialization.

    `preheat_rank` is R, `steps` is T. `trained` says what the preheat trains: `left` (asymmetric, the default), `both`
    (classic), or `right` (the mirror image: A = 0 and B_p random). `random` draws the other factor. `start` says what
    the main stage takes over, `norm` is the length c of the columns of A0 (or B0), `scale` is the s of s·BAᵀ.
    `learning_rate` None is the default of `train_factors`. One compilation serves every T, and with a `Padded` draw
    every rank up to its R columns.

    The defaults (asymmetric, Kaiming's A_p, right directions, c = 1/√3 so that ‖A0‖² is what Kaiming's draw has on
    average) are choices of this project: the paper's own were not at hand.
    """

    preheat_rank: int = eqx.field(static=True)
    steps: int | Array
    learning_rate: float | None = None
    trained: Trained = eqx.field(static=True, default=Trained.left)
    start: Start = eqx.field(static=True, default=Start.right)
    random: ZeroLeft = Kaiming()
    norm: float = KAIMING_NORM
    scale: float = 1.0

    def __check_init__(self) -> None:
        if not isinstance(self.steps, jax.Array):
            whole_number("steps", self.steps, 0)

    def __call__(self, problem: Problem, rank: int, key: PRNGKeyArray) -> tuple[Matrices, Matrices]:
        """Preheat, decompose, and start the main stage from what was learnt."""
        return self.continue_from(problem, rank, self.preheat(problem, key))

    def continue_from(self, problem: Problem, rank: int, path: Path) -> tuple[Matrices, Matrices]:
        """The main stage's `(u, v)` by name after this preheat."""
        if rank > self.preheat_rank:
            raise ValueError(f"preheat_rank = {self.preheat_rank} must be at least rank = {rank}")
        return _continued(
            problem.op.as_dict(path.u), problem.op.as_dict(path.v), self.norm, rank=rank, start=self.start
        )

    def preheat(self, problem: Problem, key: PRNGKeyArray) -> Path:
        """The first stage: rank R from a zero product, with the objective at its end."""
        mirrored, dtype, sizes, others = self.trained is Trained.right, precision(problem), {}, {}
        for name, (m, n) in problem.shapes.items():
            sizes[name], others[name] = (m, n) if mirrored else (n, m)
        factor = drawn(self.random, key, sizes, self.preheat_rank, dtype)
        zeros = {name: np.zeros((other, self.preheat_rank), dtype) for name, other in others.items()}
        us, vs = (factor, zeros) if mirrored else (zeros, factor)
        return train_to_end(
            problem,
            problem.op.like(us),
            problem.op.like(vs),
            steps=self.steps,
            learning_rate=self.learning_rate,
            trained=self.trained,
            scale=self.scale,
        )


# A program of its own, as the draw and the training are: ways to preheat that share one of them compile it once.
@partial(jax.jit, static_argnames=("rank", "start"))
def _continued(us, vs, norm, *, rank, start):
    found = leading_directions(us, vs, rank)
    starts = {name: start_from(directions, start, norm) for name, directions in found.items()}
    return {name: left for name, (left, _) in starts.items()}, {name: right for name, (_, right) in starts.items()}


def start_from(directions: Directions, start: Start, norm: float) -> tuple[Array, Array]:
    """The main stage's `(B0, A0)` for one weight."""
    left, values, right = directions
    match start:
        case Start.right:
            return jnp.zeros_like(left), norm * right
        case Start.left:
            return norm * left, jnp.zeros_like(right)
        case Start.warm:
            return left * jnp.sqrt(values), right * jnp.sqrt(values)
