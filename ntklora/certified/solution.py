"""What `solve` returns: a point, its certificate, and what the certificate allows to say."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ntklora.arrays import outline
from ntklora.certificates.duality import Gap, Status, duality_gap, status_of
from ntklora.certificates.perturbed import perturbed_gap
from ntklora.certified.lifting import principal_axes
from ntklora.problem.objective import balanced_factors, balanced_product, stack
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]

# Singular values above this share of the largest count as rank.
_RANK_TOLERANCE = 1e-7


class Solution(NamedTuple):
    """A minimizer `delta` and what proves it: `primal ≥ minimum ≥ dual`, `gap` relative, `alpha (N, K)` dual feasible.

    The objective is `F`, or for a perturbed problem `F_P` as a convex function of `Q Qᵀ`. `u`, `v`: factors of `delta`
    with `rank` columns, balanced when there is no perturbation. `rank` is the largest over the weights, `ranks` has
    each. `status` says what the gap allows, `message` why it is not better, `success` is `gap ≤ tolerance`. `precision`
    is that of the data as given: the problem certified is the one with these values upcast to float64.
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
    precision: str

    def __repr__(self) -> str:
        return outline(self)


def solution_of(
    problem: Problem, deltas: Matrices, factors: tuple[Matrices, Matrices] | None, tolerance: float, num_steps: int
) -> Solution:
    """The `Solution` at `deltas`; its certificate is computed here, from the problem and the point.

    `factors = (u, v)` of `deltas` spare the decomposition of matrices of the weights' own size; they are needed for a
    perturbed problem, whose objective they determine.
    """
    gap: Gap
    if factors is None:
        pairs = {name: balanced_factors(delta) for name, delta in deltas.items()}
        gap = duality_gap(problem, deltas)
    elif problem.perturbation is None:
        pairs = {name: balanced_product(u, factors[1][name]) for name, u in factors[0].items()}
        gap = perturbed_gap(problem, *_sides(pairs))
    else:
        turned = principal_axes(*factors)
        pairs = {name: (turned[0][name], turned[1][name]) for name in deltas}
        gap = perturbed_gap(problem, *factors)
    u, v = _sides(pairs)
    lengths = {name: (stack(u[name], v[name]) ** 2).sum(0) for name in u}
    largest = max(length.max(initial=0.0) for length in lengths.values())
    ranks = {name: int((length > _RANK_TOLERANCE * largest).sum()) for name, length in lengths.items()}
    rank = max(ranks.values())
    like = problem.op.like
    return Solution(
        delta=like(deltas),
        primal=gap.primal,
        dual=gap.dual,
        gap=gap.gap,
        status=status_of(gap.gap),
        rank=rank,
        message=_message(gap.gap, tolerance),
        num_steps=num_steps,
        success=gap.gap <= tolerance,
        u=like({name: factor[:, : ranks[name]] for name, factor in u.items()}),
        v=like({name: factor[:, : ranks[name]] for name, factor in v.items()}),
        alpha=gap.alpha,
        ranks=ranks,
        lam=float(problem.lam),
        precision=problem.precision,
    )


def _sides(pairs: dict[str, tuple[Any, Any]]) -> tuple[Matrices, Matrices]:
    u, v = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
    return u, v


def numerical_rank(problem: Problem, delta: Array | Matrices) -> int:
    """Singular values above 1e-7 of the largest of all weights, in the weight that has most of them; 0 for δ = 0.

    `Solution.rank` counts the same.

    >>> import ntklora as nl
    >>> numerical_rank(nl.matrix_factorization(np.eye(2)), np.diag([1.0, 1e-9]))
    1
    """
    values = [np.linalg.svd(each, compute_uv=False) for each in problem.op.as_dict(delta).values()]
    largest = max(each.max(initial=0.0) for each in values)
    return max(int((each > _RANK_TOLERANCE * largest).sum()) for each in values)


def without_minimizer(problem: Problem) -> Solution:
    """The answer for separable data at `λ = 0`: `delta = 0`, no claim of optimality, and the reason."""
    zeros = {name: np.zeros(shape) for name, shape in problem.shapes.items()}
    return solution_of(problem, zeros, None, 0.0, 0)._replace(
        status=Status.no_minimizer,
        success=False,
        message="the features separate the data, so at lam = 0 the loss falls for ever and has no minimizer: "
        "take lam > 0 (the theorems do not apply here)",
    )


def _message(gap: float, tolerance: float) -> str:
    if gap <= tolerance:
        return f"the relative duality gap is {gap:.1e}, within the tolerance {tolerance:.1e}"
    return (
        f"the relative duality gap stayed at {gap:.1e}, above the tolerance {tolerance:.1e}; likely causes: features "
        "whose Gram matrix has a condition number beyond 1e12, lam below 1e-5 lam_max, or a tolerance below rounding"
    )
