"""Property: one parameter's share is the same through Gram matrices and from gradients that are written out."""

import jax
import numpy as np
import pytest

from ntklora.ntk.shares import Grams, TwoSidedGrams, grams_pay
from ntklora.ntk.written import Gradients, Outer, written_products
from tests.tangent.networks import draw


def product(parts, trace):
    """The products of one block with itself, `(4, 2, 4, 2)` or `(4, 4)`."""
    blocks = jax.tree.map(lambda leaf: leaf[None], parts)
    (rows,) = written_products(blocks, None, np.zeros((1, 2), int), trace)
    return rows if trace else rows.reshape(4, 2, 4, 2)


@pytest.mark.parametrize("shape", [(1, 1, 3, 4), (3, 1, 3, 4), (3, 2, 3, 4)])
@pytest.mark.parametrize("trace", [False, True])
def test_grams_and_gradients(shape, trace):
    t, s, m, q = shape
    signal, known = draw(4, 2, t, s, m), draw(4, t, s, q)
    layers = [Outer(signal[..., i, :], known[..., i, :]) for i in range(s)]
    one = Grams(signal, known).share(Grams(signal, known), trace)
    np.testing.assert_allclose(one, product(layers, trace), atol=1e-13)


@pytest.mark.parametrize("trace", [False, True])
def test_both_sides_of_a_weight(trace):
    signal, known, signal_too, known_too = draw(4, 2, 3, 5), draw(4, 3, 6), draw(4, 2, 2, 6), draw(4, 2, 5)
    rows = np.einsum("iktm,itq->ikmq", signal, known) + np.einsum("iktq,itm->ikmq", signal_too, known_too)
    upright, flipped = (
        Grams(signal[:, :, :, None], known[:, :, None]),
        Grams(signal_too[:, :, :, None], known_too[:, :, None]),
    )
    both = TwoSidedGrams(upright, flipped)
    expected = product([Gradients(rows.reshape(4, 2, 30))], trace)
    np.testing.assert_allclose(both.share(both, trace), expected, atol=1e-13)


def test_operations_decide():
    assert grams_pay((10, 1, 1, 512, 512), 38, False)
    assert not grams_pay((10, 64, 1, 64, 576), 38, False)  # a convolution: 64 positions
    assert grams_pay((10, 16, 1, 64, 4096), 38, False)
