"""Property: what cannot be done is refused in one sentence that names the mend."""

import jax.numpy as jnp
import pytest

import ntklora as nl

W, X = jnp.ones((2, 3)), jnp.ones((4, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: nl.tangent_features(lambda p, x: (p @ x).sum(), W, X),
            r"must return .* shape \(K,\).* got float64\[\]",
        ),
        (lambda: nl.tangent_features(lambda p, x: (p @ x, x), W, X), r"got float64\[2\], float64\[3\]"),
        (lambda: nl.empirical_ntk(lambda p, x: jnp.argmax(p @ x)[None], W, X), "floating-point"),
        (lambda: nl.tangent_features(lambda p, x: p["w"] @ x, {"w": W}, X, "v"), "unknown target 'v'.*'w'"),
        (lambda: nl.empirical_ntk(lambda p, x: p["w"] @ x, {"w": W}, X, targets=["u"]), "unknown target 'u'"),
        (lambda: nl.tangent_features(lambda p, x: p @ x, W, jnp.ones(())), "one leading axis of N >= 1"),
        (lambda: nl.empirical_ntk(lambda p, x: p @ x, W, jnp.ones((0, 3))), "one leading axis of N >= 1"),
        (lambda: nl.empirical_ntk(lambda p, x: p @ x[0], W, (X, X[:2])), "one leading axis"),
        (lambda: nl.empirical_ntk(lambda p, x: p @ x, W, X, jnp.ones((4, 2))), "x1 and x2 must hold examples of one"),
    ],
)
def test_misuse(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_features_too_large_for_memory(monkeypatch):
    monkeypatch.setattr("ntklora.tangent.features.memory_allowance", lambda: 2**10)
    # Masked entry by entry, so dense: 4·2·6 numbers fit, those of 100 examples do not.
    mask = jnp.tril(jnp.ones((2, 3)))
    assert nl.tangent_features(lambda p, x: (mask * p) @ x, W, X).layout == {"": "dense"}
    message = r"GiB may be used.*dense \(.*rows and columns.*N = 100, K = 2, 2 x 3.*at most 10 examples"
    with pytest.raises(ValueError, match=message):
        nl.tangent_features(lambda p, x: (mask * p) @ x, W, jnp.ones((100, 3)))
