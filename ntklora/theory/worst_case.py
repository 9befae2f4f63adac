"""How bad a strict spurious minimum can be, exactly: its curvature against its excess (T2-worst [derived]).

LoRA of rank r with squared loss, `λ > 0`, `P = 0`, span dimension d < r(r+3)/2 + r². At a stationary point Q of full
rank let κ be the smallest eigenvalue of the Hessian H modulo gauge over ‖H‖, and E = (F(Q) − min F)/F(Q). Both are
free of units: they stay when F is multiplied, or Q or the features are scaled, so that large features buy nothing. If
κ > 0,

    E ≤ B(κ) = q (1 + qκ/2)/(1 + κ/2),     q = (2 − 2κ)/(2 − κ),

and at d = r(r+3)/2 the bound is attained, for every r and every κ in (0, 1): `plant_worst_minimum`.

Sketch, with h = ‖H‖/λ, 2S = [[λ, Γ], [Γᵀ, λ]] and H = 2S⊗I + a PSD part of rank d.
 1. 2S has r zero eigenvalues and r equal to 2λ, since Γ = −λUVᵀ + Γ_⟂; if Q is not global it has a negative one too.
    Modulo gauge 2S⊗I has then at least r(r+3)/2 + r² > d eigenvalues ≤ 2λ, so that one of H is: κ ≤ 2/h.
 2. ‖2S‖ = λ + ‖Γ‖ ≤ ‖H‖. With α scaled by λ/‖Γ‖ = 1 − q' dual feasible, weak duality gives, where ℓ is the loss over
    λ‖δ‖_*, E ≤ q'(1 + q'ℓ)/(1 + ℓ); it rises in q' and falls in ℓ, and q' ≤ 1 − 1/(h − 1).
 3. Along Q itself 2S vanishes, and <ρ, JQ> = −2Nλ‖δ‖_* for the residuals ρ, while ‖JQ‖² ≤ N‖H‖·2‖δ‖_*: ℓ ≥ 1/h.
 4. Put q' = 1 − 1/(h − 1), ℓ = 1/h, h = 2/κ: this is B.
"""

from __future__ import annotations

from ntklora.theory.ranks import planting_threshold


def worst_excess(curvature: float) -> float:
    """`B(κ)`, the largest relative excess of a stationary point of relative curvature `κ` in [0, 1]: from 1 down to 0.

    T2-worst [derived], see the module. Errors: `ValueError` for a curvature outside [0, 1].

    >>> worst_excess(0.0), worst_excess(1.0), round(worst_excess(0.5), 3)
    (1.0, 0.0, 0.622)
    """
    if not 0.0 <= curvature <= 1.0:
        raise ValueError(f"curvature is {curvature}: the relative curvature of a minimum lies in [0, 1]")
    q = (2.0 - 2.0 * curvature) / (2.0 - curvature)
    return q * (1.0 + q * curvature / 2.0) / (1.0 + curvature / 2.0)


def balanced_curvature(balance: float) -> float:
    """The `κ` with `κ = balance · B(κ)`: where the worst case has so much curvature for its excess.

    It maximizes `min(κ/balance, E)`, since B falls. T2-worst [derived]. Errors: `ValueError` unless `balance > 0`.

    >>> kappa = balanced_curvature(1.0)
    >>> abs(kappa - worst_excess(kappa)) < 1e-12
    True
    """
    if not balance > 0.0:
        raise ValueError(f"balance is {balance}: expected a positive number")
    low, high = 0.0, 1.0
    # Bisection down to neighbouring numbers.
    while low < (middle := 0.5 * (low + high)) < high:
        if middle < balance * worst_excess(middle):
            low = middle
        else:
            high = middle
    return high


def worst_case_applies(rank: int, d: int) -> bool:
    """Whether `worst_excess` bounds the minima of this rank at span dimension d: d < r(r+3)/2 + r². T2-worst [derived].

    >>> worst_case_applies(1, 2), worst_case_applies(1, 3), worst_case_applies(3, 17)
    (True, False, True)
    """
    return d < planting_threshold(rank) + rank * rank
