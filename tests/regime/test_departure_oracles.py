"""Property: each measure is what an independent computation gives for it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from tests.regime.networks import HELD_OUT, KEY, NETWORKS, RECORDED, X, Y, linear, problem_of, regime_of

DISTANCES = ("kernel_drift", "output_distance", "held_out_distance", "delta_distance")


def test_a_network_linear_in_its_weight_never_departs():
    answer = regime_of(linear())
    for path in answer:
        assert path.objective[-1] < 0.9 * path.objective[0]
        for name in DISTANCES:
            np.testing.assert_allclose(getattr(path, name), 0.0, atol=1e-12)
        np.testing.assert_allclose(path.objective, path.linearized_objective, rtol=1e-12)
        assert path.end_of_regime(1e-9) is None


def test_rounding_at_the_start_is_no_departure():
    """LoRA's δ is 0 there: outputs that another program computed differ by an ulp, and nothing has moved."""
    case = NETWORKS["house"]()
    problem = problem_of(case)
    rounded = eqx.tree_at(lambda p: p.f0, problem, jnp.nextafter(problem.f0, jnp.inf))
    path = nl.lora_departure(case.f, case.params, X, rounded, 2, KEY, steps=12, recorded=RECORDED, held_out=HELD_OUT)
    assert (path.output_distance[0], path.held_out_distance[0]) == (0.0, 0.0)
    assert (path.output_distance[1:] > 0.0).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_linearized_side_is_what_the_library_trains(name):
    case = NETWORKS[name]()
    problem, answer = problem_of(case), regime_of(case)
    lora, full = nl.train_lora(problem, 2, KEY, steps=12), nl.train_full(problem, steps=12)
    for path, alone in zip(answer, (lora, full), strict=True):
        np.testing.assert_allclose(path.linearized_objective, alone.objective[path.steps], rtol=1e-10)
        assert path.learning_rate == pytest.approx(float(alone.learning_rate), rel=1e-12)
        np.testing.assert_allclose(path.time, path.learning_rate * path.steps)
    deltas = problem.op.as_dict(full.delta)
    size = np.sqrt(sum((np.asarray(delta) ** 2).sum() for delta in deltas.values()))
    assert answer.full.linearized_change[-1] == pytest.approx(size, rel=1e-9)


def test_the_true_side_is_the_plain_loop():
    """Equinox's MLP written out by hand, three steps of LoRA and of proximal gradient, kernel by `jacrev`."""
    case = NETWORKS["equinox"]()
    problem = problem_of(case)
    first, last = case.params.layers
    rate, lam = 0.3, 0.02

    def f(w, x):
        return last.weight @ jnp.tanh(w @ x + first.bias) + last.bias

    def loss(w):
        return jnp.mean(0.5 * (jax.vmap(f, (None, 0))(w, X)[:, 0] - Y) ** 2)

    def kernel(w):
        rows = jax.vmap(jax.jacrev(f), (None, 0))(w, X).reshape(len(X), -1)
        return rows @ rows.T

    w0 = first.weight
    us, vs = (each["layers/0/weight"] for each in nl.Kaiming()(problem, 2, KEY))
    whole = jnp.zeros_like(w0)
    for _ in range(3):
        slope = jax.grad(loss)(w0 + us @ vs.T)
        us, vs = us - rate * (slope @ vs + lam * us), vs - rate * (slope.T @ us + lam * vs)
        left, values, right = np.linalg.svd(whole - rate * jax.grad(loss)(w0 + whole), full_matrices=False)
        whole = (left * np.maximum(values - rate * lam, 0)) @ right
    answer = regime_of(case, steps=3, learning_rate=rate, recorded=(0, 1, 2, 3))
    penalties = (0.5 * lam * ((us**2).sum() + (vs**2).sum()), lam * np.linalg.norm(np.asarray(whole), "nuc"))
    for path, delta, penalty in zip(answer, (us @ vs.T, whole), penalties, strict=True):
        assert path.steps.tolist() == [0, 1, 2, 3]
        assert path.change[-1] == pytest.approx(np.linalg.norm(delta), rel=1e-10)
        assert path.weight_change[-1] == pytest.approx(np.linalg.norm(delta) / np.linalg.norm(w0), rel=1e-10)
        drift = np.linalg.norm(kernel(w0 + delta) - kernel(w0)) / np.linalg.norm(kernel(w0))
        assert path.kernel_drift[-1] == pytest.approx(drift, rel=1e-8)
        assert path.objective[-1] == pytest.approx(float(loss(w0 + delta) + penalty), rel=1e-10)


def test_held_out_distance_is_that_of_the_two_networks():
    """One step from zero of full fine-tuning is the same for both networks: the distance is Taylor's remainder."""
    case = NETWORKS["house"]()
    problem = problem_of(case)
    path = regime_of(case, steps=3, recorded=(0, 1, 2, 3)).full
    delta = nl.train_full(problem, steps=1).delta
    moved = nl.apply_delta(case.params, delta, problem.op)
    f_lin = nl.linearize(case.f, case.params)
    for x, distance in ((X, path.output_distance), (HELD_OUT, path.held_out_distance)):
        true, linearized, start = (
            jax.vmap(f, (None, 0))(params, x) for f, params in ((case.f, moved), (f_lin, moved), (case.f, case.params))
        )
        expected = np.linalg.norm(true - linearized) / np.linalg.norm(linearized - start)
        assert distance[1] == pytest.approx(expected, rel=1e-6)
    assert path.delta_distance[1] < 1e-12


def test_centring_takes_the_outputs_at_the_start_away_and_nothing_else():
    case = NETWORKS["house"]()
    f = nl.centred(case.f, case.params)
    problem, raw = problem_of(case._replace(f=f)), problem_of(case)
    np.testing.assert_array_equal(problem.f0, 0.0)
    np.testing.assert_allclose(problem.op.gram(), raw.op.gram(), rtol=1e-12)
    moved = jax.tree.map(lambda leaf: 1.1 * leaf, case.params)
    np.testing.assert_allclose(f(moved, X[0]), case.f(moved, X[0]) - case.f(case.params, X[0]), rtol=1e-12)
