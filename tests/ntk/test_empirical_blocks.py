"""Property: the kernel does not depend on how it is computed: in blocks, traced, from operands or from gradients."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from ntklora.ntk.shares import Gradients, Products, TwoSidedProducts, grams_pay
from tests.tangent.networks import CASES, draw

X = draw(11, 5, seed=1)


@cache
def mlp():
    case = CASES["own mlp"]()
    jacobian = jax.jit(jax.vmap(jax.jacrev(case.f), (None, 0)))(case.params, X)
    rows = np.concatenate([np.asarray(leaf).reshape(11, 3, -1) for leaf in jax.tree.leaves(jacobian)], -1)
    return case, np.einsum("ikp,jlp->ijkl", rows, rows)


# Rows of a block: 3 outputs each, so one block, blocks of 4 examples, and of 2 in a loop over pairs.
@pytest.mark.parametrize(("rows", "kept"), [(384, True), (12, True), (6, True), (384, False)])
def test_blocks(monkeypatch, rows, kept):
    case, expected = mlp()
    monkeypatch.setattr("ntklora.ntk.blocks.ROWS", rows)
    if not kept:
        monkeypatch.setattr("ntklora.ntk.reading.memory_allowance", lambda: 2**10)
    kernel = nl.empirical_ntk(lambda p, x: case.f(p, x), case.params, X)  # a new function: nothing cached
    np.testing.assert_allclose(kernel, expected, atol=1e-13)
    np.testing.assert_array_equal(kernel, np.transpose(kernel, (1, 0, 3, 2)))


def test_other_examples_and_trace(monkeypatch):
    case, expected = mlp()
    monkeypatch.setattr("ntklora.ntk.blocks.ROWS", 4)  # several blocks, also of the traced kernel
    f = lambda p, x: case.f(p, x)  # noqa: E731  a new function: nothing cached
    np.testing.assert_allclose(nl.empirical_ntk(f, case.params, X[:3], X), expected[:3], atol=1e-13)
    mean = np.einsum("ijkk->ij", expected) / 3
    traced = nl.empirical_ntk(f, case.params, X, trace=True)
    np.testing.assert_allclose(traced, mean, atol=1e-13)
    np.testing.assert_array_equal(traced, traced.T)


def test_under_jit_and_in_single_precision():
    case, expected = mlp()
    params, x = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (case.params, X))
    kernel = jax.jit(lambda p, x: nl.empirical_ntk(case.f, p, x))(params, x)
    assert kernel.dtype == jnp.float32
    np.testing.assert_allclose(kernel, expected, atol=1e-5)


def test_targets_add_up():
    case, expected = mlp()
    weights = nl.empirical_ntk(case.f, case.params, X, targets="*/w")
    biases = nl.empirical_ntk(case.f, case.params, X, targets=["*/b"])
    np.testing.assert_allclose(weights + biases, expected, atol=1e-13)


@pytest.mark.parametrize("shape", [(2, 1, 1, 3, 4), (2, 3, 1, 3, 4), (2, 3, 2, 3, 4)])
@pytest.mark.parametrize("trace", [False, True])
def test_grams_and_gradients_agree(shape, trace):
    k, t, s, m, q = shape
    signal, known = draw(4, k, t, s, m), draw(4, t, s, q)
    one, two = (jax.jit(lambda p: p.share(p, trace))(Products(signal, known, grams)) for grams in (True, False))
    np.testing.assert_allclose(one, two, atol=1e-13)


@pytest.mark.parametrize("trace", [False, True])
def test_both_sides_of_a_weight(trace):
    upright = Products(draw(4, 2, 3, 1, 5), draw(4, 3, 1, 6), True)
    flipped = Products(draw(4, 2, 2, 1, 6, seed=1), draw(4, 2, 1, 5, seed=1), True)

    @jax.jit
    def both_ways(upright, flipped):
        rows = upright.gradients().rows.reshape(4, 2, 5, 6)
        rows = rows + flipped.gradients().rows.reshape(4, 2, 6, 5).swapaxes(2, 3)
        written, both = Gradients(rows.reshape(4, 2, 30)), TwoSidedProducts(upright, flipped)
        return both.share(both, trace), written.share(written, trace)

    np.testing.assert_allclose(*both_ways(upright, flipped), atol=1e-13)


def test_operations_decide():
    assert grams_pay((10, 1, 1, 512, 512), 38, False)
    assert not grams_pay((10, 64, 1, 64, 576), 38, False)  # a convolution: 64 positions
    assert grams_pay((10, 16, 1, 64, 4096), 38, False)
