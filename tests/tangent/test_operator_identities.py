"""Property: dense and factored blocks are one operator, with one adjoint, on NumPy and on JAX arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntklora.tangent.operator import Layout, TangentOperator

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(4, 3, 6)), RNG.normal(size=(4, 2, 3, 5))
FACTORED = TangentOperator.from_factors(A, B)
DENSE = TangentOperator.from_dense(np.einsum("iktm,itn->ikmn", B, A))
ON_JAX = jax.tree.map(jnp.asarray, FACTORED)
DELTA, ALPHA = RNG.normal(size=(5, 6)), RNG.normal(size=(4, 2))
U, V = RNG.normal(size=(5, 2)), RNG.normal(size=(6, 2))


@pytest.mark.parametrize("op", [FACTORED, DENSE, ON_JAX], ids=["factored", "dense", "jax"])
def test_every_method_against_the_written_sum(op):
    g = np.einsum("iktm,itn->ikmn", B, A)

    def close(x, y):
        return np.testing.assert_allclose(x, y, atol=1e-12)

    block = op.blocks["w"]
    close(op.apply(DELTA), np.einsum("ikmn,mn->ik", g, DELTA))
    close(op.apply_factors(U, V), np.einsum("ikmn,mr,nr->ik", g, U, V))
    close(op.adjoint(ALPHA), np.einsum("ik,ikmn->mn", ALPHA, g))
    close(op.gram(), np.einsum("ikmn,jlmn->ijkl", g, g))
    close(block.times_v(V), np.einsum("ikmn,nr->ikmr", g, V))
    close(block.times_u(U), np.einsum("ikmn,mr->iknr", g, U))
    close(op.dense(), g)
    close(op.take(np.array([2, 0])).apply(DELTA), np.einsum("ikmn,mn->ik", g, DELTA)[[2, 0]])
    left, right = np.linalg.qr(U)[0], np.linalg.qr(V)[0]
    close(block.compress(left, right).dense(), np.einsum("ikmn,mp,nq->ikpq", g, left, right))


def test_adjoint_identity():
    assert np.sum(FACTORED.apply(DELTA) * ALPHA) == pytest.approx(np.sum(FACTORED.adjoint(ALPHA) * DELTA), rel=1e-13)


def test_numpy_stays_numpy_in_float64_and_float32_stays_float32():
    assert isinstance(FACTORED.apply(DELTA), np.ndarray)
    assert FACTORED.apply(DELTA).dtype == np.float64
    small = TangentOperator.from_factors(A.astype(np.float32), B.astype(np.float32))
    assert small.apply(DELTA.astype(np.float32)).dtype == np.float32


def test_several_matrices_are_dicts_by_name():
    op = TangentOperator.from_factors({"q": A, "v": A}, {"q": B, "v": 2 * B})
    np.testing.assert_allclose(op.apply({"q": DELTA, "v": DELTA}), 3 * FACTORED.apply(DELTA), atol=1e-12)
    assert set(op.adjoint(ALPHA)) == {"q", "v"}
    assert op.layout == {"q": Layout.FACTORED, "v": "factored"}
    with pytest.raises(ValueError, match="keys"):
        op.apply({"q": DELTA})
    with pytest.raises(ValueError, match="single ndarray"):
        op.apply(DELTA)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: TangentOperator.from_dense(np.ones((3, 4, 5))), "expected .N, K, m, n."),
        (lambda: TangentOperator.from_dense({}), "at least one matrix"),
        (lambda: TangentOperator.from_dense(np.ones((0, 1, 2, 2))), "empty"),
        (lambda: TangentOperator.from_factors(A, B[:, :, :2]), "same N and T"),
        (lambda: TangentOperator.from_factors({"q": A}, {"v": B}), "different matrices"),
        (lambda: TangentOperator.from_dense({"q": np.ones((2, 1, 3, 3)), "v": np.ones((3, 1, 3, 3))}), "disagree"),
    ],
)
def test_wrong_shapes_are_refused(build, words):
    with pytest.raises(ValueError, match=words):
        build()
