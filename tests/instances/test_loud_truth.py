"""Property: the loud minimum is spurious, the optimum optimal, and the constants are those of the Hessian of L."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.loud import plant_loud_minimum
from ntklora.problem.objective import factor_gradients, full_objective
from tests.certificates.dense_hessian import dense_hessian, projected_eigenvalues

CASES = [([1.0], [1.0]), ([2.0, 1.0], [1.0]), ([1.5, 1.0], [1.0, 0.7]), ([2.0, 1.5, 1.0], [1.0])]


@pytest.mark.parametrize(("values", "optimum"), CASES)
def test_the_planted_point_is_a_strict_minimum_above_the_optimum(values, optimum):
    planted = plant_loud_minimum(values, optimum, seed=1)
    problem = planted.problem
    assert max(np.abs(g["w"]).max() for g in factor_gradients(problem, planted.u, planted.v)) < 1e-12
    curvature = projected_eigenvalues(problem, planted.u, planted.v)
    assert curvature.min() > 1e-3
    assert abs(nl.duality_gap(problem, planted.delta).gap) < 1e-12
    assert np.linalg.matrix_rank(planted.delta) == planted.optimum_rank == len(optimum)
    assert float(nl.objective(problem, planted.u, planted.v)) > 1.2 * float(full_objective(problem, planted.delta))


@pytest.mark.parametrize(("values", "optimum"), CASES)
def test_the_constants_are_attained_at_low_rank(values, optimum):
    planted = plant_loud_minimum(values, optimum, seed=2)
    rows = planted.problem.op.blocks["w"].g.reshape(planted.problem.num_samples, -1)
    spectrum, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    assert spectrum[0] == pytest.approx(planted.convexity, rel=1e-9)
    assert spectrum[-1] == pytest.approx(planted.smoothness, rel=1e-9)
    lowest = vectors[:, 0].reshape(planted.delta.shape)
    assert np.linalg.matrix_rank(lowest, tol=1e-9) == len(values) + len(optimum)
    step = np.outer(planted.u[:, 0], planted.delta.T @ planted.delta[:, 0]).ravel()  # u_1 v_{r+1}ᵀ
    assert np.sum((rows @ step) ** 2) / len(rows) / (step @ step) == pytest.approx(planted.smoothness, rel=1e-9)


def test_an_excess_at_the_boundary_is_where_the_curvature_vanishes():
    below, beside = (plant_loud_minimum([0.2], seed=0, stiffness=2.0, excess=e, margin=0.0) for e in (0.3, 0.4 - 1e-9))
    lowest = [np.linalg.eigvalsh(dense_hessian(p.problem, p.u, p.v))[0] for p in (below, beside)]
    assert lowest[0] > 0.05
    assert abs(lowest[1]) < 1e-8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"values": [1.0], "optimum": [1.0, 0.5]}, "at least as many"),
        ({"values": [1.0, -1.0]}, "positive values"),
        ({"values": [1.0], "shape": (1, 4)}, "a shape of at least"),
        ({"values": [0.1], "excess": 0.5}, "excess < stiffness"),
        ({"values": [1.0], "excess": 1.5}, "no convex loss"),
    ],
)
def test_impossible_plantings_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        plant_loud_minimum(**arguments, seed=0)
