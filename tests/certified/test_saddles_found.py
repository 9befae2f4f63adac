"""Property: saddles of lower rank are the known ones of matrix factorization; distances are those of Procrustes."""

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

import ntklora as nl
from ntklora.certified.saddles import factor_distance, lower_rank_saddles
from ntklora.instances.matrix_factorization import matrix_factorization
from ntklora.problem.objective import factor_gradients

SIGMA = np.array([3.0, 2.0, 1.2, 0.1])
RNG = np.random.default_rng(0)
LEFT, RIGHT = (np.linalg.qr(RNG.standard_normal((size, 4)))[0] for size in (5, 6))
LAM = 0.4
PROBLEM = matrix_factorization(LEFT * SIGMA @ RIGHT.T, lam=LAM)


def stationary(chosen):
    """The stationary point with the singular values `chosen` of the target, each shrunk by λ."""
    root = np.sqrt(SIGMA[list(chosen)] - LAM)
    return LEFT[:, list(chosen)] * root, RIGHT[:, list(chosen)] * root


def value(chosen):
    """`½ Σ_{i chosen} λ² + λ Σ (σ_i − λ) + ½ Σ_{others} σ_i²`."""
    kept = np.isin(np.arange(4), chosen)
    return float(np.where(kept, LAM * SIGMA - 0.5 * LAM**2, 0.5 * SIGMA**2).sum())


def test_the_best_points_of_every_lower_rank_are_found_with_their_curvature():
    """At rank k only the k largest values are no saddle among their rank; beyond, λ − σ_{k+1} leads down."""
    starts = [RNG.standard_normal((7, size, 4)) for size in (5, 6)]
    found = lower_rank_saddles(PROBLEM, *starts, 4)
    assert [saddle.rank for saddle in found] == [0, 1, 2]  # three singular values exceed λ: rank 3 is the optimum
    for saddle in found:
        assert saddle.objective == pytest.approx(value(range(saddle.rank)), rel=1e-12)
        assert saddle.curvature == pytest.approx(LAM - SIGMA[saddle.rank], rel=1e-9)
        for slope in factor_gradients(PROBLEM, saddle.u, saddle.v):
            np.testing.assert_allclose(slope["w"], 0.0, atol=1e-9)
        wide = (np.pad(x, ((0, 0), (0, 1))) for x in (saddle.u, saddle.v))
        assert nl.curvature(PROBLEM, *wide).min_curvature == pytest.approx(saddle.curvature, rel=1e-9)


def test_no_more_columns_than_asked_for_and_none_at_the_optimum():
    starts = [RNG.standard_normal((2, size, 4)) for size in (5, 6)]
    assert [saddle.rank for saddle in lower_rank_saddles(PROBLEM, *starts, 1)] == [0]
    assert lower_rank_saddles(PROBLEM, *starts, 0) == []
    settled = PROBLEM.with_lam(4.0)  # above λ_max: 0 is the optimum
    assert lower_rank_saddles(settled, *starts, 1) == []


def test_distance_is_procrustes_and_no_gauge_changes_it():
    one, other = ([RNG.standard_normal((size, 3)) for size in (5, 6)] for _ in range(2))
    q, p = (np.concatenate(point) for point in (one, other))
    turn = orthogonal_procrustes(p, q)[0]
    assert factor_distance(PROBLEM, one, other) == pytest.approx(np.linalg.norm(q - p @ turn), rel=1e-12)
    turn = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    assert factor_distance(PROBLEM, [x @ turn for x in one], other) == pytest.approx(
        factor_distance(PROBLEM, one, other)
    )
    near = [x @ turn + 1e-10 * y for x, y in zip(one, other)]
    assert 0 < factor_distance(PROBLEM, one, near) < 1e-9  # no digits are lost between close points


def test_a_point_with_fewer_columns_is_one_with_zeros():
    one, other = [RNG.standard_normal((size, 3)) for size in (5, 6)], stationary([0])
    wide = [np.pad(x, ((0, 0), (0, 2))) for x in other]
    assert factor_distance(PROBLEM, one, other) == pytest.approx(factor_distance(PROBLEM, one, wide))
    assert factor_distance(PROBLEM, one, [x[:, :0] for x in one]) == pytest.approx(np.linalg.norm(np.concatenate(one)))


@pytest.mark.parametrize(
    ("problem", "rank", "message"),
    [
        (PROBLEM, 5, "0 to the 4 columns"),
        (PROBLEM.with_lam(0.0), 1, "lam > 0"),
        (PROBLEM.with_perturbation(np.eye(11)), 1, "without perturbation"),
    ],
)
def test_misuse_is_refused(problem, rank, message):
    with pytest.raises(ValueError, match=message):
        lower_rank_saddles(problem, np.zeros((1, 5, 4)), np.zeros((1, 6, 4)), rank)
