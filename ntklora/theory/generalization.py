"""T3 [reconstructed; constants derived]: what the minimizer of the training objective does on the population.

ℓ convex and G-Lipschitz in the outputs, `‖G_ij‖_F ≤ R` over the population, `δ_true` a minimizer of the population
risk, `λ = κc`, κ > 1 and ε0 fixed ahead of the sample. With probability at least 1 − η,

    risk(δ) − risk(δ_true)  ≤  (κ+1)/(κ−1) · λ ‖δ_true‖_*  +  κ/(κ−1) · ε0        for every δ with F(δ) ≤ min F + ε0

Steps: with `Z_t` the supremum of `(risk − L)(δ) − (risk − L)(δ_true)` over `‖δ − δ_true‖_* ≤ t`, symmetrization, vector
contraction (a factor √2, none for K = 1) and `E‖Σ ε_ij G_ij‖_op ≤ √(KN) R` bound its mean, one sample moves it by at
most `2√K G R t/N` (McDiarmid): `Z_t ≤ ct`. Convexity carries δ back along the segment to distance t, where
`0 ≤ 2λ‖δ_true‖_* + ε0 − (λ − c)t`, so `t ≤ (2λ‖δ_true‖_* + ε0)/(λ − c)`, and the risk at δ is at most
`λ‖δ_true‖_* + ε0 + ct` above. The rank of δ does not enter.
"""

from __future__ import annotations

from math import inf, log, sqrt

BEST_KAPPA = 1.0 + sqrt(2.0)  # minimizes κ(κ+1)/(κ−1), the bound in units of c‖δ_true‖_*, which is 3 + 2√2 there


def deviation_constant(num_samples: int, num_outputs: int, lipschitz: float, radius: float, eta: float) -> float:
    """`c = √2 √K G R/√N · (2 + √log(1/η))`, for `K = 1` the smaller `(G R/√N)(2 + √(2 log(1/η)))`.

    T3 [reconstructed]. Errors: `ValueError` unless counts and sizes are positive and 0 < η < 1; for a loss that is not
    Lipschitz (squared) there is no constant.

    >>> round(deviation_constant(10_000, 1, 1.0, 1.0, 0.05), 4)
    0.0445
    """
    if min(num_samples, num_outputs) < 1 or not 0 < eta < 1 or radius <= 0:
        raise ValueError(
            f"expected num_samples, num_outputs >= 1, radius > 0, 0 < eta < 1; "
            f"got {num_samples}, {num_outputs}, {radius}, {eta}"
        )
    if not 0 < lipschitz < inf:
        raise ValueError(f"lipschitz = {lipschitz}: T3 is about Lipschitz losses; take logistic or cross_entropy")
    scale = lipschitz * radius / sqrt(num_samples)
    if num_outputs == 1:
        return scale * (2.0 + sqrt(2.0 * log(1.0 / eta)))
    return sqrt(2.0 * num_outputs) * scale * (2.0 + sqrt(log(1.0 / eta)))


def excess_risk_bound(constant: float, kappa: float, norm: float, suboptimality: float = 0.0) -> float:
    """`(κ+1)/(κ−1) · κc‖δ_true‖_* + κ/(κ−1) · ε0`, the excess risk that T3 allows with probability 1 − η.

    T3 [reconstructed]. Errors: `ValueError` unless κ > 1: below, the penalty does not outweigh the deviations.

    >>> round(excess_risk_bound(1.0, BEST_KAPPA, 1.0), 12) == round(3 + 2 * sqrt(2.0), 12)
    True
    """
    if kappa <= 1:
        raise ValueError(f"kappa = {kappa} must exceed 1; lam = kappa * c")
    return (kappa + 1) / (kappa - 1) * kappa * constant * norm + kappa / (kappa - 1) * suboptimality
