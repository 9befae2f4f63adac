"""LoRA on a linearized network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import optax
from jaxtyping import PRNGKeyArray

from ntklora.adapters.initializations import Initialization, resolve_initialization
from ntklora.adapters.training import Path, Trained, train_factors
from ntklora.arguments import require_key, whole_number
from ntklora.problem.problem import Problem


def train_lora(
    problem: Problem,
    rank: int,
    key: PRNGKeyArray,
    *,
    steps: int,
    learning_rate: float | jax.Array | None = None,
    initialization: str | Initialization = "kaiming",
    optimizer: optax.GradientTransformation | None = None,
    trained: Trained | str = Trained.both,
    scale: float = 1.0,
    kept: Sequence[int] | None = None,
) -> Path:
    """Full-batch training of rank-r factors on `F(u, v) = L(s u vᵀ) + (λ/2)(‖u‖² + ‖v‖²)`, as in the papers.

    Gradient descent unless an optax `optimizer` is given; `initialization` is one of "kaiming", "gaussian",
    "orthonormal", "orthogonal" or an object (`Wise`, `HRP`). `trained` "left" is asymmetric LoRA (v frozen), `scale` is
    s. Without a learning rate `train_factors` derives one. The result has `.u`, `.v` in the problem's form, and
    `.objective (steps + 1,)` with the start at index 0, or at the steps `kept` alone. Batch it:
    `jax.vmap(lambda key: train_lora(...))(keys)`.
    Adam and sign methods depend on the coordinates: give them the whole problem, not the reduced one. For minibatches
    see `train_minibatches`, for the factors along the way `descend_with_snapshots`.
    Errors: `ValueError` for a rank below 1, an unknown initialization, and those of `train_factors`.

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> import numpy as np
    >>> problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # F = ½‖δ − M‖² + ‖δ‖_*
    >>> path = train_lora(problem, 2, jax.random.key(0), steps=200)
    >>> path.objective.shape, round(float(path.objective[-1]), 6)  # the optimum diag(2, 1) is worth 4
    ((201,), 4.0)
    """
    rank = whole_number("rank", rank, 1)
    require_key(key)
    us, vs = _initialize(resolve_initialization(initialization), problem, rank, key)
    return train_factors(
        problem,
        problem.op.like(us),
        problem.op.like(vs),
        steps=steps,
        learning_rate=learning_rate,
        optimizer=optimizer,
        trained=trained,
        scale=scale,
        kept=kept,
    )


# One compilation instead of one for each of an initialization's operations.
@partial(jax.jit, static_argnames="rank")
def _initialize(initialization, problem, rank, key):
    return initialization(problem, rank, key)
