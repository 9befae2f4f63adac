"""The trajectories of H1, H3 and H4 against integrated gradient flows and plain loops."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntklora.data.teacher_student import low_rank_matrix
from ntklora.theory import hrp

SIGMA = np.array([2.0, 1.0, 0.5])
TARGET = low_rank_matrix((5, 6), SIGMA, np.random.default_rng(0))


@jax.jit
def flow(left, right, scale, trained, times):
    """Gradient flow of ½‖s B Aᵀ − M‖², each factor's velocity multiplied by its entry of `trained`."""

    def velocity(_, state, args):
        b, a = state
        residual = scale * b @ a.T - TARGET
        return -trained[0] * scale * residual @ a, -trained[1] * scale * residual.T @ b

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(velocity), diffrax.Dopri8(), 0.0, times[-1], 1e-3, (left, right),
        saveat=diffrax.SaveAt(ts=times), stepsize_controller=diffrax.PIDController(rtol=1e-11, atol=1e-12),
        max_steps=100_000,
    )  # fmt: skip
    return solution.ys


def test_asymmetric_flow_from_zero():
    right = np.random.default_rng(1).standard_normal((6, 3))
    times = np.array([0.05, 0.4, 3.0])
    b, a = flow(jnp.zeros((5, 3)), jnp.asarray(right), 0.7, (1.0, 0.0), times)
    for i, time in enumerate(times):
        expected = hrp.asymmetric_flow(TARGET, right, time, 0.7)
        np.testing.assert_allclose(0.7 * b[i] @ a[i].T, expected, atol=1e-9)


def test_classic_flow_from_aligned_start_decouples_into_its_modes():
    v = np.linalg.svd(TARGET)[2][:3].T
    initial, times = np.array([1.0, 0.3, 2.0]), np.array([0.1, 1.0, 4.0])
    b, a = flow(jnp.zeros((5, 3)), jnp.asarray(v * initial), 1.5, (1.0, 1.0), times)
    u = np.linalg.svd(TARGET)[0][:, :3]
    for i in range(3):
        expected = hrp.classic_mode(SIGMA[i], initial[i], times, 1.5)
        modes = np.einsum("m,tmn,n->t", u[:, i], 1.5 * np.einsum("tmr,tnr->tmn", b, a), v[:, i])
        np.testing.assert_allclose(modes, expected, rtol=1e-7)
        left = SIGMA[i] - hrp.classic_mode(SIGMA[i], initial[i], np.array([6.0, 6.5]), 1.5)
        if left[1] > 1e-10:
            np.testing.assert_allclose(
                2 * np.log(left[0] / left[1]), hrp.classic_rate(SIGMA[i], initial[i], 1.5), rtol=1e-3
            )


def test_classic_rate_is_the_one_of_the_linearized_mode():
    assert hrp.classic_rate(2.0, 1.0) == pytest.approx(np.sqrt(17.0))
    assert np.all(hrp.classic_mode(0.0, 1.0, np.array([1.0, 2.0])) == 0.0)


def test_classic_flow_in_a_span_of_singular_vectors_stays_there():
    v = np.linalg.svd(TARGET)[2].T[:, [0, 2]]
    mix = np.array([[1.0, 0.4], [-0.2, 0.8]])
    b, a = flow(jnp.zeros((5, 2)), jnp.asarray(v @ mix), 1.0, (1.0, 1.0), np.array([60.0]))
    loss = 0.5 * np.sum((b[0] @ a[0].T - TARGET) ** 2)
    np.testing.assert_allclose(loss, hrp.subset_loss(SIGMA, [0, 2]), rtol=1e-6)
    assert loss > hrp.eckart_young(SIGMA, 2) + 0.1, "a saddle, not the best rank-2 point"
    assert hrp.subset_loss(SIGMA, [0, 1]) == pytest.approx(hrp.eckart_young(SIGMA, 2))


def test_asymmetric_descent_is_exact_at_every_step():
    rng = np.random.default_rng(2)
    right, b, step, scale = rng.standard_normal((6, 3)), np.zeros((5, 3)), 0.05, 1.3
    for k in range(1, 31):
        b = b - step * scale * (scale * b @ right.T - TARGET) @ right
        if k in (1, 7, 30):
            expected = hrp.asymmetric_descent(TARGET, right, step, k, scale)
            np.testing.assert_allclose(scale * b @ right.T, expected, atol=1e-13)


def test_wise_start_converges_within_its_bound_and_reaches_it():
    v = np.linalg.svd(TARGET)[2][:2].T
    best = hrp.asymmetric_flow(TARGET, v, 1e6)
    for mix, tight in ((np.eye(2), True), (np.array([[1.0, 0.5], [0.0, 0.4]]), False)):
        for time in (0.1, 1.0, 5.0):
            distance = np.sum((hrp.asymmetric_flow(TARGET, v @ mix, time) - best) ** 2)
            bound = hrp.wise_distance_bound(TARGET, v @ mix, 2, time)
            assert distance <= bound * (1 + 1e-9)
            assert (distance >= bound * (1 - 1e-6)) == tight
