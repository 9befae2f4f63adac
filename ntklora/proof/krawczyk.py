"""Interval Newton in Krawczyk's form: a box that contains exactly one zero of a smooth system.

    K(X) = x − Y g(x) + (I − Y g'(X)) (X − x),   x the midpoint of the box X, Y an approximate inverse of g'(x)

If K(X) lies in the interior of X, then X contains exactly one zero of g, and it lies in K(X). The matrices of the box
g'(X) are all nonsingular. Nothing is assumed of `x` or of `Y`; a bad choice only keeps K(X) from contracting.

R. Krawczyk, "Newton-Algorithmen zur Bestimmung von Nullstellen mit Fehlerschranken", Computing 4 (1969) 187–201;
A. Neumaier, "Interval Methods for Systems of Equations" (1990), chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable

from flint import arb, arb_mat

from ntklora.proof.intervals import BallMatrix, magnitude

System = Callable[[BallMatrix], BallMatrix]

_NEWTON_STEPS = 40
_INFLATIONS = 6  # tries with a box 16 times wider than the one before
_WIDER = 16


def enclose_zero(system: System, derivative: System, start: BallMatrix, *, bits: int) -> BallMatrix | None:
    """A box around the zero of `system` next to `start`, `(D, 1)`, with one zero in it; None where none was found.

    First `start` is refined by Newton's method on midpoints, at the working precision of `bits`. Then boxes around it
    are tried, the narrowest first: twice as wide as the last Newton step, and at least 2^(−bits/2) of the size of `x`,
    so that rounding at the working precision is nothing beside them.
    """
    try:
        x = _refined(system, derivative, start)
        inverse = derivative(x).mid().inv().mid()
    except ZeroDivisionError:  # Arb's word for a matrix that it cannot tell from a singular one
        return None
    step = inverse * system(x)
    width = 2 * magnitude(step) + magnitude(x) * arb(2) ** (-bits // 2)
    for _ in range(_INFLATIONS):
        deviation = arb_mat(x.nrows(), 1, [arb(0, width)] * x.nrows())
        box = x + deviation
        image = x - step + (_identity(x.nrows()) - inverse * derivative(box)) * deviation
        if all(box[k, 0].contains_interior(image[k, 0]) for k in range(x.nrows())):
            return image
        width *= _WIDER
    return None


def _refined(system: System, derivative: System, start: BallMatrix) -> BallMatrix:
    """Newton's method on midpoints, until its steps no longer halve. Whether it found anything, the box will tell."""
    x, last = start, None
    for _ in range(_NEWTON_STEPS):
        step = derivative(x).mid().solve(system(x).mid()).mid()
        length = magnitude(step)
        if last is not None and not 2 * length < last:
            break
        x, last = (x - step).mid(), length
    return x


def _identity(size: int) -> BallMatrix:
    return arb_mat(size, size, [int(row == column) for row in range(size) for column in range(size)])
