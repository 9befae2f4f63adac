"""The sign of a symmetric matrix known up to a box, by an LDLᵀ factorization in interval arithmetic.

Elimination without pivoting, done on balls, contains the elimination of every symmetric matrix in the box. So if every
pivot is a positive ball, every symmetric matrix in the box has positive pivots and is positive definite. The converse
fails only where the box, or the rounding, is too wide. (G. Alefeld and G. Mayer, "The Cholesky method for interval
data", Linear Algebra Appl. 194 (1993) 161–182. S. M. Rump, "Verification of positive definiteness", BIT 46 (2006)
433–452, has the floating-point alternative with a bound on the residual: faster, and blind below 1e-16 of the norm.)
"""

from __future__ import annotations

import numpy as np
from flint import arb_mat

from ntklora.proof.intervals import Ball, BallMatrix, ball, midpoints

_HALVINGS = 64
_SHARE = 0.999  # of the approximate smallest eigenvalue that is tried first as a bound (of the largest: its inverse)


def positive_pivots(matrix: BallMatrix) -> list[Ball]:
    """The pivots of LDLᵀ, up to the first that is not certainly positive (and without it).

    Only the lower triangle is read. As many pivots as rows: every symmetric matrix in the box is positive definite.
    """
    rows = [entries[: place + 1] for place, entries in enumerate(matrix.tolist())]
    pivots: list[Ball] = []
    for k, row in enumerate(rows):
        pivot = row[k]
        if not pivot > 0:
            break
        pivots.append(pivot)
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / pivot
            for j in range(k + 1, i + 1):
                rows[i][j] -= factor * rows[j][k]
    return pivots


def smallest_eigenvalue_bound(matrix: BallMatrix) -> float | None:
    """A positive float64 number below every eigenvalue of every symmetric matrix in the box; None if there is none.

    It is the shift `μ` for which `M − μI` is still positive definite: the first to hold of a float64 approximation of
    the smallest eigenvalue, scaled by 0.999, and its halves. The approximation only says where to look.
    """
    size = matrix.nrows()
    if len(positive_pivots(matrix)) < size:
        return None
    values = np.linalg.eigvalsh(midpoints(matrix))
    shift = _SHARE * max(float(values[0]), float(np.finfo(np.float64).eps * values[-1]))
    for _ in range(_HALVINGS):
        if len(positive_pivots(_shifted(matrix, ball(shift)))) == size:
            return shift
        shift /= 2
    return None


def largest_eigenvalue_bound(matrix: BallMatrix) -> float:
    """A float64 number above every eigenvalue of every positive semidefinite matrix in the box.

    It is the first shift `ν` for which `νI − M` is positive definite, of a float64 approximation over 0.999, and its
    doubles. Errors: `ValueError` where none is, which takes a box that is no number.
    """
    size = matrix.nrows()
    shift = max(float(np.linalg.eigvalsh(midpoints(matrix))[-1]) / _SHARE, float(np.finfo(np.float64).tiny))
    for _ in range(_HALVINGS):
        if len(positive_pivots(_shifted(-matrix, -ball(shift)))) == size:
            return shift
        shift *= 2
    raise ValueError("the matrix has no upper bound within a factor 2^64 of its approximate norm")


def _shifted(matrix: BallMatrix, shift: Ball) -> BallMatrix:
    moved = arb_mat(matrix)
    for row in range(matrix.nrows()):
        moved[row, row] -= shift
    return moved
