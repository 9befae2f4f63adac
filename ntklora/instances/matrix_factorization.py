"""Matrix factorization as an instance of linearized fine-tuning: the linear network `δ x`, trained towards `M x`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator


def matrix_factorization(
    target: Float[np.ndarray, "a b"],
    *,
    covariance: Float[np.ndarray, "b b"] | None = None,
    lam: float = 0.0,
) -> Problem:
    """The problem whose training loss is `L(δ) = ½‖(δ − M) Σ^{1/2}‖²`, exactly (Σ = I without a covariance).

    The b inputs are the columns of √b Σ^{1/2}, the a outputs are δ x, the targets M x; the mean over N = b examples of
    ½‖δx − Mx‖² is the loss. So whatever trains on a linearized network trains on a matrix factorization, and
    `Γ(0) = −MΣ`, `λ_max = ‖MΣ‖_op`.
    Errors: `ValueError` for a target that is no matrix, a covariance of another shape, not symmetric, or with a
    negative eigenvalue.

    >>> import ntklora as nl
    >>> problem = matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)
    >>> [round(float(nl.duality_gap(problem, delta).primal), 9) for delta in (np.zeros((2, 2)), np.diag([2.0, 1.0]))]
    [6.5, 4.0]
    """
    target = np.asarray(target, np.float64)
    if target.ndim != 2:
        raise ValueError(f"target has shape {target.shape}; expected a matrix (a, b)")
    a, b = target.shape
    root = np.eye(b) if covariance is None else _square_root(np.asarray(covariance, np.float64), b)
    inputs = np.sqrt(b) * root
    signals = np.broadcast_to(np.eye(a)[:, None, :], (b, a, 1, a))
    op = TangentOperator.from_factors(inputs[:, None, :], np.ascontiguousarray(signals))
    return Problem(op, np.zeros((b, a)), inputs @ target.T, "squared", lam)


def _square_root(covariance: np.ndarray, size: int) -> np.ndarray:
    if covariance.shape != (size, size) or not np.allclose(covariance, covariance.T, rtol=1e-12, atol=0):
        raise ValueError(f"covariance has shape {covariance.shape}; expected a symmetric ({size}, {size}) matrix")
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -1e-12 * values[-1]:
        raise ValueError(f"covariance has the eigenvalue {values[0]:.3g}; it must be positive semidefinite")
    return vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
