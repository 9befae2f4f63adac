"""Property: every step of the proofs of T2 and T2-prime holds as a number, by the dense Hessian and plain algebra."""

import numpy as np
import pytest
import scipy.linalg

import ntklora as nl
from ntklora.claims.perturbed_landscape import planted_landscape, planted_minimum
from ntklora.instances.gaussian import random_perturbation
from ntklora.instances.planted import plant_spurious_minimum, plant_spurious_valley
from ntklora.problem.objective import dual_vector, factor_gradients, gradient_matrices, kkt_matrices
from ntklora.theory.ranks import landscape_rank, planting_threshold
from tests.certificates.dense_hessian import dense_hessian, projected_eigenvalues
from tests.certificates.random_problems import random_problem


def kkt(problem, u, v):
    z = problem.f0 + problem.op.apply_factors(u, v)
    (s,) = kkt_matrices(problem, gradient_matrices(problem, dual_vector(problem, z))).values()
    return s


def critical_directions(problem, u, v):
    """`x zᵀ + Q M` as rows, with `z` in the first r of them, and the curvature `−2μ` of `x`."""
    rank, q = u.shape[1], np.concatenate([u, v])
    values, vectors = np.linalg.eigh(kkt(problem, u, v))
    along = [np.outer(vectors[:, 0], np.eye(rank)[a]) for a in range(rank)]
    pairs = [(a, b) for a in range(rank) for b in range(a, rank)]
    units = [np.eye(rank)[:, [a]] @ np.eye(rank)[[b]] for a, b in pairs]
    return np.array([d.ravel() for d in (*along, *(q @ (m + m.T) for m in units))]), 2 * values[0]


def first_order(problem, u, v, directions):
    """`J(D)_i = <G_i, du vᵀ + u dvᵀ>` for each direction."""
    g, rows = problem.op.dense()[:, 0], len(u)
    parts = directions.reshape(len(directions), -1, u.shape[1])
    moved = np.einsum("dmr,nr->dmn", parts[:, :rows], v) + np.einsum("mr,dnr->dmn", u, parts[:, rows:])
    return np.einsum("imn,dmn->id", g, moved)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_a_column_to_spare_curves_as_the_kkt_matrix_says(loss):
    for seed in range(3):
        problem = random_perturbation(random_problem(seed, loss, lam=0.1), 0.3, seed)
        rng = np.random.default_rng(seed)
        m, n = next(iter(problem.shapes.values()))
        u, v, x = rng.standard_normal((m, 2)), rng.standard_normal((n, 2)), rng.standard_normal(m + n)
        turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        u, v = np.pad(u, ((0, 0), (0, 1))) @ turn.T, np.pad(v, ((0, 0), (0, 1))) @ turn.T
        along = np.outer(x, turn[:, 2]).ravel()
        expected = 2 * x @ kkt(problem, u, v) @ x
        assert along @ dense_hessian(problem, u, v) @ along == pytest.approx(expected, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_perturbations_with_a_full_rank_stationary_point_have_a_smaller_dimension_above_t2s_count(rank):
    # P = S − (λ/2)I − ½[[0, Γ], [Γᵀ, 0]] with S Q = 0: the tangents are X with QᵀXQ = 0, and the N directions of Γ.
    rng, (m, n) = np.random.default_rng(rank), (rank + 2, rank + 3)
    everything = (m + n) * (m + n + 1) // 2
    across = scipy.linalg.null_space(rng.standard_normal((m + n, rank)).T)
    halves = [np.outer(x, y) for x in across.T for y in np.eye(m + n)]
    tangents = [half + half.T for half in halves]
    for count in (rank * (rank + 1) // 2 - 1, rank * (rank + 1) // 2):
        features = [np.pad(rng.standard_normal((m, n)), ((0, n), (m, 0))) for _ in range(count)]
        spanned = np.array([*tangents, *(g + g.T for g in features)]).reshape(-1, (m + n) ** 2)
        assert np.linalg.matrix_rank(spanned) == everything - rank * (rank + 1) // 2 + count
        assert (np.linalg.matrix_rank(spanned) < everything) == (rank >= landscape_rank(count))


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_one_sample_below_the_boundary_some_critical_direction_is_invisible_and_curves_down(rank):
    for offset in (-1, 0):
        problem, u, v = plant_spurious_minimum(rank, planting_threshold(rank) + offset, seed=rank, excess=1e-2)
        directions, lowest = critical_directions(problem, u, v)
        assert np.linalg.matrix_rank(directions) == len(directions) == planting_threshold(rank)
        invisible = scipy.linalg.null_space(first_order(problem, u, v, directions))
        assert invisible.shape[1] == -offset
        for weights in invisible.T:
            along, z = weights @ directions, weights[:rank]
            curvature = along @ dense_hessian(problem, u, v) @ along
            assert curvature == pytest.approx(lowest * z @ z, rel=1e-6)
            assert curvature < 0


@pytest.mark.parametrize("rank", [2, 3])
def test_a_planted_valley_is_one_of_stationary_points_which_a_generic_perturbation_tilts(rank):
    problem, u, v = plant_spurious_valley(rank, seed=0, excess=1e-3)
    assert problem.num_samples == planting_threshold(rank) - 1
    eigenvalues = projected_eigenvalues(problem, u, v)
    scale = eigenvalues[-1]
    assert abs(eigenvalues[0]) < 1e-13 * scale
    assert eigenvalues[1] > 1e-9 * scale
    directions, _ = critical_directions(problem, u, v)
    (weights,) = scipy.linalg.null_space(first_order(problem, u, v, directions)).T
    assert np.abs(weights[:rank]).max() < 1e-12
    move = np.linalg.lstsq(np.concatenate([u, v]), (weights @ directions).reshape(-1, rank), rcond=None)[0]
    assert np.allclose(move, move.T, atol=1e-12)
    tilted = random_perturbation(problem, 0.01, 0)
    start, slopes = float(nl.objective(problem, u, v)), []
    lengths, axes = np.linalg.eigh(move)
    last = -1.0 / lengths[0]  # where a column vanishes
    for t in np.array([0.1, 0.5, 1.0]) * last:
        root = axes * np.sqrt((1.0 + t * lengths).clip(min=0.0)) @ axes.T
        at = (u @ root, v @ root)
        assert float(nl.objective(problem, *at)) == pytest.approx(start, rel=1e-12)
        # The square root of what rounding leaves of the vanishing column is 1e-8.
        assert max(np.abs(g).max() for side in factor_gradients(problem, *at) for g in side.values()) < 1e-8
        slopes.append((float(nl.objective(tilted, *at)) - float(nl.objective(tilted, u, v))) / t)
    assert np.ptp(slopes) < 1e-10
    assert abs(slopes[0]) > 1e-4
    assert projected_eigenvalues(problem, *at)[0] < -1e-6


def test_a_valley_needs_two_columns():
    with pytest.raises(ValueError, match="rank >= 2"):
        plant_spurious_valley(1, seed=0)


def test_at_the_boundary_the_spurious_minimum_stays_near_under_the_perturbation_that_clears_it_below():
    surveyed, planted = planted_landscape(1e-3), planted_minimum()
    found = np.einsum("smr,snr->smn", surveyed.landscape.ends.u, surveyed.landscape.ends.v)
    delta = planted.u @ planted.v.T
    near = np.linalg.norm(found - delta, axis=(1, 2)) < 0.05 * np.linalg.norm(delta)
    assert [str(kind) for kind, close in zip(surveyed.landscape.kinds, near) if close] == ["spurious"] * near.sum()
    assert near.any()
    assert not surveyed.in_sharp_range
