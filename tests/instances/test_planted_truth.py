"""Property: planted points are what they were planted as: stationary, not global, or optimal."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.planted import plant_spurious_minimum, plant_tight_optimum, plant_undecayed_minimum
from ntklora.problem.objective import dual_vector, factor_gradients, gradient_matrices, kkt_matrices
from tests.certificates.dense_hessian import dense_hessian


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
@pytest.mark.parametrize("excess", [1e-1, 1e-4])
def test_the_spurious_point_is_stationary_with_the_planted_eigenvalue(rank, excess):
    planted = plant_spurious_minimum(rank, rank * (rank + 3) // 2, seed=rank, excess=excess)
    problem, u, v = planted
    gradients = factor_gradients(problem, u, v)
    assert max(np.abs(g["w"]).max() for g in gradients) < 1e-12
    gammas = gradient_matrices(problem, dual_vector(problem, problem.op.apply_factors(u, v)))
    assert np.linalg.norm(gammas["w"], 2) == pytest.approx(0.1 * (1 + excess), rel=1e-10)
    lowest = np.linalg.eigvalsh(kkt_matrices(problem, gammas)["w"])[0]
    assert lowest == pytest.approx(-0.1 * excess / 2, rel=1e-7)


@pytest.mark.parametrize("rank", range(1, 7))
def test_the_tight_point_is_the_optimum(rank):
    planted = plant_tight_optimum(rank, seed=rank)
    assert planted.problem.num_samples == rank * (rank + 1) // 2
    assert abs(nl.duality_gap(planted.problem, planted.u @ planted.v.T).gap) < 1e-13


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rank": 3, "num_samples": 9, "shape": (3, 9)}, "exceed rank"),
        ({"rank": 0, "num_samples": 9}, "at least 1"),
        ({"rank": 2, "num_samples": 0}, "num_samples"),
        ({"rank": 2, "num_samples": 5, "excess": 0.0}, "excess"),
    ],
)
def test_impossible_plantings_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        plant_spurious_minimum(**arguments, seed=0)


@pytest.mark.parametrize("shape", [(4, 5), (5, 5), (6, 4)])
@pytest.mark.parametrize("rank", [1, 3])
def test_the_point_without_decay_is_strict_beyond_rank_times_the_longer_side(rank, shape):
    """The dense Hessian as oracle: r² gauge directions are flat; all others positive, or not."""
    for more in (0, 1):
        problem, u, v = plant_undecayed_minimum(rank, rank * max(shape) + more, seed=1, excess=1e-5, shape=shape)
        gradients = factor_gradients(problem, u, v)
        assert max(np.abs(side).max() for g in gradients for side in g.values()) < 1e-12
        eigenvalues = np.linalg.eigvalsh(dense_hessian(problem.host(), {"w": u}, {"w": v}))
        flat = np.abs(eigenvalues) < 1e-10 * eigenvalues[-1]
        assert (eigenvalues[~flat].min() > 0) == bool(more)
        assert flat.sum() == rank**2
