"""Low-rank adaptation on matrix factorization in closed form: statements H1 to H6, H8 and H10 about

    L(B, A) = ½‖s B Aᵀ − M‖²,   M (a, b) with singular values σ_1 ≥ σ_2 ≥ …,   B (a, r), A (b, r),

    L0 = ½‖M‖²   (no adaptation),       L_EY = ½ Σ_{i>r} σ_i²   (Eckart–Young: the best rank r).

*Asymmetric* training moves B only, *classic* training both. P_A is the projector on span(A). The subject is the paper
of Chen et al. (arXiv 2502.07739); its exact forms below are all [derived], as each docstring repeats.
NumPy in, numbers out; nothing here trains.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Matrix = Float[np.ndarray, "rows columns"]
Spectrum = Sequence[float] | Float[np.ndarray, " values"]


# --- Levels that need the spectrum only -------------------------------------------------------------------------------


def loss_at_zero(singular_values: Spectrum) -> float:
    """`L0 = ½ Σ σ_i²`."""
    return 0.5 * float(np.sum(np.square(singular_values)))


def eckart_young(singular_values: Spectrum, rank: int) -> float:
    """`L_EY = ½ Σ_{i>r} σ_i²`, the least loss of any product of rank r [Eckart and Young 1936].

    >>> eckart_young([3.0, 2.0, 1.0], 1)
    2.5
    """
    return 0.5 * float(np.sum(_descending(singular_values)[rank:] ** 2))


def random_mean(singular_values: Spectrum, fan_in: int, rank: int) -> float:
    """`E L_∞ = (1 − r/b) L0` for asymmetric training on a rotation-invariant random A.

    The limit is M P_A with P_A uniform among projectors of rank r, and E P_A = (r/b) I; any spectrum. H2 [derived].

    >>> random_mean([2.0, 0.0, 0.0, 0.0], 4, 1)
    1.5
    """
    _ranks_fit(singular_values, fan_in, rank)
    return (1.0 - rank / fan_in) * loss_at_zero(singular_values)


def random_variance(singular_values: Spectrum, fan_in: int, rank: int) -> float:
    """`Var L_∞ = ½ · r(b−r)/(b(b−1)(b+2)) · (Σσ_i⁴ − (Σσ_i²)²/b)`: zero exactly for b equal values. H2 [derived]."""
    _ranks_fit(singular_values, fan_in, rank)
    b, squares = fan_in, np.square(singular_values)
    if b == 1:
        return 0.0
    spread = float(np.sum(squares**2) - np.sum(squares) ** 2 / b)
    return 0.5 * rank * (b - rank) / (b * (b - 1) * (b + 2)) * spread


def preheated_bound(singular_values: Spectrum, fan_in: int, preheat_rank: int, rank: int) -> float:
    """`E L ≤ (1 − R/b) L0 + (R/b) L_EY` after high-rank preheating at rank R.

    Preheating leaves A0 spanning the top-r right singular vectors of M P_R, and Σ_{i≤r} σ_i²(M P_R) ≥ ‖M_r P_R‖²; its
    mean is (R/b)‖M_r‖². H6 [derived].
    """
    _ranks_fit(singular_values, fan_in, preheat_rank)
    share = preheat_rank / fan_in
    return (1.0 - share) * loss_at_zero(singular_values) + share * eckart_young(singular_values, rank)


def preheated_mean(singular_values: Spectrum, fan_in: int, preheat_rank: int, rank: int) -> float | None:
    """`E L` after preheating at rank R where it is known exactly, else None.

    `(1 − R/b) L0` if rank M ≤ r (attains the bound); `(1 − r/b) L0` if R = r, and for every R if all b singular values
    are equal (the null case: no gain); `L_EY` if R = b. H6 [derived].
    """
    _ranks_fit(singular_values, fan_in, preheat_rank)
    if preheat_rank < rank:
        raise ValueError(f"preheat_rank = {preheat_rank} must be at least rank = {rank}")
    sigma = _descending(singular_values)
    flat = len(sigma) == fan_in and sigma[0] == sigma[-1]
    if np.count_nonzero(sigma) <= rank:
        return random_mean(sigma, fan_in, preheat_rank)
    if flat or preheat_rank == rank:
        return random_mean(sigma, fan_in, rank)
    return eckart_young(sigma, rank) if preheat_rank == fan_in else None


def preheat_pays_from(singular_values: Spectrum, rank: int) -> float:
    """The preheating rank beyond which the bound of H6 lies below the random mean of H2: `r ‖M‖²/‖M_r‖²`. H6 [derived].

    >>> preheat_pays_from([1.0, 1.0, 1.0, 1.0], 2)   # flat: beyond b, so never
    4.0
    """
    squares = _descending(singular_values) ** 2
    return rank * float(squares.sum() / squares[:rank].sum())


def subset_loss(singular_values: Spectrum, kept: Sequence[int]) -> float:
    """`½ Σ_{i∉S} σ_i²`: where classic flow from A0 in span(V_S), B0 = 0 ends; a saddle unless S is a top set.

    H4 [derived]. `kept` are indices into the descending spectrum, from 0.
    """
    squares = _descending(singular_values) ** 2
    return 0.5 * float(np.delete(squares, list(kept)).sum())


def two_sided_mean(singular_values: Spectrum, shape: tuple[int, int], rank: int) -> float:
    """`E = (1 − r/a)(1 − r/b) L0`: linearized in both factors, B0 and A0 independent and random. H5 [derived]."""
    a, b = shape
    return (1.0 - rank / a) * (1.0 - rank / b) * loss_at_zero(singular_values)


# --- Levels of one draw -----------------------------------------------------------------------------------------------


def right_frozen_loss(target: Matrix, right: Matrix) -> float:
    """`½‖M (I − P_A)‖²`: the limit of training B with A frozen. H1 [derived]."""
    return 0.5 * float(np.sum((target - target @ _projector(right)) ** 2))


def left_frozen_loss(target: Matrix, left: Matrix) -> float:
    """`½‖(I − P_B) M‖²`: the limit of training A with B frozen. H8 [derived]."""
    return 0.5 * float(np.sum((target - _projector(left) @ target) ** 2))


def two_sided_loss(target: Matrix, left: Matrix, right: Matrix) -> float:
    """`½‖(I − P_B) M (I − P_A)‖²`: the optimum linearized in both factors, both non-zero. H5 [derived]."""
    a, b = target.shape
    return 0.5 * float(np.sum(((np.eye(a) - _projector(left)) @ target @ (np.eye(b) - _projector(right))) ** 2))


def preheated_loss(target: Matrix, preheat: Matrix, rank: int) -> float:
    """`½(‖M‖² − Σ_{i≤r} σ_i²(M P_R))` with P_R the projector on the span of the preheating factor. H6 [derived]."""
    kept = np.linalg.svd(target @ _projector(preheat), compute_uv=False)[:rank]
    return 0.5 * float(np.sum(target**2) - np.sum(kept**2))


# --- Trajectories -----------------------------------------------------------------------------------------------------


def asymmetric_flow(target: Matrix, right: Matrix, time: float, scale: float = 1.0) -> Matrix:
    """`s B(t) Aᵀ = M Σ_j (1 − e^{−s²μ_j t}) q_j q_jᵀ` with `AᵀA = O diag(μ) Oᵀ`, `q_j = A o_j/√μ_j`, from B = 0.

    `time` is step × number of steps. H1 [derived]; with A the preheating factor it is H7.
    """
    return _filtered(target, right, lambda mu: -np.expm1(-(scale**2) * mu * time))


def asymmetric_descent(target: Matrix, right: Matrix, step_size: float, num_steps: int, scale: float = 1.0) -> Matrix:
    """`s B_k Aᵀ = M Σ_j (1 − (1 − η s² μ_j)^k) q_j q_jᵀ`: the same for gradient descent, exactly. H1 [derived]."""
    return _filtered(target, right, lambda mu: 1.0 - (1.0 - step_size * scale**2 * mu) ** num_steps)


def wise_distance_bound(target: Matrix, right: Matrix, rank: int, time: float, scale: float = 1.0) -> float:
    """`‖s B(t)Aᵀ − M_r‖² ≤ e^{−2 s² μ_min t} ‖M_r‖²` for A = V_r C, μ_min the least eigenvalue of AᵀA. H3 [derived]."""
    kept = np.linalg.svd(target, compute_uv=False)[:rank]
    mu_min = np.linalg.svd(right, compute_uv=False)[-1] ** 2
    return float(np.exp(-2.0 * scale**2 * mu_min * time) * np.sum(kept**2))


def classic_mode(
    singular_value: float, initial: float, time: float | np.ndarray, scale: float = 1.0
) -> float | np.ndarray:
    """`p(t) = s b(t) a(t)` of classic flow from A0 = V_r diag(a_0), B0 = 0, mode by mode.

    `ṗ = s √(s²a_0⁴ + 4p²) (σ − p)`, since a² − b² = a_0² is conserved. With p = c sinh θ, c = s a_0²/2, k = c/σ,
    h = √(1 + k²): `tanh(θ/2) = h tanh(σ h s t + artanh(k/h)) − k`. The rate is `classic_rate`. H3 [derived].
    """
    if singular_value == 0.0:
        return np.zeros_like(np.asarray(time, float))[()]
    c = 0.5 * scale * initial**2
    k = c / singular_value
    h = np.hypot(1.0, k)
    w = h * np.tanh(singular_value * h * scale * np.asarray(time) + np.arctanh(k / h)) - k
    return c * 2.0 * w / (1.0 - w**2)


def classic_rate(singular_value: float, initial: float, scale: float = 1.0) -> float:
    """Asymptotic rate of `σ − p(t)`: `s √(s² a_0⁴ + 4σ²)`, i.e. √(1 + 4σ²) at s = a_0 = 1. H3 [derived]."""
    return scale * float(np.hypot(scale * initial**2, 2.0 * singular_value))


# --- Inputs with covariance Σ: loss ½‖(s B Aᵀ − M) Σ^{1/2}‖² ----------------------------------------------------------


def covariance_limit(target: Matrix, right: Matrix, covariance: Matrix) -> Matrix:
    """`s B* Aᵀ = M Σ A (AᵀΣA)^{-1} Aᵀ`, the limit with A frozen. H10 [derived]."""
    weighted = covariance @ right
    return target @ weighted @ np.linalg.solve(right.T @ weighted, right.T)


def covariance_best_right(target: Matrix, covariance: Matrix, rank: int) -> Matrix:
    """The best A to freeze: Σ^{−1/2} times the top-r right singular vectors of M Σ^{1/2}. H10 [derived]."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values) @ vectors.T
    top = np.linalg.svd(target @ root)[2][:rank].T
    return np.linalg.solve(root, top)


def covariance_floor(target: Matrix, covariance: Matrix, rank: int) -> float:
    """`½ Σ_{i>r} σ_i(M Σ^{1/2})²`, the least loss of any product of rank r. H10 [derived]."""
    squares = np.linalg.eigvalsh(target @ covariance @ target.T)[::-1]
    return 0.5 * float(np.sum(np.maximum(squares[rank:], 0.0)))


def _filtered(target, right, response):
    left, root, _ = np.linalg.svd(right, full_matrices=False)
    return (target @ left) * response(root**2) @ left.T


def _projector(columns: Matrix) -> Matrix:
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    basis = left[:, values > np.finfo(float).eps * max(columns.shape) * values[0]]
    return basis @ basis.T


def _descending(singular_values: Spectrum) -> np.ndarray:
    return np.sort(np.asarray(singular_values, np.float64))[::-1]


def _ranks_fit(singular_values: Spectrum, fan_in: int, rank: int) -> None:
    if not 0 <= rank <= fan_in or len(singular_values) > fan_in:
        raise ValueError(
            f"rank {rank} and {len(singular_values)} singular values do not fit fan_in = {fan_in}: "
            "expected 0 <= rank <= fan_in and at most fan_in values"
        )
