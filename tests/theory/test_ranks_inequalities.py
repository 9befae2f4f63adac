"""The ranks satisfy the inequalities that define them, at the smallest and at huge counts."""

import numpy as np
import pytest

from ntklora.theory import ranks

COUNTS = [*range(400), 10**6, 2**52 + 1, 10**15 - 1, 10**30]


def test_pataki_rank_is_the_largest_rank_that_satisfies_the_bound():
    for kn in COUNTS:
        r = ranks.pataki_rank(kn)
        assert r * (r + 1) // 2 <= kn < (r + 1) * (r + 2) // 2
        assert ranks.landscape_rank(kn) == r + 1


def test_sharp_rank_is_the_smallest_rank_beyond_the_bound():
    for d in COUNTS:
        r = ranks.sharp_landscape_rank(d)
        assert (r - 1) * (r + 2) // 2 <= d < r * (r + 3) // 2
        assert ranks.landscape_rank(d) - 1 <= r <= ranks.landscape_rank(d)


@pytest.mark.parametrize("r", range(1, 12))
def test_boundary_of_planting_is_where_the_guarantee_stops(r):
    d = ranks.planting_threshold(r)
    assert ranks.sharp_landscape_rank(d - 1) == r, "one feature fewer: guaranteed at rank r"
    assert ranks.sharp_landscape_rank(d) == r + 1, "at the threshold: no longer guaranteed at rank r"


def test_exactly_triangular_counts_are_attained():
    for r in (1, 10, 10**9):
        assert ranks.pataki_rank(ranks.gauge_count(r)) == r
        assert ranks.pataki_rank(ranks.gauge_count(r) - 1) == r - 1


def test_numpy_integers_are_counts_and_floats_are_not():
    assert ranks.pataki_rank(np.int64(64)) == 10
    with pytest.raises(TypeError):
        ranks.pataki_rank(64.0)


def test_negative_counts_are_named():
    with pytest.raises(ValueError, match="kn must be a count >= 0, got -1"):
        ranks.pataki_rank(-1)


def test_blocks_are_counted_together():
    assert ranks.gauge_count([2, 3, 0]) == 3 + 6


def test_parameters_are_counted_as_the_dimension_of_the_manifold():
    """The tangent space at uvᵀ, {du vᵀ + u dvᵀ}, has this dimension."""
    rng = np.random.default_rng(0)
    for m, n in ((4, 4), (3, 6)):
        for r in range(1, min(m, n) + 1):
            u, v = rng.normal(size=(m, r)), rng.normal(size=(n, r))
            tangents = np.concatenate([np.kron(np.eye(m), v.T), np.kron(u.T, np.eye(n))])
            assert np.linalg.matrix_rank(tangents) == ranks.parameter_count(r, m, n)
    with pytest.raises(ValueError, match="at most min"):
        ranks.parameter_count(4, 3, 6)


@pytest.mark.parametrize("constant", [1.0, 1.35])
def test_the_counting_rank_is_the_first_with_enough_parameters(constant):
    for kn in range(1, 80):
        rank = ranks.counting_rank(kn, 8, 8, constant)
        enough = [r for r in range(1, 9) if ranks.parameter_count(r, 8, 8) > constant * kn]
        assert rank == (enough[0] if enough else None)


def test_without_decay_the_rank_times_the_longer_side_reaches_the_count():
    for d in range(1, 60):
        for m, n in ((4, 5), (6, 4), (3, 3)):
            rank = ranks.undecayed_landscape_rank(d, m, n)
            safe = [r for r in range(1, min(m, n) + 1) if r * max(m, n) >= d]
            assert rank == (safe[0] if safe else min(m, n))
            assert rank <= ranks.sharp_landscape_rank(d)
