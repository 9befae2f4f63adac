"""Points that count as stationary, yet hide what the stationary point beside them is: its verdict is theirs."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.endpoints import Endpoint, classify_endpoint
from ntklora.certificates.stationary import STATIONARY, gradient_scale, point_at, units_of
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

E1 = np.array([[1.0], [0.0]])


def two_soft_directions(radial, coupling, bend, curvature):
    """A problem of three samples, λ = 1, that is stationary at u = v = e₁ [derived by hand].

    The curvature is `radial` along (e₁, e₁)/√2 and `curvature` along (e₂, e₂)/√2; a step along the first changes the
    second by the `coupling`, the `bend` only says how.
    """
    along = np.sqrt(1.5 * radial)
    g = np.zeros((3, 1, 2, 2))
    g[0, 0, 0, 0], g[1, 0, 1, 1], g[2, 0, 0, 1], g[2, 0, 1, 0] = along, bend, coupling, coupling
    y = np.array([along + 3 / along, 3 * (1 + 2 / 3 * coupling**2 - curvature) / bend, 0.0])
    return Problem(TangentOperator.from_dense(g), np.zeros(3), y, "squared", 1.0)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("radial", "coupling", "bend", "curvature"),
    [(1e-2, 1.0, 1.0, 5e-8), (2e-3, 1.0, 1.0, 2e-7), (2e-3, 1.0, 1.0, -2e-7), (2e-3, 3.0, 300.0, -1e-6)],
)
def test_a_step_along_another_soft_direction_does_not_turn_the_verdict(radial, coupling, bend, curvature, side):
    problem = two_soft_directions(radial, coupling, bend, curvature)
    there = nl.curvature(problem, E1, E1)
    assert there.min_curvature == pytest.approx(curvature, rel=1e-3)
    units = units_of(problem.host())
    beside = E1 + side * 0.9 * STATIONARY * units.decay / radial * E1
    point = point_at(problem.host(), {"w": beside}, {"w": beside})
    assert 0.1 * STATIONARY < point.gradient_norm / gradient_scale(units, point.us, point.vs) <= STATIONARY
    found = classify_endpoint(problem, beside, beside, solution=nl.solve(problem)).endpoint
    assert found is (Endpoint.saddle if curvature < 0 else Endpoint.rank_limited)


def test_a_gap_of_first_order_is_taken_where_the_gradient_is_smallest():
    lam, small = 1e-4, 1e-8
    problem = nl.matrix_factorization(np.diag([3.0 + lam, small + lam]), lam=lam)  # its optimum: diag(3, 1e-8)
    factor = np.diag(np.sqrt([3.0, small]))
    beside = factor + 1e-2 * np.diag([0.0, factor[1, 1]])
    report = classify_endpoint(problem, beside, beside)
    assert report.endpoint is Endpoint.global_
    assert report.gap < 1e-11
