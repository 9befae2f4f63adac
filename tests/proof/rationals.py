"""The LoRA objective in Python's exact fractions, written out entry by entry: an oracle that never rounds."""

from fractions import Fraction


def fractions(array):
    """Nested lists of the exact values of float64 numbers."""
    return [fractions(each) for each in array] if hasattr(array, "__len__") else Fraction(float(array))


def ends(ball):
    """The ends of a ball of Arb, without rounding."""
    middle, radius = (Fraction(int(m)) * Fraction(2) ** int(e) for m, e in (ball.mid().man_exp(), ball.rad().man_exp()))
    return middle - radius, middle + radius


def holds(ball, number):
    """Whether the number lies in the ball."""
    lower, upper = ends(ball)
    return lower <= number <= upper


def value(features, targets, lam, u, v):
    """`(1/2N) Σ (<G_i, u vᵀ> − t_i)² + (λ/2)(‖u‖² + ‖v‖²)`, K = 1."""
    residuals = [_inner(g, u, v) - t for g, t in zip(features, targets)]
    length = sum(x * x for side in (u, v) for row in side for x in row)
    return sum(x * x for x in residuals) / (2 * len(features)) + lam * length / 2


def gradient(features, targets, lam, u, v):
    """Derivatives of `value`, rows of `u` then rows of `v`."""
    count, ranks = len(features), range(len(u[0]))
    residuals = [_inner(g, u, v) - t for g, t in zip(features, targets)]
    left = [
        [
            lam * u[a][k]
            + sum(p * g[a][b] * v[b][k] for p, g in zip(residuals, features) for b in range(len(v))) / count
            for k in ranks
        ]
        for a in range(len(u))
    ]
    right = [
        [
            lam * v[b][k]
            + sum(p * g[a][b] * u[a][k] for p, g in zip(residuals, features) for a in range(len(u))) / count
            for k in ranks
        ]
        for b in range(len(v))
    ]
    return left + right


def pivots(matrix):
    """The exact pivots of LDLᵀ without pivoting; stops where one is zero. By Sylvester their signs are the inertia."""
    rows, found = [list(row) for row in matrix], []
    for k in range(len(rows)):
        found.append(rows[k][k])
        if rows[k][k] == 0:
            break
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k])]
    return found


def _inner(g, u, v):
    return sum(g[a][b] * u[a][k] * v[b][k] for a in range(len(u)) for b in range(len(v)) for k in range(len(u[0])))
