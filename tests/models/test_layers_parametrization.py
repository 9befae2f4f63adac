"""NTK and standard parametrization: one random function, two scales of its gradient."""

import jax
import numpy as np
import pytest

from ntklora.models import CNN, MLP, Parametrization, Transformer

X = jax.random.normal(jax.random.key(1), (64,))
PAIRS = [
    (MLP, {"sizes": (64, 24, 20, 3)}),
    (CNN, {"num_outputs": 3, "channels": (5, 4), "strides": (1, 2)}),
    (Transformer, {"num_outputs": 3, "width": 16, "hidden": 24}),
]


@pytest.mark.parametrize(("network", "options"), PAIRS, ids=lambda p: getattr(p, "__name__", ""))
def test_same_draw_gives_the_same_function_in_both(network, options):
    ntk, standard = network(**options), network(**options, parametrization=Parametrization.standard)
    first, second = (jax.jit(lambda key, m=m: m.apply(m.init(key), X))(jax.random.key(0)) for m in (ntk, standard))
    np.testing.assert_allclose(first, second, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("parametrization", Parametrization)
def test_weights_have_the_variance_of_their_parametrization(parametrization):
    model = MLP((64, 400, 300, 10), parametrization=parametrization, weight_std=1.7, bias_std=0.3)
    params = jax.jit(model.init)(jax.random.key(3))
    for name, fan_in in (("hidden0", 64), ("hidden1", 400)):
        w = np.asarray(params[name]["w"])
        expected = 1.0 if parametrization is Parametrization.ntk else 1.7**2 / fan_in
        # The sample variance of n Gaussians has relative standard deviation sqrt(2/n); five of them.
        np.testing.assert_allclose(w.var(), expected, rtol=5 * np.sqrt(2 / w.size))
    bias = np.asarray(params["hidden0"]["b"])
    expected = 1.0 if parametrization is Parametrization.ntk else 0.09
    np.testing.assert_allclose(bias.var(), expected, rtol=5 * np.sqrt(2 / bias.size))


def test_second_moment_of_relu_network_follows_its_recursion_at_finite_width():
    """E f² for ReLU: q <- σ_w² q/2 + σ_b² from q_0 = σ_w² |x|²/n + σ_b²; the readout has q/2 + σ_b²."""
    model = MLP((64, 3, 3, 1), weight_std=1.3, bias_std=0.4)
    draws = 20_000
    values = jax.jit(jax.vmap(lambda key: model.apply(model.init(key), X)[0]))(
        jax.random.split(jax.random.key(7), draws)
    )
    q = 1.3**2 * float(X @ X) / 64 + 0.16
    q = 1.3**2 * q / 2 + 0.16
    expected = q / 2 + 0.16
    squares = np.asarray(values) ** 2
    assert abs(squares.mean() - expected) < 4.5 * squares.std() / np.sqrt(draws)


def test_kernel_keeps_its_scale_with_width_under_ntk_only():
    """The coordinate check, with the failing parametrization beside the passing one."""

    def trace(width, parametrization):
        model = MLP((64, width, width, 1), parametrization=parametrization)
        gradient = jax.jit(lambda key: jax.grad(lambda p: model.apply(p, X)[0])(model.init(key)))(jax.random.key(5))
        return sum(float(np.sum(np.square(g))) for g in jax.tree.leaves(gradient))

    growth = {p: trace(1024, p) / trace(64, p) for p in Parametrization}
    assert 0.5 < growth[Parametrization.ntk] < 2.0
    assert growth[Parametrization.standard] > 6.0


def test_no_biases_when_their_deviation_is_zero():
    model = MLP((64, 8, 2), bias_std=0.0)
    params = model.init(jax.random.key(0))
    assert all(set(layer) == {"w"} for layer in params.values())
    np.testing.assert_allclose(model.apply(params, 2.0 * X), 2.0 * model.apply(params, X), rtol=1e-12)
