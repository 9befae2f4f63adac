"""Saddles are found among many points as they are found one by one, and the points below them are lower."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from ntklora.certified.escape import below_saddle, points_below
from ntklora.certified.runs import run_newton
from ntklora.problem.objective import (
    dual_vector,
    gradient_matrices,
    kkt_matrices,
    lowest_kkt_eigenvalue,
    objective,
)
from ntklora.solvers.scale import scale_of
from tests.solvers.instances import random_factors, random_problem


def stationary_points(problem):
    """Zero, stationary points of rank one with a zero column beside it (saddles), and minima; rotated, all twice."""
    ones = [random_factors(seed, problem, 1) for seed in range(6)]
    twos = [random_factors(seed, problem, 2) for seed in range(6)]
    padded = [tuple({k: np.pad(x, ((0, 0), (0, 1))) for k, x in side.items()} for side in point) for point in ones]
    zero = tuple({k: np.zeros_like(x) for k, x in side.items()} for side in twos[0])
    starts = [zero, *padded, *twos]
    u, v = ({k: np.stack([start[side][k] for start in starts]) for k in problem.shapes} for side in (0, 1))
    ends = run_newton(problem, np.full(len(starts), float(problem.lam)), u, v)
    assert ends.converged.all()
    points = [({k: x[s] for k, x in ends.u.items()}, {k: x[s] for k, x in ends.v.items()}) for s in range(len(starts))]
    turn = ortho_group.rvs(2, random_state=0)
    return points + [tuple({k: x @ turn for k, x in side.items()} for side in point) for point in points]


@pytest.mark.parametrize("shapes", [((6, 5),), ((4, 3), (3, 4))], ids=["one weight", "two weights"])
def test_saddles_among_many_are_those_found_one_by_one(shapes):
    problem = random_problem(3, lam=0.02, shapes=shapes)
    points = stationary_points(problem)
    values = np.array([objective(problem, *point) for point in points])
    us, vs = ({k: np.stack([point[side][k] for point in points]) for k in problem.shapes} for side in (0, 1))
    below = points_below(problem, us, vs, values, float(scale_of(problem).slope(problem.lam)))
    alone = {position for position, point in enumerate(points) if below_saddle(problem, *point) is not None}
    assert set(below) == alone
    assert 0 < len(alone) < len(points)
    for position, point in below.items():
        assert objective(problem, *point) < values[position]


@pytest.mark.parametrize("options", [{}, {"shapes": ((3, 8), (5, 4))}, {"perturbed": True}], ids=str)
def test_lowest_eigenvalue_of_the_optimality_matrix(options):
    problem = random_problem(2, "logistic", **options)
    u, v = random_factors(0, problem, 2)
    gammas = gradient_matrices(problem, dual_vector(problem, problem.f0 + problem.op.apply_factors(u, v)))
    expected = min(np.linalg.eigvalsh(2 * s)[0] for s in kkt_matrices(problem, gammas).values())
    np.testing.assert_allclose(lowest_kkt_eigenvalue(problem, gammas), expected, rtol=1e-12, atol=1e-14)
