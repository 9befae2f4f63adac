"""The levels of H2, H5, H6, H8 and H10 against quadrature, least squares and direct averages."""

import numpy as np
import pytest
from scipy.integrate import quad

from ntklora.data.teacher_student import low_rank_matrix, random_frame
from ntklora.theory import hrp

SIGMA = np.array([3.0, 2.0, 1.0, 0.5, 0.1])


def draw(shape=(6, 8), sigma=SIGMA, seed=0):
    return low_rank_matrix(shape, sigma, np.random.default_rng(seed))


def test_random_mean_and_variance_by_quadrature_over_the_circle():
    def moment(power):
        return quad(lambda t: (0.5 * (9 * np.sin(t) ** 2 + 4 * np.cos(t) ** 2)) ** power / np.pi, 0, np.pi)[0]

    np.testing.assert_allclose(hrp.random_mean([3.0, 2.0], 2, 1), moment(1), rtol=1e-12)
    np.testing.assert_allclose(hrp.random_variance([3.0, 2.0], 2, 1), moment(2) - moment(1) ** 2, rtol=1e-12)


@pytest.mark.parametrize("rank", [1, 3, 7])
def test_random_mean_and_variance_by_averaging(rank):
    rng, target, draws = np.random.default_rng(rank), draw(), 20_000
    frames = np.linalg.qr(rng.standard_normal((draws, 8, rank)))[0]
    losses = 0.5 * (np.sum(target**2) - np.sum((target @ frames) ** 2, (1, 2)))
    error = losses.std() / np.sqrt(draws)
    assert abs(losses.mean() - hrp.random_mean(SIGMA, 8, rank)) < 4.5 * error
    fourth = np.mean((losses - losses.mean()) ** 4)
    assert abs(losses.var() - hrp.random_variance(SIGMA, 8, rank)) < 4.5 * np.sqrt((fourth - losses.var() ** 2) / draws)


def test_flat_spectrum_has_no_variance_and_a_padded_one_has():
    assert hrp.random_variance([2.0] * 5, 5, 2) == 0.0
    assert hrp.random_variance([2.0] * 5, 6, 2) > 0.0
    assert hrp.random_variance([2.0], 1, 1) == 0.0


def test_optimum_linearized_in_both_factors_is_the_least_squares_one():
    rng, target = np.random.default_rng(1), draw()
    left, right = rng.standard_normal((6, 2)), rng.standard_normal((8, 2))
    # vec of B0 dAᵀ + dB A0ᵀ as a linear map of (dA, dB)
    columns = [np.outer(left[:, k], e).ravel() for k in range(2) for e in np.eye(8)]
    columns += [np.outer(e, right[:, k]).ravel() for k in range(2) for e in np.eye(6)]
    fitted = np.linalg.lstsq(np.stack(columns, 1), target.ravel(), rcond=None)[0]
    residual = np.stack(columns, 1) @ fitted - target.ravel()
    np.testing.assert_allclose(hrp.two_sided_loss(target, left, right), 0.5 * residual @ residual, rtol=1e-10)


def test_two_sided_mean_by_averaging():
    rng, target, draws = np.random.default_rng(2), draw(), 4000
    losses = np.array(
        [hrp.two_sided_loss(target, random_frame(6, 2, rng), random_frame(8, 2, rng)) for _ in range(draws)]
    )
    assert abs(losses.mean() - hrp.two_sided_mean(SIGMA, (6, 8), 2)) < 4.5 * losses.std() / np.sqrt(draws)


def test_preheated_loss_falls_with_nested_preheating_from_random_to_eckart_young():
    target, rank = draw(), 2
    frame = random_frame(8, 8, np.random.default_rng(3))
    losses = [hrp.preheated_loss(target, frame[:, :preheat], rank) for preheat in range(rank, 9)]
    assert np.all(np.diff(losses) <= 1e-12)
    np.testing.assert_allclose(losses[0], hrp.right_frozen_loss(target, frame[:, :rank]), rtol=1e-10)
    np.testing.assert_allclose(losses[-1], hrp.eckart_young(SIGMA, rank), rtol=1e-10)


@pytest.mark.parametrize("preheat", [2, 4, 6, 8])
def test_preheated_mean_keeps_its_bound_and_its_exact_cases(preheat):
    rng, rank = np.random.default_rng(4), 2
    frames = [random_frame(8, preheat, rng) for _ in range(1500)]
    for sigma in (SIGMA, SIGMA[:2], np.full(8, 1.3)):
        target = draw((9, 8), sigma)
        losses = np.array([hrp.preheated_loss(target, frame, rank) for frame in frames])
        error = 4.5 * losses.std() / np.sqrt(len(losses)) + 1e-9
        assert losses.mean() <= hrp.preheated_bound(sigma, 8, preheat, rank) + error
        assert losses.mean() <= hrp.random_mean(sigma, 8, rank) + error
        exact = hrp.preheated_mean(sigma, 8, preheat, rank)
        assert exact is None or abs(losses.mean() - exact) < error
        assert (exact is None) == (len(sigma) == 5 and preheat in (4, 6))


def test_bound_crosses_the_random_mean_where_it_says():
    crossing = hrp.preheat_pays_from(SIGMA, 2)
    for preheat in range(2, 9):
        below = hrp.preheated_bound(SIGMA, 8, preheat, 2) < hrp.random_mean(SIGMA, 8, 2)
        assert below == (preheat > crossing)


def test_left_factor_carries_the_target_at_least_as_well():
    """H8: U_r(M P_R) loses no more than V_r(M P_R); nothing to choose for a flat spectrum."""
    rng = np.random.default_rng(5)
    for sigma, flat in ((SIGMA, False), (np.full(8, 2.0), True)):
        target, frame = draw((8, 8), sigma), random_frame(8, 4, rng)
        left, _, right = np.linalg.svd(target @ frame @ frame.T)
        losses = hrp.left_frozen_loss(target, left[:, :2]), hrp.right_frozen_loss(target, right[:2].T)
        np.testing.assert_allclose(losses[1], hrp.preheated_loss(target, frame, 2), rtol=1e-9)
        assert losses[0] < losses[1] - 1e-6 or flat
        assert abs(losses[0] - losses[1]) < 1e-10 or not flat


def test_input_covariance_by_least_squares():
    rng, target = np.random.default_rng(6), draw()
    root = rng.standard_normal((8, 8))
    covariance, a = root @ root.T, rng.standard_normal((8, 3))
    # min over B of ‖(B Aᵀ − M) R‖ with Σ = R Rᵀ: one least-squares problem for the rows of B
    b = np.linalg.lstsq((a.T @ root).T, (target @ root).T, rcond=None)[0].T
    np.testing.assert_allclose(hrp.covariance_limit(target, a, covariance), b @ a.T, rtol=1e-8)
    best = hrp.covariance_best_right(target, covariance, 3)
    error = (hrp.covariance_limit(target, best, covariance) - target) @ root
    floor = hrp.covariance_floor(target, covariance, 3)
    np.testing.assert_allclose(0.5 * np.sum(error**2), floor, rtol=1e-9)
    assert floor < 0.5 * np.sum(((b @ a.T - target) @ root) ** 2)


def test_ranks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit fan_in = 4"):
        hrp.random_mean(SIGMA, 4, 2)
    with pytest.raises(ValueError, match="preheat_rank = 1 must be at least rank = 2"):
        hrp.preheated_mean(SIGMA, 8, 1, 2)
