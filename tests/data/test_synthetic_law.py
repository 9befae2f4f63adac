"""Synthetic data have the law they claim: known rank and spectrum, rotation invariance, Gaussian moments."""

import numpy as np
import pytest

from ntklora.data.gaussian import gaussian_factors, gaussian_features
from ntklora.data.teacher_student import low_rank_matrix, random_frame, teach
from ntklora.tangent.operator import TangentOperator


def test_teacher_has_the_spectrum_given_and_its_targets_are_the_operator_applied():
    op = TangentOperator.from_dense(gaussian_features(6, 2, (5, 4), seed=1))
    f0 = np.ones((6, 2))
    teacher = teach(op.apply, f0, (5, 4), (3.0, 1.0), seed=5)
    np.testing.assert_allclose(np.linalg.svd(teacher.delta, compute_uv=False), [3, 1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(teacher.outputs, f0 + op.apply(teacher.delta), rtol=1e-12)


def test_noise_is_added_with_its_deviation_and_seed():
    op = TangentOperator.from_dense(gaussian_features(4000, 1, (3, 3), seed=1))
    clean, noisy = (teach(op.apply, np.zeros((4000, 1)), (3, 3), (1.0,), noise=s, seed=9).outputs for s in (0.0, 0.5))
    # The sample deviation of 4000 normals has relative error 1/sqrt(8000): five of them.
    np.testing.assert_allclose(np.std(noisy - clean), 0.5, rtol=5 / np.sqrt(8000))


def test_several_weights_get_a_truth_each():
    g = {"q": gaussian_features(5, 1, (4, 3), 0), "v": gaussian_features(5, 1, (4, 6), 1)}
    op = TangentOperator.from_dense(g)
    teacher = teach(op.apply, np.zeros((5, 1)), op.shapes, (2.0,), seed=0)
    assert {name: np.linalg.matrix_rank(d) for name, d in teacher.delta.items()} == {"q": 1, "v": 1}


def test_random_frames_are_uniform():
    """For Haar columns E q q^T = (r/b) I and E q_11 = 0; a QR without the sign rule fails the second."""
    rng, draws = np.random.default_rng(0), 4000
    frames = np.stack([random_frame(4, 2, rng) for _ in range(draws)])
    np.testing.assert_allclose(
        np.einsum("kir,kis->krs", frames, frames), np.broadcast_to(np.eye(2), (draws, 2, 2)), atol=1e-12
    )
    projector = np.einsum("kir,kjr->ij", frames, frames) / draws
    # Entries of a projector have standard deviation below 1/2: five standard errors.
    np.testing.assert_allclose(projector, 0.5 * np.eye(4), atol=2.5 / np.sqrt(draws))
    np.testing.assert_allclose(frames.mean(0), 0.0, atol=2.5 / np.sqrt(draws))


def test_gaussian_features_are_standard_normal_and_seeded():
    g = gaussian_features(20, 3, (10, 9), seed=2)
    assert g.shape == (20, 3, 10, 9)
    assert abs(g.mean()) < 5 / np.sqrt(g.size)
    assert abs(g.var() - 1) < 5 * np.sqrt(2 / g.size)
    np.testing.assert_array_equal(g, gaussian_features(20, 3, (10, 9), seed=2))
    a, b = gaussian_factors(4, 2, 3, (5, 6), seed=0)
    assert TangentOperator.from_factors(a, b).shapes == {"w": (5, 6)}


def test_too_many_singular_values_are_refused():
    with pytest.raises(ValueError, match="4 singular values do not fit a 3 x 5 matrix"):
        low_rank_matrix((3, 5), (1, 1, 1, 1), np.random.default_rng(0))
