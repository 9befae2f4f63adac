"""A spurious minimum, proved: existence, stationarity, curvature modulo gauge, and a lower value at the same rank.

The gauge O(r) makes stationary points orbits, so it is fixed first. Let `T̃` be float64 numbers close to the tangents of
the orbit at the point given, `Q̃`, as columns, and

    g(Q) = ∇F(Q) + T̃ T̃ᵀ (Q − Q̃),      M(Q) = g'(Q) = F''(Q) + T̃ T̃ᵀ.

F is constant along orbits, so `T(Q)ᵀ ∇F(Q) = 0` for the tangents `T(Q)` of the orbit at any `Q`.

1. *A zero Q* of g is a stationary point of F, in the slice T̃ᵀ(Q − Q̃) = 0*, if `T(Q*)ᵀ T̃` is nonsingular: multiply
   `g(Q*) = 0` by `T(Q*)ᵀ`. Krawczyk gives the box with exactly one zero; nonsingularity is checked over the box.
2. *Curvature.* At a stationary point `F'' T = 0`. Let `D ⟂ T(Q*)`, and choose `ω` so that `D' = D + T(Q*) ω` is in
   the slice: `DᵀF''D = D'ᵀF''D' = D'ᵀMD' ≥ μ ‖D'‖² ≥ μ ‖D‖²` for any lower bound `μ` of the eigenvalues of `M`. So
   `μ > 0` bounds the curvature modulo gauge, and every point near the orbit of `Q*` and not on it has a larger
   objective: it is equivalent to a point of the slice, where F is strictly convex near `Q*`.
3. *Not global at this rank.* F over the box exceeds F at an exhibited point of rank at most r, as intervals.
4. *How deep.* For `D ⟂ T(Q*)` of norm ρ, with `a = JD` and `c_ij = <G_ij, D_u D_vᵀ>`, `‖c‖ ≤ ‖A‖ρ²/2`,

       F(Q* + D) − F(Q*) = ½ F''[D, D] + (1/N) <a, c> + (1/2N) ‖c‖² ≥ ½ μρ² − κρ³,     κ = ‖J‖‖A‖/(2N),

   positive for `0 < ρ < μ/(2κ)`, at `ρ = μ/(3κ)` equal to `μ³/(54κ²)`. The rotated copy of a point that is nearest to
   `Q*` differs from it by such a `D`. So a point with a lower objective is no closer to the orbit than the `basin`
   `μ/(2κ)`, and every path of factors from the minimum to one rises by the `barrier` `μ³/(54κ²)` at least.

All of it is about the problem whose data are the float64 numbers given, as exact rationals. Source: theory §2.2,
"Proof grade" [derived].
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import jax
import numpy as np
from flint import arb_mat

from ntklora.arrays import outline
from ntklora.certificates.factors import host_factors
from ntklora.certificates.rank_reduction import reduce_rank
from ntklora.certificates.stationary import REACH
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import solve
from ntklora.problem.objective import stack
from ntklora.problem.problem import Problem
from ntklora.proof.factorization import largest_eigenvalue_bound, smallest_eigenvalue_bound
from ntklora.proof.intervals import (
    Ball,
    BallMatrix,
    Interval,
    ball,
    exact,
    magnitude,
    midpoints,
    outward,
    radius,
    working_precision,
)
from ntklora.proof.krawczyk import enclose_zero
from ntklora.proof.objective import (
    ExactProblem,
    exact_problem,
    gauge_tangents,
    gradient,
    hessian,
    output_slopes,
    value,
)

Array = Any

# At r = 3 and 53 bits the factorization is too wide to tell the sign, at r = 5 even 64 are too few; 256 leave a margin
# of 190 and cost half a second there, 0.2 s more than 128.
_BITS = 256


class Verdict(StrEnum):
    """What was proved, or the first step that failed. Only `proved` says anything about the landscape."""

    proved = "proved"
    not_enclosed = "not_enclosed"
    gauge_not_fixed = "gauge_not_fixed"
    not_positive = "not_positive"
    not_lower = "not_lower"


_MESSAGES = {
    Verdict.proved: "a strict local minimum modulo gauge, and a point of rank at most r below it",
    Verdict.not_enclosed: "no box around the point contracts: no stationary point is near, or it is degenerate",
    Verdict.gauge_not_fixed: "the slice is not certainly transverse to the orbits: the factors may lack full rank",
    Verdict.not_positive: "the Hessian modulo gauge is not certainly positive: a saddle, or a minimum too weak to tell",
    Verdict.not_lower: "a strict local minimum modulo gauge, but no point of rank at most r is certainly below it",
}


class Proof(NamedTuple):
    """What interval arithmetic says about the stationary point next to a point; numbers not reached are None.

    `radius` is that of the box around the stationary point and `moved` how far it lies from the point given, at most,
    each in the largest entry. `curvature` is a lower bound of the smallest curvature modulo gauge, `basin` of the
    distance to every lower point, `barrier` of the rise on every path to one (step 4 of the module). `objective`
    encloses F at the stationary point, `better` F at the exhibited point of rank at most r, `excess` their difference,
    `relative_excess` that over F at the stationary point. `u`, `v` are the stationary point rounded to float64.
    """

    verdict: Verdict
    message: str
    radius: float | None
    moved: float | None
    curvature: float | None
    basin: float | None
    barrier: float | None
    objective: Interval | None
    better: Interval | None
    excess: Interval | None
    relative_excess: Interval | None
    u: np.ndarray
    v: np.ndarray

    def __repr__(self) -> str:
        return outline(self)


def prove_spurious_minimum(
    problem: Problem, u: Array, v: Array, *, better: tuple[Array, Array] | None = None, bits: int = _BITS
) -> Proof:
    """Prove that the stationary point next to `(u, v)` is a strict spurious minimum of LoRA, or say what failed.

    The problem has the squared loss, dense features of one weight, `λ > 0` and no perturbation. `better = (u, v)` is a
    point of rank at most `r` believed to be lower; searched for when not given, which needs float64. A stationary point
    farther away than 1% of the largest entry of the factors counts as none. `bits` is the precision of the balls'
    midpoints. Nothing given or found in floating point is trusted.

    Errors: `ValueError` for another kind of problem, factors that do not fit, a better point with more columns, or
    fewer than 53 bits. Source: theory §2.2, "Proof grade" [derived]; see the module.

    >>> import ntklora as nl
    >>> planted = nl.plant_worst_minimum(1, curvature=0.5, seed=0)
    >>> better = planted.better_u, planted.better_v
    >>> proof = prove_spurious_minimum(planted.problem, planted.u, planted.v, better=better)
    >>> str(proof.verdict), proof.excess.lower > 0
    ('proved', True)
    """
    if bits < 53:
        raise ValueError(f"bits is {bits}: float64 numbers are exact from 53 on")
    us, vs = host_factors(problem, u, v)
    with working_precision(bits):
        rationals = exact_problem(problem)
        q = _stacked(us, vs)
        rank = q.shape[1]
        found = _prove_minimum(rationals, q, bits)
        if found.proof.verdict is not Verdict.not_lower:
            return found.proof
        rival = _stacked(*host_factors(problem, *(better_point(problem, rank) if better is None else better)))
        if rival.shape[1] > rank:
            raise ValueError(f"better has {rival.shape[1]} columns: a point of rank at most {rank} is needed")
        rival = np.pad(rival, ((0, 0), (0, rank - rival.shape[1])))  # the point 0 has no column at all
        return _compare(found, value(rationals, exact(rival)))


def better_point(problem: Problem, rank: int, *, starts: int = 64) -> tuple[Array, Array]:
    """The lowest point of rank at most `rank` that is found: the reduced convex optimum, else an end of LoRA.

    Errors: `ValueError` unless JAX's x64 flag is on.
    """
    us, vs = host_factors(problem, *reduce_rank(problem, solve(problem).delta))
    if all(x.shape[1] <= rank for x in us.values()):
        return us, vs
    ends = find_endpoints(problem, rank, jax.random.key(0), starts=starts)
    lowest = int(np.argmin(ends.objective))
    left, right = (problem.op.as_dict(x) for x in (ends.u, ends.v))
    return {k: x[lowest] for k, x in left.items()}, {k: x[lowest] for k, x in right.items()}


class _Minimum(NamedTuple):
    """What is known before the comparison: the report so far, and F at the stationary point as a ball."""

    proof: Proof
    objective: Ball | None


def _prove_minimum(problem: ExactProblem, q: np.ndarray, bits: int) -> _Minimum:
    """Steps 1 and 2; `not_lower` where both hold."""
    m, shape = problem.features[0].nrows(), q.shape
    start = exact(q.reshape(-1, 1))
    slice_tangents = _slice(problem, q)
    penalty = slice_tangents * slice_tangents.transpose()

    def system(x: BallMatrix) -> BallMatrix:
        return _flat(gradient(problem, _matrix(x, shape))) + penalty * (x - start)

    def derivative(x: BallMatrix) -> BallMatrix:
        return hessian(problem, _matrix(x, shape)) + penalty

    nothing = Proof(Verdict.not_enclosed, "", *(None,) * 9, q[:m], q[m:])
    box = enclose_zero(system, derivative, start, bits=bits)
    if box is None or not magnitude(box - start) <= REACH * magnitude(start):
        return _Minimum(_ended(nothing, Verdict.not_enclosed), None)
    point = _matrix(box, shape)
    at, middle = value(problem, point), midpoints(point)
    proof = nothing._replace(
        radius=outward(radius(box)).upper,
        moved=outward(magnitude(box - start)).upper,
        objective=outward(at),
        u=middle[:m],
        v=middle[m:],
    )
    if not _is_nonsingular(gauge_tangents(point).transpose() * slice_tangents):
        return _Minimum(_ended(proof, Verdict.gauge_not_fixed), at)
    curvature = smallest_eigenvalue_bound(derivative(box))
    if curvature is None:
        return _Minimum(_ended(proof, Verdict.not_positive), at)
    basin, barrier = _depth(problem, point, ball(curvature))
    proof = proof._replace(curvature=curvature, basin=outward(basin).lower, barrier=outward(barrier).lower)
    return _Minimum(_ended(proof, Verdict.not_lower), at)


def _depth(problem: ExactProblem, point: BallMatrix, curvature: Ball) -> tuple[Ball, Ball]:
    """`μ/(2κ)` and `μ³/(54κ²)`, step 4; the norms of `J` and `A` by the largest eigenvalues of their Gram matrices."""
    slopes = output_slopes(problem, point)
    features = arb_mat([g.entries() for g in problem.features])
    squares = [ball(largest_eigenvalue_bound(x * x.transpose())) for x in (slopes, features)]
    bend = squares[0].sqrt() * squares[1].sqrt() / (2 * problem.num_samples)
    return curvature / (2 * bend), curvature * curvature * curvature / (54 * bend * bend)


def _compare(found: _Minimum, better: Ball) -> Proof:
    """Step 3."""
    excess = found.objective - better
    proof = found.proof._replace(better=outward(better), excess=outward(excess))
    proof = proof._replace(relative_excess=outward(excess / found.objective))
    return _ended(proof, Verdict.proved if excess > 0 else Verdict.not_lower)


def _slice(problem: ExactProblem, q: np.ndarray) -> BallMatrix:
    """`T̃`: orthonormal tangents of the orbit at `Q̃`, to rounding, scaled so that `T̃T̃ᵀ` is as large as the Hessian."""
    tangents = gauge_tangents(exact(q))
    if tangents.ncols() == 0:
        return tangents
    size = np.linalg.norm(midpoints(hessian(problem, exact(q))), 2)
    return exact(np.sqrt(size) * np.linalg.qr(midpoints(tangents))[0])


def _is_nonsingular(matrix: BallMatrix) -> bool:
    return matrix.nrows() == 0 or bool(matrix.det() != 0)


def _ended(proof: Proof, verdict: Verdict) -> Proof:
    return proof._replace(verdict=verdict, message=_MESSAGES[verdict])


def _stacked(us: dict[str, np.ndarray], vs: dict[str, np.ndarray]) -> np.ndarray:
    ((left,), (right,)) = us.values(), vs.values()
    return np.asarray(stack(left, right), np.float64)


def _flat(matrix: BallMatrix) -> BallMatrix:
    return arb_mat(matrix.nrows() * matrix.ncols(), 1, matrix.entries())


def _matrix(flat: BallMatrix, shape: tuple[int, ...]) -> BallMatrix:
    rows, columns = shape
    return arb_mat(rows, columns, flat.entries())
