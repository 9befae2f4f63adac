"""The convex optimum of full fine-tuning with a certificate: Newton on the factors, a duality gap as the judge.

    min_δ F(δ) = L(δ) + λ‖δ‖_*

`u vᵀ` at a rank above `pataki_rank(KN)` reaches the optimum (T1), and a stationary point that is not global shows a
negative eigenvalue of `S`, along which the next column leaves it (`lifting`). So Newton and lifting alternate until the
gap, which knows nothing of either, is small.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from ntklora.certificates.duality import Gap, Status, duality_gap, status_of
from ntklora.certified.lifting import lift_rank
from ntklora.certified.precision import require_float64
from ntklora.certified.starts import natural_deviation
from ntklora.problem.objective import balanced_factors, lam_max
from ntklora.problem.problem import Problem
from ntklora.problem.reduction import reduce_problem
from ntklora.solvers.newton import minimize
from ntklora.theory.ranks import pataki_rank

Array = Any
Matrices = dict[str, Any]

# Singular values above this share of the largest count as rank.
_RANK_TOLERANCE = 1e-7
# Rounds of Newton and lifting; the hardest instance seen took six.
_MAX_ROUNDS = 40


class Solution(NamedTuple):
    """A minimizer `delta` of `F` and what proves it: `primal ≥ min F ≥ dual`, `gap` relative, `alpha (N, K)` feasible.

    `u`, `v`: balanced factors of `delta` with `rank` columns at most. `rank`: the largest over the weights, `ranks`:
    each. `status` says what the gap allows, `message` why it is not better, `success` is `gap ≤ tolerance`.
    """

    delta: Array | Matrices
    primal: float
    dual: float
    gap: float
    status: Status
    rank: int
    message: str
    num_steps: int
    success: bool
    u: Array | Matrices
    v: Array | Matrices
    alpha: np.ndarray
    ranks: dict[str, int]
    lam: float


def solve(problem: Problem, *, tolerance: float = 1e-8) -> Solution:
    """Minimize `F(δ) = L(δ) + λ‖δ‖_*` until the duality gap is at most `tolerance`.

    Errors: `ValueError` unless JAX's x64 flag is on. A gap that stays above is no error: `status` and `message` say so.
    """
    require_float64("solve")
    host = problem.host()
    if host.lam >= lam_max(host):
        deltas = {name: np.zeros(shape) for name, shape in host.shapes.items()}
        return _solution(host, deltas, duality_gap(host, deltas), tolerance, 0)
    reduction = reduce_problem(host)
    deltas, num_steps = _minimize(reduction.problem, tolerance, _small_start(reduction.problem))
    lifted = host.op.as_dict(reduction.lift(reduction.problem.op.like(deltas)))
    return _solution(host, lifted, duality_gap(host, lifted), tolerance, num_steps)


_newton = jax.jit(minimize)


def _minimize(problem: Problem, tolerance: float, start: tuple[Matrices, Matrices]) -> tuple[Matrices, int]:
    u, v = start
    num_steps, best = 0, np.inf
    deltas: Matrices = {}
    for _ in range(_MAX_ROUNDS):
        end = jax.device_get(_newton(problem, u, v))
        num_steps += int(end.num_steps)
        u, v = end.best_u, end.best_v
        candidate = {name: u[name] @ v[name].T for name in u}
        gap = duality_gap(problem, candidate).gap
        if gap < best:
            best, deltas = gap, candidate
        if gap <= 0.5 * tolerance:
            break
        u, v = lift_rank(problem, u, v)
    return deltas, num_steps


def _small_start(problem: Problem) -> tuple[Matrices, Matrices]:
    """Gaussian factors whose product is a hundredth of the size that the first gradient suggests."""
    padded = -4 * (-(pataki_rank(problem.num_samples * problem.num_outputs) + 1) // 4)
    generator = np.random.default_rng(0)
    u, v = {}, {}
    for name, (m, n) in problem.shapes.items():
        rank = min(padded, m, n)
        deviation = 0.1 * natural_deviation(problem, name, rank)
        u[name] = deviation * generator.normal(size=(m, rank))
        v[name] = deviation * generator.normal(size=(n, rank))
    return u, v


def _solution(problem: Problem, deltas: Matrices, gap: Gap, tolerance: float, num_steps: int) -> Solution:
    values = {name: np.linalg.svd(delta, compute_uv=False) for name, delta in deltas.items()}
    largest = max(value[0] for value in values.values())
    ranks = {name: int((value > _RANK_TOLERANCE * largest).sum()) for name, value in values.items()}
    factors = {name: balanced_factors(delta, ranks[name]) for name, delta in deltas.items()}
    return Solution(
        delta=problem.op.like(deltas),
        primal=gap.primal,
        dual=gap.dual,
        gap=gap.gap,
        status=status_of(gap.gap),
        rank=max(ranks.values()),
        message=_message(gap.gap, tolerance),
        num_steps=num_steps,
        success=gap.gap <= tolerance,
        u=problem.op.like({name: factor[0] for name, factor in factors.items()}),
        v=problem.op.like({name: factor[1] for name, factor in factors.items()}),
        alpha=gap.alpha,
        ranks=ranks,
        lam=float(problem.lam),
    )


def _message(gap: float, tolerance: float) -> str:
    if gap <= tolerance:
        return f"certified: the duality gap is {gap:.1e}"
    return (
        f"the duality gap stayed at {gap:.1e}, above {tolerance:.1e}. Likely causes: features whose Gram matrix has a "
        "condition number beyond 1e10, lam far below 1e-4 lam_max, or a tolerance below what rounding allows"
    )
