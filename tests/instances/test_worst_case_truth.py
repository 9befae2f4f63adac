"""Property: the closed form is a strict spurious minimum that attains the bound, and no sample of it can be spared."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.problem.objective import factor_gradients
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory import planting_threshold
from tests.certificates.dense_hessian import differentiated_hessian, projected_eigenvalues

LAM = 0.1


def gradient(problem, u, v):
    return max(np.abs(g["w"]).max() for g in factor_gradients(problem, u, v))


@pytest.mark.parametrize("rank", range(1, 7))
@pytest.mark.parametrize("curvature", [0.01, 0.5, 0.9])
def test_it_attains_the_bound_at_every_rank(rank, curvature):
    problem, u, v, better_u, better_v = nl.plant_worst_minimum(rank, curvature=curvature, seed=rank)
    assert problem.num_samples == nl.span_dimension(problem) == planting_threshold(rank)
    assert gradient(problem, u, v) < 1e-12
    eigenvalues = projected_eigenvalues(problem, u, v) / LAM
    np.testing.assert_allclose(np.unique(eigenvalues.round(6)), [2.0, round(2 / curvature, 6)])
    assert eigenvalues[0] / eigenvalues[-1] == pytest.approx(curvature, rel=1e-8)
    value, better = (float(nl.objective(problem, *point)) for point in ((u, v), (better_u, better_v)))
    assert (value - better) / value == pytest.approx(nl.worst_excess(curvature), rel=1e-12)
    assert abs(nl.duality_gap(problem, better_u @ better_v.T).gap) < 1e-13
    report = nl.classify_endpoint(problem, u, v, rivals=[(better_u, better_v)])
    assert report.endpoint is nl.Endpoint.spurious
    assert report.best_known == pytest.approx(better, rel=1e-12)


def test_its_hessian_is_the_differentiated_one():
    problem, u, v, *_ = nl.plant_worst_minimum(2, curvature=0.5, seed=0)
    spectrum = np.linalg.eigvalsh(differentiated_hessian(problem, u, v)) / LAM
    np.testing.assert_allclose(np.unique(spectrum.round(8) + 0.0), [0.0, 2.0, 4.0])


def test_coordinates_beyond_change_nothing_that_the_data_see():
    planted = nl.plant_worst_minimum(2, curvature=0.4, seed=3, shape=(5, 7))
    assert nl.relative_curvature(planted.problem, planted.u, planted.v) == pytest.approx(0.4, rel=1e-10)
    assert projected_eigenvalues(planted.problem, planted.u, planted.v)[0] == pytest.approx(LAM)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_without_any_one_idle_sample_it_is_not_strict(rank):
    """Samples without residual can be left out and leave the point stationary: then T2-strict forbids a minimum."""
    problem, u, v, better_u, better_v = nl.plant_worst_minimum(rank, curvature=0.5, seed=0)
    features, count = problem.op.dense(), problem.num_samples
    idle = np.flatnonzero(problem.y[:, 0] == 0)
    assert len(idle) == count - rank
    for left_out in idle:
        kept = np.arange(count) != left_out
        scale = np.sqrt((count - 1) / count)
        smaller = Problem(
            TangentOperator.from_dense(scale * features[kept]),
            np.zeros(count - 1),
            scale * problem.y[kept],
            "squared",
            LAM,
        )
        assert gradient(smaller, u, v) < 1e-13
        assert projected_eigenvalues(smaller, u, v)[0] < 1e-12
        report = nl.classify_endpoint(smaller, u, v, rivals=[(better_u, better_v)])
        assert report.endpoint in (nl.Endpoint.flat, nl.Endpoint.saddle)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rank": 3, "shape": (3, 9)}, "exceed rank"),
        ({"rank": 0}, "at least 1"),
        ({"curvature": 1.0}, "curvature"),
        ({"lam": 0.0}, "lam > 0"),
    ],
)
def test_what_cannot_be_planted_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        nl.plant_worst_minimum(**{"rank": 2, "curvature": 0.5, "seed": 0, **changes})
