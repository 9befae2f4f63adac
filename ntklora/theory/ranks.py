"""The ranks of the theorems, in exact integer arithmetic.

With d = dim span{G_ij} <= KN and r the LoRA rank, three inequalities decide everything:

    r(r+1)/2 <= d    a minimizer of this rank exists                       (T1; d in place of KN: T1-span)
    r(r+1)/2 >  d    second-order stationary points of F_P are global      (T2)
    r(r+3)/2 >  d    the same, sharp: below it strict spurious minima can be planted  (T2-prime, T2-strict)

A square root in floating point is off by one for large d; `math.isqrt` never is.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from math import isqrt


def pataki_rank(kn: int) -> int:
    """Largest rank a minimizer needs: max {r : r(r+1)/2 <= kn} = floor((sqrt(8 kn + 1) - 1)/2).

    T1 [paper] with kn = KN; T1-span [derived] with kn = dim span{G_ij}.

    Errors: `ValueError` when `kn` is negative, `TypeError` when it is no integer.

    >>> [pataki_rank(kn) for kn in (1, 2, 3, 6, 10, 32, 64, 128, 256, 1000)]
    [1, 1, 2, 3, 4, 7, 10, 15, 22, 44]
    """
    return (isqrt(8 * _count(kn, "kn") + 1) - 1) // 2


def landscape_rank(kn: int) -> int:
    """Smallest rank with the guarantee of T2: min {r : r(r+1)/2 > kn}.

    T2 [paper] with kn = KN: for almost every P, a second-order stationary point of F_P at this rank is global.

    >>> landscape_rank(64), landscape_rank(66)
    (11, 12)
    """
    return pataki_rank(kn) + 1


def sharp_landscape_rank(d: int) -> int:
    """Smallest rank with the guarantees of T2-prime and T2-strict: min {r : r(r+3)/2 > d}.

    [derived] With d = dim span{G_ij}. At P = 0 it excludes strict (modulo gauge) spurious minima for any data; for
    almost every P it gives what T2 gives. `planting_threshold` says that the boundary is exact.

    >>> sharp_landscape_rank(64), sharp_landscape_rank(65)
    (10, 11)
    """
    return (isqrt(8 * _count(d, "d") + 9) - 3) // 2 + 1


def planting_threshold(rank: int) -> int:
    """Smallest d at which a strict spurious minimum of rank r exists: r(r+3)/2 = r(r+1)/2 + r.

    [derived] The counter-examples of theory 2.1, for K = 1 and m, n > r.

    >>> [planting_threshold(r) for r in (1, 2, 3, 4)]
    [2, 5, 9, 14]
    """
    r = _count(rank, "rank")
    return r * (r + 3) // 2


def undecayed_landscape_rank(d: int, fan_out: int, fan_in: int) -> int:
    """Smallest rank with the guarantee of T2-zero: min {r : r max(m, n) >= d}, at most min(m, n).

    T2-zero [derived]: at λ = 0, P = 0, for one m×n weight, r·max(m, n) ≥ d = dim span{G_ij} excludes spurious minima
    whose Hessian is positive modulo the gauge GL(r), for any data; from d = r·max(m, n) + 1 on they exist for
    r < min(m, n) (`plant_undecayed_minimum`). Where it is only semidefinite, terms of higher order decide. Sketch, at a
    second-order point that is not global, Γ = W1 Σ W2ᵀ ≠ 0 of rank ρ:
     1. Γv = 0, uᵀΓ = 0. If vz = 0, z ≠ 0, then du = t x zᵀ, dv = y zᵀ/t has curvature 2 xᵀΓy |z|² + O(1/t²) < 0 for
        −x, y the top pair of Γ; u likewise. So u, v have rank r, and ρ ≤ min(m, n) − r.
     2. On E = {W1ᵀdu = −W2ᵀdv} the form 2<Γ, du dvᵀ> is ≤ 0. Modulo the gauge, which E contains, dim E is
        r(m+n) − r² − ρr ≥ r·max(m, n).
     3. <∇ℓ, J D> = N <Γ, du vᵀ + u dvᵀ> = 0 although ∇ℓ is not orthogonal to range A: rank J ≤ d − 1. With
        r·max(m, n) ≥ d, J D = 0 for some D in E that is no gauge direction: the minimum is not strict.

    >>> undecayed_landscape_rank(64, 64, 64), undecayed_landscape_rank(65, 64, 64), undecayed_landscape_rank(99, 4, 5)
    (1, 2, 4)
    """
    long, short = max(fan_out, fan_in), min(_count(fan_out, "fan_out"), _count(fan_in, "fan_in"))
    return min(max(-(-_count(d, "d") // long), 1), short)


def parameter_count(rank: int, fan_out: int, fan_in: int) -> int:
    """Dimension of the manifold of m×n matrices of rank r: r(m+n) − r², LoRA's parameters without the gauge GL(r).

    Park (arXiv 2605.03724, known by its abstract) compares it with KN, see `counting_rank`.
    Errors: `ValueError` for a rank above min(m, n).

    >>> parameter_count(3, 8, 8), parameter_count(8, 8, 8)
    (39, 64)
    """
    r, m, n = _count(rank, "rank"), _count(fan_out, "fan_out"), _count(fan_in, "fan_in")
    if r > min(m, n):
        raise ValueError(f"rank must be at most min(m, n) = {min(m, n)}, got {r}")
    return r * (m + n - r)


def counting_rank(kn: int, fan_out: int, fan_in: int, constant: float) -> int | None:
    """Smallest rank with r(m+n) − r² > C·KN; None where no rank has so many parameters.

    An empirical law for typical (Gaussian) features, no theorem: Park (arXiv 2605.03724, known by its abstract) puts C
    near 1.35.

    >>> counting_rank(24, 8, 8, 1.35), counting_rank(60, 8, 8, 1.35)
    (3, None)
    """
    _count(kn, "kn")
    ranks = range(1, min(fan_out, fan_in) + 1)
    return next((r for r in ranks if parameter_count(r, fan_out, fan_in) > constant * kn), None)


def gauge_count(ranks: int | Iterable[int]) -> int:
    """Block count Sum_l r_l (r_l + 1)/2, to be compared with d: at most d at a reduced minimizer.

    T1 [paper] for one matrix, T1-blocks [derived] for several layers.

    >>> gauge_count(10), gauge_count([3, 4])
    (55, 16)
    """
    several = ranks if isinstance(ranks, Iterable) else (ranks,)
    return sum(r * (r + 1) // 2 for r in (_count(rank, "rank") for rank in several))


def span_bound(num_samples: int, num_outputs: int, *, shift_invariant: bool) -> int:
    """Upper bound of d = dim span{G_ij} that needs no data: KN, or (K-1)N for a shift-invariant loss.

    [derived] Softmax cross-entropy does not see a shift common to all logits, so the span that counts there is the one
    of G_ij - G_iK.

    >>> span_bound(32, 2, shift_invariant=False), span_bound(32, 2, shift_invariant=True)
    (64, 32)
    """
    outputs = _count(num_outputs, "num_outputs") - int(shift_invariant)
    return _count(num_samples, "num_samples") * outputs


def _count(value: int, name: str) -> int:
    count = operator.index(value)
    if count < 0:
        raise ValueError(f"{name} must be a count >= 0, got {count}")
    return count
