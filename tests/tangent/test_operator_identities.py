"""Property: dense and factored blocks are one operator, with one adjoint, on NumPy and on JAX arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntklora.tangent.blocks import Factored, Transposed, TwoSided
from ntklora.tangent.operator import Layout, TangentOperator
from ntklora.tangent.reduction import reduce_operator

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


# A weight met as x W, and one met both ways (its flipped part has another number of positions).
A_IN, B_OUT = RNG.normal(size=(4, 3, 5)), RNG.normal(size=(4, 2, 3, 6))
FLIPPED = Transposed(Factored(A_IN, B_OUT))
G_FLIPPED = np.einsum("itm,iktn->ikmn", A_IN, B_OUT)
BOTH = TwoSided(Factored(A, B), Transposed(Factored(A_IN[:, :2], B_OUT[:, :, :2])))
G_BOTH = np.einsum("iktm,itn->ikmn", B, A) + np.einsum("itm,iktn->ikmn", A_IN[:, :2], B_OUT[:, :, :2])


@pytest.mark.parametrize(("block", "g"), [(FLIPPED, G_FLIPPED), (BOTH, G_BOTH)], ids=["transposed", "two-sided"])
def test_fan_in_first_and_both_ways_against_dense_features(block, g):
    op, dense = TangentOperator({"w": block}, True), TangentOperator.from_dense(g)
    assert op.layout == {"w": "factored"}
    assert op.shapes == dense.shapes
    for mine, theirs in [
        (op.apply(DELTA), dense.apply(DELTA)),
        (op.apply_factors(U, V), dense.apply_factors(U, V)),
        (op.adjoint(ALPHA), dense.adjoint(ALPHA)),
        (op.gram(), dense.gram()),
        (op.dense(), g),
        (block.times_v(V), dense.blocks["w"].times_v(V)),
        (block.times_u(U), dense.blocks["w"].times_u(U)),
        (block.rows(slice(1, 3)), g[:, :, 1:3]),
        (block.take(np.array([2, 0])).dense(), g[[2, 0]]),
    ]:
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    # Compressed little it stays factored, compressed much it becomes dense: the same features.
    for left, right in [(np.eye(5), np.eye(6)), (np.linalg.qr(U)[0], np.linalg.qr(V)[0])]:
        expected = np.einsum("ikmn,mp,nq->ikpq", g, left, right)
        np.testing.assert_allclose(block.compress(left, right).dense(), expected, atol=1e-12)


def test_reduction_of_features_met_both_ways():
    rng = np.random.default_rng(1)
    upright = Factored(rng.normal(size=(2, 1, 30)), rng.normal(size=(2, 2, 1, 20)))
    flipped = Transposed(Factored(rng.normal(size=(2, 1, 20)), rng.normal(size=(2, 2, 1, 30))))
    op = TangentOperator({"w": TwoSided(upright, flipped)}, True)
    reduced, bases = reduce_operator(op)
    assert reduced.shapes == {"w": (4 + 2, 2 + 4)}
    lifted = np.einsum("pm,ikmn,qn->ikpq", bases["w"].left, reduced.dense(), bases["w"].right)
    np.testing.assert_allclose(lifted, op.dense(), atol=1e-12)
    np.testing.assert_allclose(reduced.gram(), op.gram(), atol=1e-11)


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
    assert op.layout == {"q": Layout.factored, "v": "factored"}
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
