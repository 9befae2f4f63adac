"""Property: `linearize` is the first-order Taylor expansion, affine in the parameters, for any pytree."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl


def net(params, x):
    h = jnp.tanh(params["layers"][0] @ x + params["bias"])
    return params["layers"][1] @ h


PARAMS = {
    "layers": [jnp.asarray(np.random.default_rng(i).normal(size=s)) for i, s in enumerate([(5, 3), (2, 5)])],
    "bias": jnp.ones(5),
}
STEP = jax.tree.map(lambda p: jnp.asarray(np.random.default_rng(7).normal(size=p.shape)), PARAMS)
X = jnp.asarray(np.random.default_rng(9).normal(size=3))


def moved(t):
    return jax.tree.map(lambda p, s: p + t * s, PARAMS, STEP)


def test_taylor_error_has_slope_two():
    f_lin = jax.jit(nl.linearize(net, PARAMS))
    steps = np.array([1e-2, 1e-3, 1e-4])
    errors = [float(jnp.abs(net(moved(t), X) - f_lin(moved(t), X)).max()) for t in steps]
    slopes = np.diff(np.log(errors)) / np.diff(np.log(steps))
    np.testing.assert_allclose(slopes, 2.0, atol=0.02)


def test_affine_exact_at_the_base_point_and_of_the_right_slope():
    f_lin = nl.linearize(net, PARAMS)
    np.testing.assert_array_equal(f_lin(PARAMS, X), net(PARAMS, X))
    slope = jax.jvp(lambda p: net(p, X), (PARAMS,), (STEP,))[1]
    np.testing.assert_allclose(f_lin(moved(3.0), X) - f_lin(PARAMS, X), 3.0 * slope, rtol=1e-13)


def test_functions_and_integers_among_the_leaves_stay():
    model = eqx.nn.MLP(3, 2, 4, 1, key=jax.random.key(0))  # its activation is a leaf of the module
    f_lin = nl.linearize(lambda m, x: m(x), model)
    np.testing.assert_allclose(f_lin(model, X), model(X), rtol=1e-12)
    counted = {"w": jnp.ones(3), "step": jnp.asarray(2)}
    assert nl.linearize(lambda p, x: p["step"] * p["w"] @ x, counted)(counted, X).dtype == X.dtype


def test_another_pytree_is_refused():
    with pytest.raises(ValueError, match="pytree like params"):
        nl.linearize(net, PARAMS)({"bias": jnp.ones(5)}, X)
    with pytest.raises(ValueError, match="no floating-point array"):
        nl.linearize(net, {"n": 3})
