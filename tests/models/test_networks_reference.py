"""Each network computes what a plain NumPy/SciPy transcription of its formula computes."""

import jax
import numpy as np
import pytest
from scipy.signal import correlate2d
from scipy.special import erf

from ntklora.models import CNN, MLP, Transformer
from ntklora.models.transformer import positions

X = np.asarray(jax.random.normal(jax.random.key(2), (64,)))


def host(params):
    return jax.tree.map(np.asarray, params)


def test_mlp():
    model = MLP((64, 7, 5, 3))
    p = host(jax.jit(model.init)(jax.random.key(0)))
    h = X
    for name in ("hidden0", "hidden1"):
        h = np.maximum(np.sqrt(2 / h.size) * p[name]["w"] @ h + 0.1 * p[name]["b"], 0)
    expected = p["readout"]["w"] @ h / np.sqrt(5) + 0.1 * p["readout"]["b"]
    np.testing.assert_allclose(jax.jit(model.apply)(p, X), expected, rtol=1e-10)


def test_cnn_with_unit_strides():
    model = CNN(3, channels=(4, 2))
    p = host(jax.jit(model.init)(jax.random.key(0)))
    h = X.reshape(1, 8, 8)
    for name in ("conv0", "conv1"):
        w = p[name]["w"]
        maps = [sum(correlate2d(c, k, mode="same") for c, k in zip(h, filters)) for filters in w]
        h = np.maximum(np.sqrt(2 / w[0].size) * np.stack(maps) + 0.1 * p[name]["b"][:, None, None], 0)
    expected = p["readout"]["w"] @ h.ravel() / np.sqrt(h.size) + 0.1 * p["readout"]["b"]
    np.testing.assert_allclose(jax.jit(model.apply)(p, X), expected, rtol=1e-10)


def test_transformer():
    model = Transformer(3, width=12, heads=3, depth=1, hidden=10)
    p = host(jax.jit(model.init)(jax.random.key(0)))

    def linear(layer, x):
        return x @ layer["w"].T / np.sqrt(layer["w"].shape[1]) + 0.1 * layer["b"]

    def norm(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)

    h = linear(p["embed"], X.reshape(8, 8)) + positions(8, 12)
    block, attended = p["block0"], np.zeros((8, 12))
    q, k, v = (linear(block[name], norm(h)) for name in "qkv")
    for head in range(3):
        s = slice(4 * head, 4 * head + 4)
        for t in range(8):
            score = np.exp(k[:, s] @ q[t, s] / 2.0)
            attended[t, s] = score @ v[:, s] / score.sum()
    h = h + linear(block["o"], attended)
    up = linear(block["up"], norm(h))
    h = h + linear(block["down"], 0.5 * up * (1 + erf(up / np.sqrt(2))))
    np.testing.assert_allclose(jax.jit(model.apply)(p, X), linear(p["readout"], norm(h).mean(0)), rtol=1e-9)


@pytest.mark.parametrize(
    "model",
    [MLP((64, 4, 2)), CNN(2, channels=(3, 3), strides=(2, 3)), Transformer(2, width=8, hidden=8)],
    ids=lambda model: type(model).__name__,
)
def test_every_network_takes_a_digit_in_any_shape(model):
    def outputs(x, key):
        return jax.eval_shape(lambda x: model.apply(model.init(key), x), x)

    assert {outputs(X.reshape(shape), jax.random.key(0)).shape for shape in ((64,), (8, 8), (1, 8, 8))} == {(2,)}


def test_networks_are_values():
    assert MLP((64, 4, 2)) == MLP((64, 4, 2))
    assert len({CNN(2), CNN(2), Transformer(2), Transformer(3)}) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLP((64,)), "expected \\(inputs, hidden"),
        (lambda: CNN(2, channels=(3, 3), strides=(1,)), "one entry for each of channels"),
        (lambda: Transformer(2, width=30, heads=4), "heads = 4 must divide width = 30"),
        (
            lambda: MLP((64, 4, 2), parametrization="ntkk").init(jax.random.key(0)),
            "parametrization must be one of ntk, standard, got 'ntkk'",
        ),
    ],
)
def test_impossible_networks_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
