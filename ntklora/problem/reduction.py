"""The problem in the span that the data excites: the same optimum and landscape, at a cost that ignores width.

[derived, theory §1.1] For `λ > 0` and `P = 0` stationary points, second-order points and the optimum of the reduced
problem are those of the full one; the Hessian only gains the eigenvalue `λ` with multiplicity `(m−m'+n−n') r`.
A perturbation must be drawn on the reduced coordinates, because it has to be block-diagonal in the split.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ntklora.problem.problem import Problem
from ntklora.tangent.reduction import Bases, reduce_operator

Array = Any
Matrices = dict[str, Any]


class Reduction(NamedTuple):
    """A reduced `problem` (NumPy float64) and the `bases` that carry its points back to the full one."""

    problem: Problem
    bases: dict[str, Bases]

    def lift(self, delta: Array | Matrices) -> Array | Matrices:
        """`δ = Q_b δ' Q_aᵀ`."""
        op = self.problem.op
        return op.like({k: self.bases[k].left @ d @ self.bases[k].right.T for k, d in op.as_dict(delta).items()})

    def lift_factors(self, u: Array | Matrices, v: Array | Matrices) -> tuple[Array | Matrices, Array | Matrices]:
        """`(u, v) = (Q_b u', Q_a v')`."""
        op = self.problem.op
        return (
            op.like({k: self.bases[k].left @ factor for k, factor in op.as_dict(u).items()}),
            op.like({k: self.bases[k].right @ factor for k, factor in op.as_dict(v).items()}),
        )

    def restrict_factors(self, u: Array | Matrices, v: Array | Matrices) -> tuple[Array | Matrices, Array | Matrices]:
        """`(u', v') = (Q_bᵀ u, Q_aᵀ v)`: the part of the factors that the data sees."""
        op = self.problem.op
        return (
            op.like({k: self.bases[k].left.T @ factor for k, factor in op.as_dict(u).items()}),
            op.like({k: self.bases[k].right.T @ factor for k, factor in op.as_dict(v).items()}),
        )


def reduce_problem(problem: Problem, *, padded: bool = False) -> Reduction:
    """The exactly reduced problem.

    `padded`: of a size that does not depend on the data, with coordinates that no feature sees in the place of those
    that are missing, so that many instances share one compilation. What starts at zero there stays at zero.
    Errors: `ValueError` for a perturbed problem, since `P` need not respect the split: perturb the reduced one instead.
    """
    if problem.perturbation is not None:
        raise ValueError("reduce the unperturbed problem, then draw the perturbation on the reduced coordinates")
    op, bases = reduce_operator(problem.op, padded=padded)
    host = problem.host()
    return Reduction(Problem(op, host.f0, host.y, problem.loss, problem.lam), bases)
