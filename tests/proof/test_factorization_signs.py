"""Property: a matrix called positive definite is so by exact arithmetic, and a curvature bound is valid and close."""

from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest

from ntklora.proof.factorization import largest_eigenvalue_bound, positive_pivots, smallest_eigenvalue_bound
from ntklora.proof.intervals import exact, working_precision
from tests.proof import rationals


def symmetric(values, seed):
    """A symmetric float64 matrix with eigenvalues near these."""
    size = len(values)
    frame = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]
    matrix = frame * np.array(values) @ frame.T
    return (matrix + matrix.T) / 2


@pytest.mark.parametrize("bits", [64, 256])
@pytest.mark.parametrize("smallest", [1.0, 1e-6, 1e-12, -1e-12, -1e-6, -1.0])
def test_the_sign_agrees_with_exact_elimination(smallest, bits):
    matrix = symmetric([smallest, 1.0, 2.0, 3.0, 5.0], seed=0)
    with working_precision(bits):
        pivots = positive_pivots(exact(matrix))
    signs = [pivot > 0 for pivot in rationals.pivots(rationals.fractions(matrix))]
    assert (len(pivots) == 5) == all(signs) == (smallest > 0)
    for pivot, exactly in zip(pivots, rationals.pivots(rationals.fractions(matrix))):
        assert rationals.holds(pivot, exactly)


@pytest.mark.parametrize("smallest", [1.0, 1e-6, 1e-12, 1e-18])
def test_the_bound_is_below_the_smallest_eigenvalue_and_near_it(smallest):
    matrix = symmetric([1.0, 1.0, 2.0, 3.0], seed=1)
    with mpmath.workprec(300):
        # The smallest eigenvalue is set to far below float64's rounding, exactly: M − (λ_min(M) − smallest) I.
        lowest = min(mpmath.eigsy(mpmath.matrix(matrix.tolist()), eigvals_only=True))
        text = mpmath.nstr(lowest - smallest, 80)
    with working_precision(300):
        shift = flint.arb(text).mid()
        moved = exact(matrix)
        for k in range(4):
            moved[k, k] -= shift
        bound = smallest_eigenvalue_bound(moved)
    assert bound is not None
    assert 0.4 * smallest <= bound <= smallest * (1 + 1e-9)


@pytest.mark.parametrize("values", [(0.0, 0.0, 3.0), (1e-12, 2.0, 5.0), (0.0, 0.0, 0.0)])
def test_the_largest_eigenvalue_has_a_bound_above_it_and_near(values):
    factor = symmetric(np.sqrt(values), seed=4)
    with working_precision(128):
        bound = largest_eigenvalue_bound(exact(factor) * exact(factor).transpose())
    shifted = [[-x for x in row] for row in rationals.fractions(factor)]
    gram = [[sum(x * y for x, y in zip(one, other)) for other in shifted] for one in shifted]
    below = [[Fraction(bound) * (i == j) - x for j, x in enumerate(row)] for i, row in enumerate(gram)]
    assert all(pivot > 0 for pivot in rationals.pivots(below))
    assert bound <= 1.01 * max(values) + 1e-300


def test_a_box_that_holds_a_singular_matrix_has_no_bound():
    rng = np.random.default_rng(2)
    for size in (2, 5):
        matrix = symmetric([0.1, *range(1, size)], seed=3)
        for width, known in ((1e-9, True), (0.2, False)):
            deviation = flint.arb_mat(size, size, [flint.arb(0, width)] * size**2)
            bound = smallest_eigenvalue_bound(exact(matrix) + deviation)
            assert (bound is not None) == known
            if bound is not None:
                shifted = rationals.fractions(matrix + _symmetric_noise(rng, size, width))
                for k in range(size):
                    shifted[k][k] -= Fraction(bound)
                assert all(pivot > 0 for pivot in rationals.pivots(shifted))


def _symmetric_noise(rng, size, width):
    noise = np.triu(rng.uniform(-width, width, (size, size)))
    return noise + np.triu(noise, 1).T
