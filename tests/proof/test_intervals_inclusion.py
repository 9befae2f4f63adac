"""Property: a ball contains every value that the operation takes on the balls it was given, the exact one included."""

from fractions import Fraction

import flint
import numpy as np
import pytest

import ntklora as nl
from ntklora.proof import objective
from ntklora.proof.intervals import Interval, ball, exact, magnitude, midpoints, outward, radius, working_precision
from tests.proof import rationals


@pytest.mark.parametrize("bits", [53, 256])
@pytest.mark.parametrize("width", [0.0, 1e-3])
def test_objective_gradient_and_hessian_contain_their_exact_values_at_points_of_the_box(bits, width):
    rng = np.random.default_rng(0)
    g, y = rng.standard_normal((3, 1, 2, 3)), rng.standard_normal((3, 1))
    problem = nl.Problem(nl.TangentOperator.from_dense(g), np.full((3, 1), 0.1), y, "squared", 0.3)
    middle = rng.standard_normal((5, 2))
    features, lam = rationals.fractions(g[:, 0]), Fraction(0.3)
    targets = [Fraction(float(t)) - Fraction(0.1) for t in y[:, 0]]
    with working_precision(bits):
        data = objective.exact_problem(problem)
        box = exact(middle) + flint.arb_mat(5, 2, [flint.arb(0, width)] * 10)
        value, gradient = objective.value(data, box), objective.gradient(data, box)
        hessian = objective.hessian(data, box)
        for _ in range(3):
            q = rationals.fractions(middle + width * rng.uniform(-0.99, 0.99, middle.shape))
            u, v = q[:2], q[2:]
            assert rationals.holds(value, rationals.value(features, targets, lam, u, v))
            slope = rationals.gradient(features, targets, lam, u, v)
            assert all(rationals.holds(gradient[i, k], slope[i][k]) for i in range(5) for k in range(2))
            # F is a quartic: a central difference of its gradient is exact up to the third derivative's h² term, which
            # vanishes for the fourth-order formula.
            for column in range(10):
                steps = {h: _gradient_at(features, targets, lam, q, column, h) for h in (1, -1, 2, -2)}
                for i in range(10):
                    near, far = steps[1][i] - steps[-1][i], steps[2][i] - steps[-2][i]
                    assert rationals.holds(hessian[i, column], (8 * near - far) / 12)


def _gradient_at(features, targets, lam, q, entry, step):
    moved = [list(row) for row in q]
    moved[entry // 2][entry % 2] += step
    return [x for row in rationals.gradient(features, targets, lam, moved[:2], moved[2:]) for x in row]


def test_the_objective_is_constant_along_the_tangents_of_its_gauge():
    rng = np.random.default_rng(1)
    problem = _problem(rng)
    q = exact(rng.standard_normal((7, 3)))
    with working_precision(128):
        slope = objective.gradient(objective.exact_problem(problem), q)
        along = flint.arb_mat(1, 21, slope.entries()) * objective.gauge_tangents(q)
        assert along.ncols() == 3
        assert all(entry.contains(0) for entry in along.entries())
        assert radius(along) < 1e-30


def _problem(rng):
    g, y = rng.standard_normal((4, 1, 3, 4)), rng.standard_normal((4, 1))
    return nl.Problem(nl.TangentOperator.from_dense(g), np.zeros((4, 1)), y, "squared", 0.1)


def test_float64_numbers_are_taken_exactly_and_given_back_outwards():
    assert rationals.ends(exact(np.array([[0.1]]))[0, 0]) == (Fraction(0.1), Fraction(0.1))
    for number in (1.0, -1.0, 1e-30, -1e30):
        with working_precision(200):
            third = ball(number) / 3
        found = outward(third)
        assert isinstance(found, Interval)
        exactly = Fraction(number) / 3
        assert Fraction(found.lower) <= exactly <= Fraction(found.upper)
        assert found.upper == np.nextafter(found.lower, np.inf)


def test_radius_and_magnitude_are_upper_bounds():
    matrix = flint.arb_mat(1, 2, [flint.arb(-3, 0.25), flint.arb(1, 0.5)])
    assert 3.25 <= float(magnitude(matrix)) < 3.26
    assert 0.5 <= float(radius(matrix)) < 0.51
    assert midpoints(matrix).tolist() == [[-3.0, 1.0]]
