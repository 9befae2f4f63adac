"""The gap of the perturbed problem F_P, and the bounds that a perturbation obeys.

    min_{Z ⪰ 0} L(Z_12) + <(λ/2) I + P, Z>  =  max_α d(α)  s.t.  (λ/2) I + P^l + ½ [[0, Γ^l], [Γ^lᵀ, 0]] ⪰ 0  for each l

with `Z = Q Qᵀ`: the convex problem that a second-order stationary point of F_P solves in T2's range [paper, JLR].
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ntklora.certificates.duality import (
    Gap,
    best_multiple,
    dual_objective,
    feasible_dual,
    is_in_kernel,
    relative_gap,
)
from ntklora.certificates.factors import host_factors
from ntklora.problem.objective import (
    balanced_factors,
    dual_vector,
    factor_gradients,
    gradient_matrices,
    kkt_matrices,
    largest_slope,
    objective,
    stack,
)
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]


def perturbed_gap(problem: Problem, u: Array | Matrices, v: Array | Matrices) -> Gap:
    """`F_P(u, v) − d(α)` with a dual-feasible `α`: a bound of `F_P(u, v) − min F_P` at any rank.

    `α = t ∇ℓ` with the best `t` that keeps the constraint (a generalized eigenvalue for each weight). Where
    `(λ/2) I + P` is singular and `Γ` acts on its kernel, no `t > 0` does and `d(0)` is what remains. Without
    perturbation this is the gap of `F(u, v)`; at `λ = 0` as well, `∇ℓ` is projected onto `ker A*`.
    """
    host = problem.host()
    us, vs = host_factors(host, u, v)
    primal = float(objective(host, us, vs))
    alpha = feasible_perturbed_dual(host, host.f0 + host.op.apply_factors(us, vs))
    dual = dual_objective(host, alpha)
    return Gap(primal, dual, relative_gap(host, primal, dual), alpha)


def feasible_perturbed_dual(problem: Problem, z: Array, basis: np.ndarray | None = None) -> np.ndarray:
    """A dual-feasible `α (N, K)` of F_P from the outputs `z (N, K)` of any point, for a problem on the host.

    `basis` is `output_basis(problem)` where many points are asked about at `λ = 0`, `P = 0`.
    """
    if problem.perturbation is None:
        return feasible_dual(problem, z, basis)
    alpha = dual_vector(problem, z)
    return best_multiple(problem, alpha, longest_step(problem, alpha))


def scaled_to_feasible(problem: Problem, alpha: Array) -> np.ndarray:
    """`t α` with the largest `t ≤ 1` that is dual feasible for F_P: what a dual point of unknown origin is worth."""
    if problem.perturbation is None and problem.lam == 0:
        return alpha if is_in_kernel(problem, alpha) else np.zeros_like(alpha)
    return min(1.0, longest_step(problem, alpha)) * alpha


def longest_step(problem: Problem, alpha: Array) -> float:
    """The largest `t ≥ 0` for which `t α` is dual feasible for F_P; `inf` if every `t` is."""
    if problem.perturbation is None and problem.lam > 0:
        slope = largest_slope(problem, alpha)
        return float(problem.lam) / slope if slope > 0 else np.inf
    nothing = {name: np.zeros(shape) for name, shape in problem.shapes.items()}
    base = kkt_matrices(problem, nothing)
    full = kkt_matrices(problem, gradient_matrices(problem, alpha))
    return min(_longest_positive(base[name], full[name] - base[name]) for name in base)


def stationarity_bound(problem: Problem, u: Array | Matrices, v: Array | Matrices, optimal_trace: float) -> float:
    """`½ <∇F_P, Q> + λ_−(S) tr X*`, an upper bound of `F_P(u, v) − min F_P` for `tr X* = optimal_trace` [derived].

    From convexity in `X = Q Qᵀ`: `F_P(Q) − F_P(X*) ≤ <S, Q Qᵀ − X*>`, with `∇F_P = 2SQ`.
    """
    host = problem.host()
    us, vs = host_factors(host, u, v)
    gammas = gradient_matrices(host, dual_vector(host, host.f0 + host.op.apply_factors(us, vs)))
    lowest = min(np.linalg.eigvalsh(s)[0] for s in kkt_matrices(host, gammas).values())
    left, right = factor_gradients(host, us, vs)
    along = sum((left[name] * us[name]).sum() + (right[name] * vs[name]).sum() for name in us)
    return float(0.5 * along + max(0.0, -lowest) * optimal_trace)


def perturbation_excess(
    problem: Problem, u: Array | Matrices, v: Array | Matrices, optimal_delta: Array | Matrices
) -> float:
    """`<P, X* − Q Qᵀ>`, the sharper bound of C1 [derived] on `F(u, v) − min F` at a global minimizer of F_P.

    `X*` is the balanced lift of the minimizer `δ*` of F: `[U√S; V√S] [U√S; V√S]ᵀ`, of trace `2‖δ*‖_*`. [paper] gives
    `2 ‖P‖_op ‖δ*‖_*`.

    Errors: `ValueError` for a problem without perturbation.
    """
    host = problem.host()
    if host.perturbation is None:
        raise ValueError("the problem has no perturbation: C1 compares F_P with F")
    us, vs = host_factors(host, u, v)
    deltas = host.op.as_dict(optimal_delta)
    excess = 0.0
    for name, matrix in host.perturbation.items():
        lifted, q = stack(*balanced_factors(np.asarray(deltas[name], np.float64))), stack(us[name], vs[name])
        excess += float((lifted * (matrix @ lifted)).sum() - (q * (matrix @ q)).sum())
    return excess


def _longest_positive(base: np.ndarray, change: np.ndarray) -> float:
    """The largest `t ≥ 0` with `base + t·change ⪰ 0`, for `base ⪰ 0`."""
    values, vectors = np.linalg.eigh(base)
    rounding = len(base) * np.finfo(np.float64).eps
    positive = values > rounding * values[-1]
    kernel = vectors[:, ~positive]
    if kernel.size and np.abs(change @ kernel).max() > rounding * np.abs(change).max():
        return 0.0
    root = vectors[:, positive] / np.sqrt(values[positive])
    if not root.size:
        return np.inf
    lowest = float(np.linalg.eigvalsh(root.T @ change @ root)[0])
    return -1.0 / lowest if lowest < 0 else np.inf
