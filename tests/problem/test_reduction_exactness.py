"""Property: the reduced problem is the full problem, seen in the span that the data excites."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.problem.objective import factor_gradients, full_objective, lam_max
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator


def wide(positions: int, dense: bool) -> Problem:
    rng = np.random.default_rng(2)
    op = TangentOperator.from_factors(rng.normal(size=(4, positions, 40)), rng.normal(size=(4, 2, positions, 50)))
    op = TangentOperator.from_dense(op.dense()) if dense else op
    return Problem(op, rng.normal(size=(4, 2)), rng.normal(size=(4, 2)), "squared", 0.1)


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("positions", [1, 3])
def test_objective_at_lifted_points(positions, dense):
    problem = wide(positions, dense)
    reduction = nl.reduce_problem(problem)
    ((m, n),) = reduction.problem.shapes.values()
    assert (m, n) == (min(50, 8 * positions), min(40, 4 * positions))
    rng = np.random.default_rng(3)
    for _ in range(5):
        u, v = rng.normal(size=(m, 3)), rng.normal(size=(n, 3))
        full = nl.objective(problem, *reduction.lift_factors(u, v))
        assert nl.objective(reduction.problem, u, v) == pytest.approx(full, rel=1e-12)
        assert full_objective(reduction.problem, u @ v.T) == pytest.approx(
            full_objective(problem, reduction.lift(u @ v.T)), rel=1e-12
        )
        np.testing.assert_allclose(reduction.restrict_factors(*reduction.lift_factors(u, v))[0], u, atol=1e-13)
    assert lam_max(problem) == pytest.approx(lam_max(reduction.problem), rel=1e-12)


def test_a_padded_reduction_has_the_size_of_its_bounds_and_sees_nothing_more():
    problem = wide(3, False)
    seen_twice = problem.op.take([0, 0, 1, 1])  # half the span
    problem = Problem(seen_twice, problem.f0, problem.y, "squared", 0.1)
    small, padded = (nl.reduce_problem(problem, padded=pad).problem for pad in (False, True))
    assert (small.shapes, padded.shapes) == ({"w": (12, 6)}, {"w": (24, 12)})
    g = np.asarray(padded.op.dense())
    assert not g[:, :, 12:].any()
    assert not g[:, :, :, 6:].any()
    np.testing.assert_allclose(g[:, :, :12, :6], small.op.dense(), rtol=1e-12)
    lifted = nl.reduce_problem(problem, padded=True).lift(np.ones((24, 12)))
    np.testing.assert_array_equal(lifted, nl.reduce_problem(problem).lift(np.ones((12, 6))))


def test_gradient_commutes_with_the_lift():
    problem = wide(1, False)
    reduction = nl.reduce_problem(problem)
    rng = np.random.default_rng(4)
    u, v = rng.normal(size=(8, 2)), rng.normal(size=(4, 2))
    inside = [next(iter(g.values())) for g in factor_gradients(reduction.problem, u, v)]
    outside = [next(iter(g.values())) for g in factor_gradients(problem, *reduction.lift_factors(u, v))]
    np.testing.assert_allclose(reduction.lift_factors(*inside)[0], outside[0], atol=1e-12)
    np.testing.assert_allclose(reduction.lift_factors(*inside)[1], outside[1], atol=1e-12)


def test_a_perturbed_problem_is_refused():
    problem = wide(1, False)
    with pytest.raises(ValueError, match="draw the perturbation on the reduced"):
        nl.reduce_problem(problem.with_perturbation(np.eye(90)))


def test_vanishing_features_keep_one_direction():
    op = TangentOperator.from_dense(np.zeros((3, 1, 5, 6)))
    assert nl.reduce_problem(Problem(op, np.zeros(3), np.ones(3), "squared", 0.1)).problem.shapes == {"w": (1, 1)}


@pytest.mark.parametrize("blind", [None, "the first samples", "all samples", "all but the last"])
def test_dense_features_are_cut_to_the_span_of_all_samples_whatever_the_first_ones_span(blind):
    rng = np.random.default_rng(5)
    g = rng.normal(size=(60, 1, 6, 4))
    if blind is not None:
        g[{"the first samples": slice(20), "all samples": slice(None), "all but the last": slice(-1)}[blind], :, 4:] = 0
    problem = Problem(TangentOperator.from_dense(g), np.zeros(60), rng.normal(size=60), "squared", 0.1)
    seen = nl.reduce_problem(problem).problem
    assert seen.shapes == {"w": (4, 4) if blind == "all samples" else (6, 4)}
    np.testing.assert_allclose(seen.op.gram(), problem.op.gram(), atol=1e-12)


def test_dense_features_that_do_not_span_are_padded_to_the_size_of_their_bounds():
    rng = np.random.default_rng(6)
    g = rng.normal(size=(60, 1, 6, 4))
    g[:, :, 4:] = 0
    problem = Problem(TangentOperator.from_dense(g), np.zeros(60), rng.normal(size=60), "squared", 0.1)
    padded = nl.reduce_problem(problem, padded=True).problem
    assert padded.shapes == {"w": (6, 4)}
    assert not np.asarray(padded.op.dense())[:, :, 4:].any()
    np.testing.assert_allclose(padded.op.gram(), problem.op.gram(), atol=1e-12)


@pytest.mark.parametrize("shape", [(8, 1, 3000, 1), (8, 1, 1, 3000), (8, 1, 1000, 4)])
def test_few_samples_of_a_long_weight_are_reduced_without_a_matrix_of_its_length(shape, monkeypatch):
    sizes = []
    eigvalsh = np.linalg.eigvalsh
    monkeypatch.setattr(np.linalg, "eigvalsh", lambda matrix: sizes.append(len(matrix)) or eigvalsh(matrix))
    g = np.random.default_rng(7).normal(size=shape)
    problem = Problem(TangentOperator.from_dense(g), np.zeros(8), np.ones(8), "squared", 0.1)
    seen = nl.reduce_problem(problem).problem
    assert max(seen.shapes["w"]) <= 32
    assert max(sizes) <= 32
