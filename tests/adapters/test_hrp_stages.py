"""High-rank preheating: its SVD, its two stages and its closed forms, on matrices and on several weights."""

import jax
import numpy as np
import pytest

from ntklora.adapters.decompositions import Directions, leading_directions
from ntklora.adapters.hrp import HRP, Start, start_from
from ntklora.adapters.initializations import Orthonormal, Padded
from ntklora.adapters.lora import train_lora
from ntklora.adapters.training import Trained, train_factors
from ntklora.data.gaussian import gaussian_factors
from ntklora.data.teacher_student import low_rank_matrix
from ntklora.instances.matrix_factorization import matrix_factorization
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator
from ntklora.theory import hrp

RNG = np.random.default_rng(0)
KEY = jax.random.key(1)
SIGMA = (3.0, 2.0, 1.0, 0.5)
TARGET = low_rank_matrix((6, 10), SIGMA, RNG)
PROBLEM = matrix_factorization(TARGET)


@pytest.mark.parametrize(("m", "n", "count"), [(6, 10, 4), (6, 10, 8), (6, 10, 12), (12, 5, 5)])
def test_leading_directions_are_those_of_the_dense_product(m, n, count):
    us = {"a": RNG.standard_normal((m, count)), "b": RNG.standard_normal((m + 3, count))}
    vs = {"a": RNG.standard_normal((n, count)), "b": RNG.standard_normal((n, count))}
    for name, (left, values, right) in jax.jit(lambda us, vs: leading_directions(us, vs, 3))(us, vs).items():
        u, s, vt = np.linalg.svd(us[name] @ vs[name].T)
        np.testing.assert_allclose(values, s[:3], rtol=1e-10)
        np.testing.assert_allclose(left @ left.T, u[:, :3] @ u[:, :3].T, atol=1e-9)
        np.testing.assert_allclose(right @ right.T, vt[:3].T @ vt[:3], atol=1e-9)


def test_directions_that_fill_up_lie_in_the_span_of_the_factor():
    """Rank 1 of 3 asked for: the theory of H6 needs the padding inside span(A_p)."""
    us = {"w": np.outer(RNG.standard_normal(6), RNG.standard_normal(4))}
    vs = {"w": RNG.standard_normal((10, 4))}
    right = np.asarray(leading_directions(us, vs, 3)["w"].right)
    np.testing.assert_allclose(right.T @ right, np.eye(3), atol=1e-12)
    basis = np.linalg.qr(vs["w"])[0]
    np.testing.assert_allclose(basis @ basis.T @ right, right, atol=1e-12)


def test_orthonormal_preheating_needs_no_convergence():
    """B_T A_pᵀ is a multiple of M P_R at every T: one step finds the directions that convergence finds."""
    start = HRP(preheat_rank=6, steps=1, random=Orthonormal())
    path = train_lora(PROBLEM, 2, KEY, steps=3, initialization=start, trained="left")
    frozen = np.asarray(start.preheat(PROBLEM, KEY).v)
    # Three steps at the reciprocal curvature, which the Schatten norm overestimates by at most 2^{1/64}: 1e-6 is left.
    np.testing.assert_allclose(path.objective[-1], hrp.preheated_loss(TARGET, frozen, 2), rtol=1e-5)


@pytest.mark.parametrize("trained", ["left", "both"])
def test_padded_preheats_of_all_ranks_are_one_program_and_those_of_their_own_columns(trained):
    traces = []

    @jax.jit
    def run(rank, steps):
        traces.append(rank)
        start = HRP(preheat_rank=8, steps=steps, random=Padded(Orthonormal(), rank), trained=trained)
        path = start.preheat(PROBLEM, KEY)
        return path, start.continue_from(PROBLEM, 2, path)

    wide = np.asarray(Orthonormal().draw(KEY, {"w": 10}, 8)["w"])
    for rank, steps in ((3, 20), (6, 5)):
        path, (_, right) = run(rank, steps)
        narrow = train_factors(PROBLEM, np.zeros((6, rank)), wide[:, :rank], steps=steps, trained=trained)
        np.testing.assert_allclose(path.u[:, :rank], narrow.u, atol=1e-10)
        np.testing.assert_allclose(path.v[:, :rank], narrow.v, atol=1e-10)
        assert not np.any(path.u[:, rank:])
        assert not np.any(path.v[:, rank:])
        np.testing.assert_allclose(path.objective, narrow.objective[-1], rtol=1e-10)
        top = np.linalg.svd(np.asarray(narrow.u @ narrow.v.T))[2][:2].T
        np.testing.assert_allclose(3.0 * right["w"] @ right["w"].T, top @ top.T, atol=1e-9)
    assert len(traces) == 1


