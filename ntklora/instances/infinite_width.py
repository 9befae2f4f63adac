"""The LoRA problem of an infinitely wide network: finite in size, because only Gram matrices enter."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ntklora.models import MLP
from ntklora.ntk.infinite_width import LimitGrams, infinite_width, limit_targets
from ntklora.problem.losses import Loss
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.tangent.targets import MATRICES, Targets

Array = Any


def infinite_width_problem(
    model: MLP,
    x: Array,
    y: Array,
    *,
    targets: Targets = MATRICES,
    loss: str | Loss,
    lam: float | Array,
    key: Array | None = None,
) -> Problem:
    """The linearized fine-tuning problem that finite networks have in the limit of infinite width.

    The problem depends on each weight's features through `<a_i, a_k>` and `<b_ij, b_kl>` alone, at any width, and these
    have limits (`ntk.infinite_width`): `A Aᵀ = Gram_a`, `C Cᵀ = B` with `C (N, c)` gives features of at most N columns,

        a_i = row i of A,     b_ij = e_j ⊗ row i of C       so that  <b_ij, b_kl> = δ_jl B_ik,

    (for the readout B is all ones, `c = 1` and `b_ij = e_j`). `solve`, `find_endpoints` and the rest take it as any
    other problem; its `δ` is in coordinates of its own, its objective, ranks and outputs are the limit network's.

    Rank 1 in one hidden weight fits any targets where its B is nonsingular: for a `v` with `v·a_i ≠ 0`, the vectors
    b_ij are linearly independent and `u·b_ij = z_ij/(v·a_i)` has a solution. So ranks stay far below T1's bound.

    `f0` is zero (centred outputs), or with a `key` a draw of the Gaussian process: at infinite width the outputs are
    independent of the kernel. Errors: as for `infinite_width` and `Problem`, and for unknown targets.
    Source: [derived, theory §1.1, "Infinite width"].

    >>> import jax, ntklora as nl
    >>> jax.config.update("jax_enable_x64", True)
    >>> model = MLP((2, 64, 1), bias_std=0.0)
    >>> x, y = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), np.array([1.0, -1.0, 1.0])
    >>> problem = infinite_width_problem(model, x, y, targets="readout/w", loss="squared", lam=0.01)
    >>> kernel = nl.infinite_width_ntk(model, x, targets="readout/w")
    >>> bool(np.allclose(problem.op.gram(), kernel)), str(nl.solve(problem).status)
    (True, 'certified')
    """
    limit = infinite_width(model, x)
    outputs, names = model.sizes[-1], limit_targets(model, targets)
    pairs = {name: _factors(limit.grams[name], outputs) for name in names}
    if len(pairs) == 1:
        op = TangentOperator.from_factors(*pairs[names[0]])
    else:
        op = TangentOperator.from_factors(*({name: pair[side] for name, pair in pairs.items()} for side in (0, 1)))
    f0 = np.zeros((len(limit.covariance), outputs))
    if key is not None:
        root = gram_factor(limit.covariance)
        f0 = root @ np.asarray(jax.random.normal(key, (root.shape[1], outputs)), np.float64)
    return Problem(op, f0, y, loss, lam)


def gram_factor(gram: Float[np.ndarray, "N N"]) -> Float[np.ndarray, "N c"]:
    """`C` with `C Cᵀ` = the positive semidefinite `gram` up to rounding, and as few columns as that allows.

    >>> gram_factor(np.ones((3, 3))).shape
    (3, 1)
    """
    values, vectors = np.linalg.eigh(gram)
    kept = values > np.finfo(np.float64).eps * len(gram) * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def _factors(grams: LimitGrams, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """`a (N, 1, n)` and `b (N, K, 1, K c)`."""
    a, c = gram_factor(grams.inputs), gram_factor(grams.signals)
    b = np.einsum("jl,ic->ijlc", np.eye(outputs), c)
    return a[:, None, :], b.reshape(len(c), outputs, 1, -1)
