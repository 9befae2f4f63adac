"""Samples with weights: many samples that share features and targets, folded into one row.

    (1/N) Σ_i w_i ℓ(z_i, y_i),     w_i = N · (share of the samples that are like row i)

is the mean over all of them. A finite population seen `10^8` times costs no more than its own size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from ntklora.arrays import namespace
from ntklora.problem.losses import Loss, resolve_loss
from ntklora.problem.problem import Problem

Array = Any


class Weighted(Loss):
    """`w · ℓ(z, y)` for a loss with one label per sample; targets `(N, 2)`: w ≥ 0, then the label.

    `of` is ℓ or its name; `heaviest` bounds the weights: smoothness and Lipschitz constant are those of ℓ times it.

    >>> import ntklora as nl
    >>> op = nl.TangentOperator.from_dense(np.ones((2, 1, 1, 1)))
    >>> y = np.array([[1.5, 1.0], [0.5, -1.0]])
    >>> problem = nl.Problem(op, np.zeros(2), y, Weighted("logistic", heaviest=1.5), 0.1)
    >>> round(float(nl.lam_max(problem)), 9)  # (1/2)(1.5 · ½ − 0.5 · ½)
    0.25
    """

    of: Loss = eqx.field(converter=resolve_loss)
    heaviest: float = eqx.field(static=True, default=1.0)
    name: ClassVar[str] = "weighted"

    @property
    def smoothness(self) -> float:  # type: ignore[override]
        """`heaviest` times that of ℓ."""
        return self.heaviest * self.of.smoothness

    @property
    def lipschitz(self) -> float:  # type: ignore[override]
        """`heaviest` times that of ℓ."""
        return self.heaviest * self.of.lipschitz

    @property
    def shift_invariant(self) -> bool:  # type: ignore[override]
        """As ℓ is."""
        return self.of.shift_invariant

    def encode(self, y: Array, num_samples: int, num_outputs: int) -> Array:
        """Weights, all in [0, heaviest], beside the targets of ℓ."""
        if y.shape != (num_samples, 2):
            raise ValueError(f"y has shape {y.shape}; weighted targets are (N, 2) = {(num_samples, 2)}: weight, target")
        weights = np.asarray(y[:, 0])
        if not ((weights >= 0) & (weights <= self.heaviest)).all():
            raise ValueError(f"weights go from {weights.min():g} to {weights.max():g}; expected 0 to {self.heaviest:g}")
        if self.of.encode(y[:, 1], num_samples, num_outputs).ndim != 1:
            raise ValueError(
                f"loss {self.of.name!r} takes no labels; scale the features, f0 and y of a squared loss by sqrt(w)"
            )
        return y if np.issubdtype(y.dtype, np.floating) else y.astype(np.float64)

    def value(self, z: Array, y: Array) -> Array:
        """`w_i ℓ(z_i, y_i)`."""
        return y[:, 0] * self.of.value(z, y[:, 1])

    def gradient(self, z: Array, y: Array) -> Array:
        """`w_i ∇ℓ(z_i, y_i)`."""
        return y[:, :1] * self.of.gradient(z, y[:, 1])

    def hessian_factor(self, z: Array, y: Array) -> Array:
        """`√w_i` times that of ℓ."""
        return namespace(z, y).sqrt(y[:, 0])[:, None, None] * self.of.hessian_factor(z, y[:, 1])

    def conjugate(self, alpha: Array, y: Array) -> Array:
        """`w ℓ*(α/w)`; for `w = 0` the indicator of `α = 0`."""
        xp, weight = namespace(alpha, y), y[:, 0]
        held = weight > 0
        inner = self.of.conjugate(alpha / xp.where(held, weight, 1.0)[:, None], y[:, 1])
        outside = xp.where(xp.abs(alpha).max(1) > 0, xp.inf, 0.0)
        return xp.where(held, xp.where(held, weight, 1.0) * inner, outside)

    def hessian_bounds(self, z: Array, reach: Array) -> tuple[Array, Array]:
        """0, since a weight may be, and `heaviest` times the upper bound of ℓ."""
        low, high = self.of.hessian_bounds(z, reach)
        return 0.0 * low, self.heaviest * high

    def idle_samples(self, num_samples: int, num_outputs: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Those of ℓ, of weight 0."""
        idle = self.of.idle_samples(num_samples, num_outputs)
        return None if idle is None else (idle[0], np.stack([np.zeros(num_samples), idle[1].astype(np.float64)], 1))


def unweighted(problem: Problem) -> Problem:
    """The rows that weigh something, all alike: another optimum, but one exists for the same data."""
    if not isinstance(problem.loss, Weighted):
        return problem
    host = problem.host()
    held = np.flatnonzero(host.y[:, 0] > 0)
    labels = host.y[held, 1]
    return Problem(host.op.take(held), host.f0[held], labels, problem.loss.of, host.lam, host.perturbation)
