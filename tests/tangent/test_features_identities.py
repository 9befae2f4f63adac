"""Property: the operator of a network is its first-order model: A is a directional derivative, A* its transpose."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from tests.tangent.networks import CASES, draw


def several():
    case = CASES["strided convolution"]()  # its kernel has its axes in flax's order
    op = nl.tangent_features(case.f, case.params, case.x)
    deltas = {name: draw(*shape, seed=8) for name, shape in op.shapes.items()}
    return case, op, deltas


def test_apply_is_the_directional_derivative_and_the_linearized_change():
    case, op, deltas = several()
    moved = nl.apply_delta(case.params, deltas, op)
    f_lin = nl.linearize(case.f, case.params)

    @jax.jit
    @jax.vmap
    def expected(x):
        step = jax.tree.map(lambda new, old: new - old, moved, case.params)
        f0, slope = jax.jvp(lambda p: case.f(p, x), (case.params,), (step,))
        return slope, f_lin(moved, x) - f0

    for change in expected(case.x):
        np.testing.assert_allclose(op.apply(deltas), change, atol=1e-13)


def test_adjoint_is_the_transpose():
    _, op, deltas = several()
    alpha = draw(op.num_samples, op.num_outputs, seed=9)
    forth = jnp.sum(op.apply(deltas) * alpha)
    back = sum(jnp.sum(matrix * deltas[name]) for name, matrix in op.adjoint(alpha).items())
    assert float(forth) == pytest.approx(float(back), rel=1e-13)


def test_gram_is_the_kernel_of_the_same_targets():
    case, op, _ = several()
    kernel = nl.empirical_ntk(case.f, case.params, case.x, targets="matrices")
    np.testing.assert_allclose(op.gram(), kernel, atol=1e-12 * float(jnp.abs(kernel).max()))


def test_one_target_has_arrays_several_have_dicts():
    case = CASES["custom_vjp"]()
    one, both = (nl.tangent_features(case.f, case.params, case.x, targets) for targets in ("w", ["r", "w"]))
    assert one.apply(jnp.ones((5, 4))).shape == (3, 2)
    assert one.adjoint(jnp.ones((3, 2))).shape == (5, 4)
    assert set(both.adjoint(jnp.ones((3, 2)))) == {"r", "w"}
    np.testing.assert_array_equal(nl.apply_delta(case.params, jnp.ones((5, 4)), one)["w"], case.params["w"] + 1)


def test_every_parameter_as_a_target():
    case = CASES["own mlp"]()
    op = nl.tangent_features(case.f, case.params, case.x, "parameters")
    assert op.shapes["hidden0/b"] == (6, 1)
    assert dict(op.reasons)["hidden0/b"].startswith("a vector")
    kernel = nl.empirical_ntk(case.f, case.params, case.x)
    np.testing.assert_allclose(op.gram(), kernel, atol=1e-12 * float(jnp.abs(kernel).max()))


def test_a_leaf_of_three_axes_is_split_where_the_layer_splits_it():
    case = CASES["einsum attention"]()
    op = nl.tangent_features(case.f, case.params, case.x, "o")
    assert op.shapes == {"o": (4, 3)}
    assert op.layout == {"o": "factored"}
    stack = CASES["scan over layers"]()
    with pytest.raises(ValueError, match="neither as one matrix nor as a convolution kernel"):
        nl.tangent_features(stack.f, stack.params, stack.x, "stack/w")


def test_numpy_inputs_float32_and_examples_that_are_pytrees():
    params = {"w": np.ones((2, 3), np.float32), "gain": 2.0}
    batch = {"a": np.ones((4, 3), np.float32), "b": np.zeros((4, 2), np.float32)}
    op = nl.tangent_features(lambda p, x: p["gain"] * p["w"] @ x["a"] + x["b"], params, batch)
    assert op.apply(jnp.ones((2, 3), jnp.float32)).dtype == jnp.float32
    np.testing.assert_array_equal(op.apply(jnp.ones((2, 3), jnp.float32)), 6.0)


def test_many_examples_are_computed_in_pieces(monkeypatch):
    case = CASES["custom_vjp"]()
    whole = nl.tangent_features(case.f, case.params, case.x)
    monkeypatch.setattr("ntklora.tangent.features.ROWS", 4)  # 2 examples at a time, the last one alone
    pieces = nl.tangent_features(lambda p, x: case.f(p, x), case.params, case.x)
    for name, block in whole.blocks.items():
        np.testing.assert_allclose(pieces.blocks[name].dense(), block.dense(), atol=1e-14)


def test_positions_that_share_a_signal_or_an_input_are_one():
    """Before a mean all positions have one signal, after a repetition one input: the other is summed."""
    w, x = draw(4, 5), draw(3, 6, 4)
    pooled = nl.tangent_features(lambda p, x: (x @ p).mean(0), w, x)
    mixed = jnp.tile(jnp.arange(1.0, 7.0), (5, 1)).T
    repeated = nl.tangent_features(lambda p, x: (mixed * (jnp.broadcast_to(x[0], (6, 4)) @ p)).sum(0), w, x)
    for op, f in ((pooled, lambda p, x: (x @ p).mean(0)), (repeated, lambda p, x: mixed.sum(0) * (x[0] @ p))):
        (block,) = op.blocks.values()
        assert block.of.num_positions == 1
        np.testing.assert_allclose(block.dense(), jax.vmap(jax.jacrev(f), (None, 0))(w, x), atol=1e-14)
