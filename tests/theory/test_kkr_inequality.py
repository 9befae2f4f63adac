"""Property: the inequality behind KKR holds for matrices of every kind, and its constants cannot be improved."""

import numpy as np
import pytest
from scipy.optimize import minimize

from ntklora.theory.kkr import benign_rank, distance_bounds, loud_ratio, norm_bound, residual_bound

RNG = np.random.default_rng(0)


def sides(x, best, rank, optimum_rank):
    """`‖X − X*‖²` and the larger of the two lower bounds, with B the part of X* orthogonal to both spaces of X.

    `2σ_{r*}(X)‖B‖_* + Σ_{i>r*} σ_i(X)²`, behind KKR; `Σ φ(b_i) + r − r*` in units of σ_r, behind KKR-rank.
    """
    left, values, right = np.linalg.svd(x)
    b = np.linalg.svd(left[:, rank:].T @ best @ right[rank:].T, compute_uv=False)
    first, _ = distance_bounds(1.0, 1.0, list(values[:rank]), optimum_rank, b.sum())
    smallest = values[rank - 1]
    second = np.where(b <= smallest, 2 * b * smallest, smallest**2 + b**2)[b > 1e-12 * b[0]].sum()
    return np.sum((x - best) ** 2), max(first, second + (rank - optimum_rank) * smallest**2)


def product(parameters, rank, size):
    u, v = parameters.reshape(2, size, rank)
    return u @ v.T


@pytest.mark.parametrize(("rank", "optimum_rank"), [(1, 1), (2, 1), (2, 2), (3, 2), (4, 2)])
def test_distance_is_at_least_what_lies_outside(rank, optimum_rank):
    """At random, near X, and where an optimizer has tried to break it."""
    size = 6
    for trial in range(40):
        x = product(RNG.normal(size=2 * size * rank), rank, size)
        scale = 10.0 ** RNG.uniform(-2, 1)
        distance, outside = sides(x, scale * product(RNG.normal(size=2 * size * optimum_rank), optimum_rank, size),
                                  rank, optimum_rank)  # fmt: skip
        assert distance >= outside * (1 - 1e-12)
        if trial < 3:

            def slack(parameters, x=x):
                distance, outside = sides(x, product(parameters, optimum_rank, size), rank, optimum_rank)
                return distance / max(outside, 1e-300)

            found = minimize(slack, RNG.normal(size=2 * size * optimum_rank), method="L-BFGS-B")
            assert found.fun >= 1 - 1e-9


def test_the_distance_bound_is_attained_for_equal_sizes_across():
    """X = s u_1 v_1ᵀ and X* = s u_2 v_2ᵀ."""
    x, best = np.diag([3.0, 0.0, 0.0]), np.diag([0.0, 3.0, 0.0])
    distance, outside = sides(x, best, 1, 1)
    assert distance == pytest.approx(outside)


def test_benign_rank_is_the_first_beyond_the_square_of_half_the_condition():
    for condition, optimum_rank in [(1.0, 3), (1.99, 3), (2.0, 3), (3.1, 1), (4.0, 2), (7.3, 5)]:
        rank = benign_rank(1.0, condition, optimum_rank)
        assert rank >= optimum_rank
        assert rank > (condition / 2) ** 2 * optimum_rank
        assert rank - 1 < optimum_rank or rank - 1 <= (condition / 2) ** 2 * optimum_rank


def test_the_sum_behind_benign_rank_stays_above_its_tangent():
    """Σ φ(b_i) + r − r* ≥ 2 √(r/r*) Σ b_i, attained at b_i = √(r/r*)."""
    for _ in range(200):
        optimum_rank = int(RNG.integers(1, 5))
        rank = optimum_rank + int(RNG.integers(0, 6))
        b = 10.0 ** RNG.uniform(-1, 1, int(RNG.integers(1, optimum_rank + 1)))
        phi = np.where(b <= 1, 2 * b, 1 + b**2).sum()
        assert phi + rank - optimum_rank >= 2 * np.sqrt(rank / optimum_rank) * b.sum() * (1 - 1e-12)


def test_closed_forms_and_their_limits():
    assert loud_ratio(1.0, 2.0) == 1.0
    assert residual_bound(0.1, 2.0, 0.25) == pytest.approx(0.6)
    assert norm_bound(0.5, 0.1) == pytest.approx(5.0)
    refusals = [lambda: loud_ratio(2.0, 1.0), lambda: benign_rank(0.0, 1.0, 1), lambda: norm_bound(1.0, 0.0)]
    for refused in [*refusals, lambda: distance_bounds(0.0, 1.0, [1.0], 1, 1.0)]:
        with pytest.raises(ValueError, match=r"expected|convexity|positive"):
            refused()
