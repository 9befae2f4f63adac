"""Beyond linearization (KKR): what restricted convexity α and restricted smoothness β say of second-order points.

With `α‖E‖² ≤ ∇²L(Y)[E, E]` for rank E ≤ r + r*, `∇²L(Y)[E, E] ≤ β‖E‖²` for rank E ≤ 2, on a ball that holds X and X*:

    X a second-order stationary point of rank-r LoRA (r ≥ r*, λ > 0), X* the minimizer, of rank r*; then X = X*, or
    X = U Σ Vᵀ has rank exactly r and, with B = (I − UUᵀ) X* (I − VVᵀ) ≠ 0,

        α (2 σ_{r*}(X) ‖B‖_* + Σ_{i>r*} σ_i(X)²)  ≤  α ‖X − X*‖²  ≤  β σ_r(X) ‖B‖_*

Right: `∇L(X) = −λUVᵀ + S` with `‖S‖_op ≤ λ + βσ_r` (along `(a e_rᵀ, −b e_rᵀ)`, (a, b) the top singular pair of S, the
curvature is at most `2(λ + βσ_r − ‖S‖)`), `−∇L(X*) ∈ λ∂‖X*‖_*`, and monotonicity. Left: a Schur complement on B, then
Mirsky's inequality. What follows are the functions below. [paper for `loud_ratio`; the rest and the proof derived]
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor


def loud_ratio(convexity: float, smoothness: float) -> float:
    """`2α/β`: a second-order point that is not global has `σ_r(X) ≥ (2α/β) σ_{r*}(X)`; above 1 there is none.

    KKR [paper]. Errors: `ValueError` unless 0 ≤ α ≤ β and β > 0.

    >>> loud_ratio(0.25, 1.0)
    0.5
    """
    _require_order(convexity, smoothness)
    return 2.0 * convexity / smoothness


def residual_bound(lam: float, smoothness: float, smallest: float) -> float:
    """`λ + β σ_r(X)`, which bounds `‖S‖_op` in `∇L(X) = −λUVᵀ + S` at a second-order point. KKR-identity [derived]."""
    return lam + smoothness * smallest


def distance_bounds(
    convexity: float, smoothness: float, values: Sequence[float], optimum_rank: int, outside: float
) -> tuple[float, float]:
    """`2σ_{r*}(X)‖B‖_* + Σ_{i>r*} σ_i(X)² ≤ ‖X − X*‖² ≤ (β/α) σ_r(X) ‖B‖_*`, the ends of the module's inequality.

    `values` are the r singular values of X, falling; `outside` is ‖B‖_*. The left end holds for any two matrices of
    these ranks. KKR-distance [derived]. Errors: `ValueError` unless 0 < α ≤ β.

    >>> distance_bounds(0.5, 2.0, [3.0, 1.0], 1, 0.5)
    (4.0, 2.0)
    """
    _require_order(convexity, smoothness)
    if convexity == 0:
        raise ValueError("convexity = 0: without restricted strong convexity nothing bounds the distance")
    near = 2.0 * values[optimum_rank - 1] * outside + sum(value**2 for value in values[optimum_rank:])
    return near, smoothness / convexity * values[-1] * outside


def norm_bound(loss_at_zero: float, lam: float) -> float:
    """`L(0)/λ`, which bounds `‖X‖_*` wherever `F(X) ≤ F(0)`, for a loss that is nowhere negative. KKR-norm [derived].

    Errors: `ValueError` unless λ > 0.
    """
    if lam <= 0:
        raise ValueError(f"lam = {lam} must be positive: without weight decay nothing bounds the norm")
    return loss_at_zero / lam


def benign_rank(convexity: float, smoothness: float, optimum_rank: int) -> int:
    """The smallest r with `r > (β/2α)² r*` and `r ≥ r*`: from there on every second-order point is global.

    In units of σ_r, with `k ≤ r*` singular values b_i of B, the proof's `‖X − X*‖²` is at least `Σ φ(b_i) + r − r*`,
    φ(b) = 2b up to 1 and 1 + b² beyond: convex, so above its tangent at `t = √(r/r*)`, which gives `2t Σ b_i`.
    KKR-rank [derived]; at `r = r*` it is KKR's `2α > β`. Spurious minima exist as soon as `β/α > 1 + 2√(r/r*)` (the
    claim plants them for `r* = 1`), up to the rank `((β/α − 1)/2)² r*`: the bound is not far from that.
    Errors: `ValueError` unless 0 < α ≤ β.

    >>> benign_rank(1.0, 1.9, 2), benign_rank(1.0, 2.0, 2), benign_rank(1.0, 4.0, 1)
    (2, 3, 5)
    """
    _require_order(convexity, smoothness)
    if convexity == 0:
        raise ValueError("convexity = 0: without restricted strong convexity no rank is benign by this bound")
    return max(optimum_rank, floor((smoothness / (2.0 * convexity)) ** 2 * optimum_rank) + 1)


def _require_order(convexity: float, smoothness: float) -> None:
    if not 0 <= convexity <= smoothness or smoothness == 0:
        raise ValueError(f"expected 0 <= convexity <= smoothness, smoothness > 0; got {convexity} and {smoothness}")
