"""Property: the kernel does not depend on how it is computed: in blocks, in pieces of columns, traced, or piecemeal."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from tests.tangent.networks import CASES, Case, draw


def positions():
    """Layers met at three positions, whose gradients are written out."""

    def f(params, x):
        return params["head"] @ jnp.tanh(jnp.tanh(x @ params["in"]) @ params["w"].T + params["b"]).mean(0)

    params = {"in": draw(8, 7), "w": draw(8, 7), "b": draw(8), "head": draw(3, 8)}
    return Case(f, params, draw(11, 3, 8, seed=1), {})


X = {"own mlp": draw(11, 5, seed=1), "positions": draw(11, 3, 8, seed=1)}


@cache
def reference(name):
    case = positions() if name == "positions" else CASES[name]()
    jacobian = jax.jit(jax.vmap(jax.jacrev(case.f), (None, 0)))(case.params, X[name])
    rows = np.concatenate([np.asarray(leaf).reshape(11, 3, -1) for leaf in jax.tree.leaves(jacobian)], -1)
    return case, np.einsum("ikp,jlp->ijkl", rows, rows)


def blocks_of(monkeypatch, rows, blocks=4):
    monkeypatch.setattr("ntklora.ntk.blocks.FEWEST_ROWS", rows)
    monkeypatch.setattr("ntklora.ntk.blocks.MOST_ROWS", rows)
    monkeypatch.setattr("ntklora.ntk.blocks.BLOCKS", blocks)


# Three outputs, so one block, four of 3 examples, or six of 2 in a loop over pairs; then operands that never fit.
@pytest.mark.parametrize("name", X)
@pytest.mark.parametrize(("rows", "fitting"), [(384, 2**30), (9, 2**30), (6, 2**30), (384, 2**14)])
def test_blocks(monkeypatch, name, rows, fitting):
    case, expected = reference(name)
    blocks_of(monkeypatch, rows)
    monkeypatch.setattr("ntklora.ntk.written.COLUMNS", 24)  # several pieces, the last of them filled up
    monkeypatch.setattr("ntklora.ntk.reading.PASSES", 12)
    monkeypatch.setattr("ntklora.ntk.reading.memory_allowance", lambda: fitting)
    kernel = nl.empirical_ntk(lambda p, x: case.f(p, x), case.params, X[name])  # a new function: nothing cached
    np.testing.assert_allclose(kernel, expected, atol=1e-13 * np.abs(expected).max())
    np.testing.assert_array_equal(kernel, np.transpose(kernel, (1, 0, 3, 2)))


@pytest.mark.parametrize(("name", "rows"), [("own mlp", 3), ("positions", 4), ("positions", 3)])
def test_other_examples_and_trace(monkeypatch, name, rows):
    case, expected = reference(name)
    blocks_of(monkeypatch, rows)  # several blocks, also of the traced kernel
    monkeypatch.setattr("ntklora.ntk.written.COLUMNS", 24)
    f = lambda p, x: case.f(p, x)  # noqa: E731  a new function: nothing cached
    tolerance = 1e-13 * np.abs(expected).max()
    np.testing.assert_allclose(nl.empirical_ntk(f, case.params, X[name][:3], X[name]), expected[:3], atol=tolerance)
    mean = np.einsum("ijkk->ij", expected) / 3
    traced = nl.empirical_ntk(f, case.params, X[name], trace=True)
    np.testing.assert_allclose(traced, mean, atol=tolerance)
    np.testing.assert_array_equal(traced, traced.T)
    crossed = nl.empirical_ntk(f, case.params, X[name], X[name][3:5], trace=True)
    np.testing.assert_allclose(crossed, mean[:, 3:5], atol=tolerance)


def test_under_jit_and_in_single_precision():
    case, expected = reference("own mlp")
    params, x = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (case.params, X["own mlp"]))
    kernel = jax.jit(lambda p, x: nl.empirical_ntk(case.f, p, x))(params, x)
    assert kernel.dtype == jnp.float32
    np.testing.assert_allclose(kernel, expected, atol=1e-5)


def test_targets_add_up():
    case, expected = reference("own mlp")
    weights = nl.empirical_ntk(case.f, case.params, X["own mlp"], targets="*/w")
    biases = nl.empirical_ntk(case.f, case.params, X["own mlp"], targets=["*/b"])
    np.testing.assert_allclose(weights + biases, expected, atol=1e-13)