@pytest.mark.parametrize("trained", Trained)
def test_preheat_starts_from_zero_and_moves_what_it_says(trained):
    before, after = (HRP(5, steps, learning_rate=0.05, trained=trained).preheat(PROBLEM, KEY) for steps in (0, 40))
    np.testing.assert_allclose(before.objective, hrp.loss_at_zero(SIGMA), rtol=1e-10)
    assert after.objective < before.objective
    moved = [bool(np.any(new != old)) for new, old in ((after.u, before.u), (after.v, before.v))]
    assert moved == [trained != Trained.right, trained != Trained.left]


def test_main_stage_starts_as_told():
    found = Directions(RNG.standard_normal((6, 2)), np.array([4.0, 0.25]), RNG.standard_normal((10, 2)))
    u, v = start_from(found, Start.right, 0.5)
    np.testing.assert_array_equal(v, 0.5 * found.right)
    assert not np.any(u)
    u, v = start_from(found, Start.left, 0.5)
    np.testing.assert_array_equal(u, 0.5 * found.left)
    assert not np.any(v)
    u, v = start_from(found, Start.warm, 0.5)
    np.testing.assert_allclose(u @ v.T, found.left * found.values @ found.right.T, rtol=1e-12)


def test_the_trained_factor_of_the_preheat_carries_the_target():
    """H8: with U_r frozen the main stage loses ½‖(I−UUᵀ)M‖², less than with V_r frozen unless the spectrum is flat."""
    losses = {}
    for start, trained in ((Start.left, "right"), (Start.right, "left")):
        initialization = HRP(6, 100, random=Orthonormal(), start=start)
        path = train_lora(PROBLEM, 2, KEY, steps=100, initialization=initialization, trained=trained)
        losses[start] = float(path.objective[-1])
    left = leading_directions(*({"w": x} for x in initialization.preheat(PROBLEM, KEY)[:2]), 2)["w"].left
    np.testing.assert_allclose(losses[Start.left], hrp.left_frozen_loss(TARGET, np.asarray(left)), rtol=1e-8)
    assert losses[Start.left] < losses[Start.right]


def test_input_covariance_enters_both_stages():
    root = 0.2 * RNG.standard_normal((10, 10)) + np.eye(10)
    covariance = root @ root.T
    problem = matrix_factorization(TARGET, covariance=covariance)
    random = train_lora(problem, 3, KEY, steps=2000, trained="left", initialization=Orthonormal())
    expected = hrp.covariance_limit(TARGET, np.asarray(random.v), covariance)
    np.testing.assert_allclose(random.u @ random.v.T, expected, atol=1e-8)
    preheated = train_lora(problem, 3, KEY, steps=2000, trained="left", initialization=HRP(10, 2000))
    # With R = b the preheat finds M itself, whose plain right directions are not the best ones of H10.
    assert hrp.covariance_floor(TARGET, covariance, 3) < preheated.objective[-1] < random.objective[-1]


def test_several_weights_and_another_loss():
    (a, b), (a2, b2) = gaussian_factors(9, 3, 2, (5, 7), seed=2), gaussian_factors(9, 3, 1, (4, 6), seed=3)
    op = TangentOperator.from_factors({"q": a, "v": a2}, {"q": b, "v": b2})
    problem = Problem(op, np.zeros((9, 3)), np.arange(9) % 3, "cross_entropy", 0.01)
    start = HRP(preheat_rank=4, steps=50)
    (us, vs), path = jax.jit(lambda key: (start(problem, 2, key), start.preheat(problem, key)))(KEY)
    for name in op.shapes:
        top = np.linalg.svd(np.asarray(path.u[name] @ path.v[name].T))[2][:2].T
        np.testing.assert_allclose(3.0 * vs[name] @ vs[name].T, top @ top.T, atol=1e-8)
        assert not np.any(us[name])
