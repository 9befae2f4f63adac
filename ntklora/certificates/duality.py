"""The duality gap of the convex problem: how far any point is from the optimum at most, whoever found it.

    min_δ F(δ) = L(δ) + λ‖δ‖_*   =   max_α d(α) = −(1/N) Σ_i [ℓ*(α_i, y_i) − <α_i, f0_i>]   s.t.  max_l ‖Γ^l‖_op ≤ λ

with `Γ^l = (1/N) Σ_ij α_ij G^l_ij` [paper, JLR; theory §2.2]. Any feasible `α` proves `F(δ) − min F ≤ F(δ) − d(α)`.
Near a stationary point the gap is of first order in the gradient, the excess of second: a gap is an upper bound, never
a proof that a point is not optimal.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np

from ntklora.arrays import outline
from ntklora.certificates.span import output_basis
from ntklora.problem.objective import dual_vector, full_objective, largest_slope, training_loss
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]

CERTIFIED = 1e-8
APPROXIMATE = 1e-4

# At λ = 0, Γ must vanish: what is left may be this share of (1/N) Σ |α_ij| ‖G_ij‖, the rounding of the sum.
_KERNEL_TOLERANCE = 1e-13
_GOLDEN = (np.sqrt(5.0) - 1) / 2


class Status(StrEnum):
    """What the gap of a solution allows to say, equal to its string.

    `certified`: at most 1e-8. `approximate`: at most 1e-4. `failed`: more. `no_minimizer`: λ = 0 and separable data,
    the infimum is not attained.
    """

    certified = "certified"
    approximate = "approximate"
    failed = "failed"
    no_minimizer = "no_minimizer"


class Gap(NamedTuple):
    """`primal ≥ min F ≥ dual`, `gap = (primal − dual)/max(|primal|, 1e-12 F(0))`, the feasible `alpha (N, K)`."""

    primal: float
    dual: float
    gap: float
    alpha: np.ndarray

    def __repr__(self) -> str:
        return outline(self)


def status_of(gap: float) -> Status:
    """`certified` up to 1e-8, `approximate` up to 1e-4, `failed` beyond (NaN included)."""
    if gap <= CERTIFIED:
        return Status.certified
    return Status.approximate if gap <= APPROXIMATE else Status.failed


def relative_gap(problem: Problem, primal: float, dual: float) -> float:
    """`(primal − dual)/max(|primal|, 1e-12 F(0))`; zero when all three vanish."""
    floor = 1e-12 * float(training_loss(problem, problem.f0))
    return float((primal - dual) / max(abs(primal), floor, np.finfo(np.float64).tiny))


def operator_norm(matrices: Matrices) -> float:
    """`max_l ‖M^l‖_op`."""
    return float(max(np.linalg.norm(matrix, 2) for matrix in matrices.values()))


def dual_objective(problem: Problem, alpha: Array) -> float:
    """`d(α) = −(1/N) Σ_i [ℓ*(α_i, y_i) − <α_i, f0_i>]`; `−inf` outside the domain of `ℓ*`."""
    return float(-(problem.loss.conjugate(alpha, problem.y) - (alpha * problem.f0).sum(1)).mean())


def duality_gap(problem: Problem, delta: Array | Matrices) -> Gap:
    """The gap of `δ` for full fine-tuning, `F(δ) − d(α)`, with the `α` that proves it.

    `α = t ∇ℓ(f0 + A(δ))`. For `λ > 0` the best `t` with `‖Γ‖_op ≤ λ`, found by golden section since `d` is concave
    along the ray: plain scaling `min(1, λ/‖∇L‖_op)` is one of the points tried, and steps beyond 1 pay where `δ` is
    too large. For `λ = 0`, scaling would give `α = 0`; `∇ℓ` is projected onto `ker A*` instead (see `kernel_dual`).
    A perturbation has no part in `F(δ)`: for F_P there is `perturbed_gap`.

    Errors: `ValueError` for a delta whose names or shapes do not fit.
    Source: Fenchel–Rockafellar [paper, JLR; derived for λ = 0].

    >>> import ntklora as nl
    >>> op = nl.TangentOperator.from_dense(np.ones((1, 1, 1, 1)))
    >>> problem = nl.Problem(op, np.zeros(1), np.array([2.0]), "squared", 0.5)
    >>> duality_gap(problem, np.array([[1.5]])).gap  # |2 − δ| = λ at the optimum δ = 3/2
    0.0
    """
    host = problem.host()
    deltas = {name: np.asarray(d, np.float64) for name, d in host.op.as_deltas(delta).items()}
    primal = float(full_objective(host, deltas))
    alpha = feasible_dual(host, host.f0 + host.op.apply(deltas))
    dual = dual_objective(host, alpha)
    return Gap(primal, dual, relative_gap(host, primal, dual), alpha)


def feasible_dual(problem: Problem, z: Array, basis: np.ndarray | None = None) -> np.ndarray:
    """A dual-feasible `α (N, K)` from the outputs `z (N, K)` of any point, for a problem on the host.

    `basis` is `output_basis(problem)` where many points are asked about at `λ = 0`.
    """
    if problem.lam == 0:
        return kernel_dual(problem, z, output_basis(problem) if basis is None else basis)
    alpha = dual_vector(problem, z)
    size = largest_slope(problem, alpha)
    return best_multiple(problem, alpha, float(problem.lam) / size if size > 0 else np.inf)


def best_multiple(problem: Problem, alpha: np.ndarray, longest: float) -> np.ndarray:
    """`t α` with the largest `d(t α)` for `0 ≤ t ≤ longest` (and at most 2: no useful step is longer)."""
    conjugate = problem.loss.conjugate
    slope = (alpha * problem.f0).sum()

    def value(t: float) -> float:
        return float(t * slope - conjugate(t * alpha, problem.y).sum())

    longest = min(longest, 2.0)
    far = value(longest)
    # Concave: if d still rises at the far end, which is the rule where ‖∇L‖_op ≥ λ, the far end is the best.
    if np.isfinite(far) and far >= value((1 - 1e-6) * longest):
        return longest * alpha
    steps = [longest, min(1.0, longest), _best_on_segment(value, longest)]
    return max(steps, key=value) * alpha


def kernel_dual(problem: Problem, z: Array, basis: np.ndarray) -> np.ndarray:
    """A dual-feasible `α` at `λ = 0`: the point of `ker A*` nearest to `∇ℓ(z)` in the metric of the loss.

        α + W β,   β = argmin ‖β‖²  s.t.  A*(α + W β) = 0,   ∇²ℓ_i = W_i W_iᵀ

    For squared loss (`W = I`) this is the residual of least squares, hence exact from any iterate; for cross-entropy
    `W` keeps `Σ_j α_ij = 0`; in general it is what Newton's next step would give, so small probabilities move by small
    amounts. `basis (NK, d)` spans `range A`. Falls back on `α = 0` (`d = 0` for the three losses) when the point leaves
    the domain of `ℓ*`, or when rounding leaves `A*(α)` above its own level.
    """
    alpha, factor = dual_vector(problem, z), problem.loss.hessian_factor(z, problem.y)
    n, k = alpha.shape
    weighted = np.einsum("ijd,ijk->ikd", basis.reshape(n, k, -1), factor).reshape(-1, basis.shape[1])
    beta, *_ = np.linalg.lstsq(weighted.T, -basis.T @ alpha.ravel(), rcond=None)
    alpha = alpha + np.einsum("ijk,ik->ij", factor, beta.reshape(n, -1))
    feasible = is_in_kernel(problem, alpha) and np.isfinite(dual_objective(problem, alpha))
    return alpha if feasible else np.zeros_like(alpha)


def is_in_kernel(problem: Problem, alpha: np.ndarray) -> bool:
    """Whether `A*(α) = 0` up to rounding: against `(1/N) Σ_ij |α_ij| ‖G_ij‖_F`, its size without cancellation."""
    norms = np.sqrt(np.einsum("iijj->ij", problem.op.gram()))
    rounding = _KERNEL_TOLERANCE * (np.abs(alpha) * norms).sum() / problem.num_samples
    return largest_slope(problem, alpha) <= rounding


def _best_on_segment(value: Callable[[float], float], longest: float) -> float:
    """The maximizer on [0, longest], to 1e-7 of it, of a concave function that may be −inf towards the far end."""
    low, high = 0.0, longest
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    for _ in range(34):
        if at_right > at_left:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = value(right)
        else:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = value(left)
    return 0.5 * (low + high)
