"""Property: a box is given where a zero is, it holds exactly that zero, and there is none where no zero is isolated."""

from fractions import Fraction

import flint
import numpy as np
import pytest

from ntklora.proof.intervals import exact, working_precision
from ntklora.proof.krawczyk import enclose_zero
from tests.proof import rationals


def enclose(system, derivative, start, bits=128):
    with working_precision(bits):
        return enclose_zero(
            lambda x: flint.arb_mat(x.nrows(), 1, system(*x.entries())),
            lambda x: flint.arb_mat([[flint.arb(entry) for entry in row] for row in derivative(*x.entries())]),
            exact(np.array(start, float)[:, None]),
            bits=bits,
        )


@pytest.mark.parametrize("start", [1.0, 1.4, 3.0])
def test_the_square_root_of_two_lies_in_a_tiny_box(start):
    box = enclose(lambda x: [x * x - 2], lambda x: [[2 * x]], [start])
    low, high = rationals.ends(box[0, 0])
    assert low * low < 2 < high * high
    assert high - low < Fraction(1, 2**100)


def test_an_intersection_of_circle_and_hyperbola_is_enclosed():
    # x² + y² = 5, xy = 2: the zero next to the start is (2, 1).
    box = enclose(lambda x, y: [x * x + y * y - 5, x * y - 2], lambda x, y: [[2 * x, 2 * y], [y, x]], [2.1, 0.9])
    assert box[0, 0].contains(2)
    assert box[1, 0].contains(1)


@pytest.mark.parametrize(
    ("system", "derivative"),
    [
        (lambda x: [x * x], lambda x: [[2 * x]]),  # a double zero: not isolated in this sense
        (lambda x: [x * x + 1], lambda x: [[2 * x]]),  # none at all
        (lambda x: [x - x], lambda x: [[x - x]]),  # zero everywhere
    ],
)
def test_nothing_is_claimed_where_no_zero_is_simple(system, derivative):
    assert enclose(system, derivative, [0.3]) is None


def test_a_curve_of_zeros_is_not_a_zero():
    circle = enclose(lambda x, y: [x * x + y * y - 1, x * x + y * y - 1], lambda x, y: [[2 * x, 2 * y]] * 2, [0.6, 0.8])
    assert circle is None
