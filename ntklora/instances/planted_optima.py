"""Planted optima: a minimizer of rank as high as one likes, on as few samples as one likes.

On generic data the minimizer is unique and already of low rank: nothing would be left for T1 to say. Here the set of
minimizers is a face, and the one that is known is far from its low-rank corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ntklora.data.teacher_student import random_frame
from ntklora.problem.losses import resolve_loss
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

Matrices = dict[str, Any]


class PlantedOptimum(NamedTuple):
    """A problem with the weights `layer0`, `layer1`, … and one of its minimizers, `delta` by name."""

    problem: Problem
    delta: Matrices


def plant_optimum(
    ranks: Sequence[int], num_samples: int, *, seed: int, num_outputs: int = 1, loss: str = "squared", lam: float = 0.1
) -> PlantedOptimum:
    """A problem whose minimizer `δ^l = U S Vᵀ` has the rank asked for in each weight `(r + 2, r + 3)`.

        Γ^l = −λ U Vᵀ + (λ/2) w1 w2ᵀ,     w1 ⟂ U, w2 ⟂ V unit

    is the KKT condition of the convex problem. Gaussian features, the first output's features of the last sample set so
    that `Γ^l` comes out; the outputs there are drawn, `f0` and `y` follow. Duplicate samples, or more outputs than the
    loss sees, lower the span dimension afterwards.

    Errors: `ValueError` for a rank or count below 1, or a loss that does not take `num_outputs`.
    Source: [derived].

    >>> import ntklora as nl
    >>> planted = plant_optimum([4], 3, seed=0)
    >>> abs(nl.duality_gap(planted.problem, planted.delta).gap) < 1e-12
    True
    """
    if min(ranks, default=0) < 1 or num_samples < 1:
        raise ValueError(f"expected ranks >= 1 and num_samples >= 1, got {list(ranks)} and {num_samples}")
    rng, rule = np.random.default_rng(seed), resolve_loss(loss)
    z, y, alpha = _outputs_with_gradients(rng, loss, num_samples, num_outputs)
    features: Matrices = {}
    delta: Matrices = {}
    for layer, rank in enumerate(ranks):
        left, right = random_frame(rank + 2, rank + 1, rng), random_frame(rank + 3, rank + 1, rng)
        signs = np.append(np.full(rank, -lam), lam / 2)
        g = rng.standard_normal((num_samples, num_outputs, rank + 2, rank + 3))
        g[-1, 0] = 0.0
        g[-1, 0] = (num_samples * (left * signs) @ right.T - np.einsum("ij,ijmn->mn", alpha, g)) / alpha[-1, 0]
        features[f"layer{layer}"] = g
        delta[f"layer{layer}"] = (left[:, :rank] * rng.uniform(1.0, 2.0, rank)) @ right[:, :rank].T
    op = TangentOperator.from_dense(features)
    return PlantedOptimum(Problem(op, z - op.apply(delta), y, rule, lam), delta)


def _outputs_with_gradients(
    rng: np.random.Generator, loss: str, num_samples: int, num_outputs: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs `z`, targets `y` and `α = ∇ℓ(z, y)`, with the entry that will be divided by bounded away from 0."""
    z = rng.standard_normal((num_samples, num_outputs))
    y: np.ndarray
    if loss == "squared":
        y = z - rng.choice([-1.0, 1.0], z.shape) * rng.uniform(0.5, 1.5, z.shape)
    elif loss == "logistic":
        y = rng.choice([-1.0, 1.0], num_samples)
    else:
        y = rng.integers(num_outputs, size=num_samples)
    return z, y, resolve_loss(loss).gradient(z, y)
