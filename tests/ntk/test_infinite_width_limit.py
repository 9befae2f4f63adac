"""Property: the closed form is what the kernels and outputs of finite networks converge to, at the rate of a mean."""

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.models import MLP
from ntklora.models.layers import Parametrization
from ntklora.ntk.infinite_width import infinite_width

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 5))
OTHER = RNG.standard_normal((3, 5))


def finite(activation, width, seeds, targets, bias):
    """Kernels of a few networks of one width."""
    model = MLP((5, width, width, 2), activation=activation, bias_std=bias)
    init = jax.jit(model.init)
    kernels = [nl.empirical_ntk(model.apply, init(jax.random.key(s)), X, targets=targets) for s in range(seeds)]
    return np.array(kernels)


@pytest.mark.parametrize(
    ("activation", "targets", "bias"), [(jax.nn.relu, "parameters", 0.5), (jax.lax.erf, ["hidden*/w"], 0.0)]
)
def test_kernels_of_wide_networks_approach_it_at_the_rate_of_a_mean(activation, targets, bias):
    limit = nl.infinite_width_ntk(MLP((5, 1, 1, 2), activation, bias_std=bias), X, targets=targets)
    sizes = {}
    for width, seeds in ((32, 24), (512, 24)):
        errors = finite(activation, width, seeds, targets, bias) - limit
        sizes[width] = np.sqrt((errors**2).sum((1, 2, 3, 4)).mean())
        # The mean over networks is off by its own standard error, and by a bias of order 1/width.
        deviation = errors.std(0, ddof=1) / np.sqrt(seeds)
        assert np.all(np.abs(errors.mean(0)) <= 5 * deviation + 2 / width * np.abs(limit).max())
    assert sizes[32] / sizes[512] == pytest.approx(4.0, rel=0.5)
    assert sizes[512] < 0.15 * np.linalg.norm(limit)


def test_without_hidden_layers_it_is_the_network_itself():
    model = MLP((5, 3), bias_std=0.3, readout_std=1.7)
    params = model.init(jax.random.key(0))
    for targets, other in (("parameters", None), ("matrices", OTHER), ("readout/b", None)):
        exact = nl.empirical_ntk(model.apply, params, X, other, targets=targets)
        assert np.allclose(nl.infinite_width_ntk(model, X, other, targets=targets), exact, rtol=1e-13)


def test_two_sets_of_examples_agree_with_one_and_outputs_share_nothing():
    for activation in (jax.nn.relu, jax.scipy.special.erf):
        model = MLP((5, 9, 9, 9, 3), activation)
        whole = nl.infinite_width_ntk(model, np.concatenate([X, OTHER]))
        assert np.allclose(whole[:4, 4:], nl.infinite_width_ntk(model, X, OTHER), rtol=1e-12)
        assert np.array_equal(whole, whole.transpose(1, 0, 3, 2))
        assert np.array_equal(whole[..., 0, 1], np.zeros((7, 7)))
        assert np.linalg.eigvalsh(whole[..., 0, 0])[0] > 0


def test_outputs_of_a_wide_network_have_its_covariance():
    # Given the hidden layers, outputs are independent draws: K of them estimate one covariance.
    model = MLP((5, 1024, 1024, 2048), bias_std=0.3, readout_std=1.2)
    outputs = np.asarray(jax.vmap(model.apply, (None, 0))(jax.jit(model.init)(jax.random.key(1)), X))
    covariance = infinite_width(model, X).covariance
    assert np.abs(outputs @ outputs.T / 2048 - covariance).max() < 0.15 * covariance.max()


def test_what_has_no_limit_or_no_closed_form_is_refused():
    for model, words in (
        (MLP((5, 8, 1), parametrization=Parametrization.standard), "grows with the width"),
        (MLP((5, 8, 1), jax.nn.gelu), "no closed form"),
        (MLP((6, 8, 1)), "the network takes 6"),
    ):
        with pytest.raises(ValueError, match=words):
            nl.infinite_width_ntk(model, X)
    with pytest.raises(ValueError, match="unknown target 'hidden7/w'"):
        nl.infinite_width_ntk(MLP((5, 8, 1)), X, targets="hidden7/w")
    with pytest.raises(ValueError, match="input of zeros"):
        nl.infinite_width_ntk(MLP((5, 8, 1), bias_std=0.0), 0 * X)
