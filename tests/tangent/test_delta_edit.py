"""Property: `apply_delta` adds exactly the folded change, to a copy, and never guesses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from ntklora.tangent.folding import Fold, kernel_fold

RNG = np.random.default_rng(0)
PARAMS = {
    "torch": jnp.asarray(RNG.normal(size=(5, 2, 3, 4))),  # (C_out, C_in, kh, kw)
    "flax": jnp.asarray(RNG.normal(size=(3, 4, 2, 7))),  # (kh, kw, C_in, C_out)
    "w": jnp.asarray(RNG.normal(size=(3, 6))),
    "b": jnp.zeros(3),
}


def test_fold_inverts_unfold_and_reads_the_filter():
    fold = kernel_fold((3, 4, 2, 7), 3, 2)
    leaf = np.asarray(PARAMS["flax"])
    assert fold.matrix_shape == (7, 24)
    np.testing.assert_array_equal(fold.fold(fold.unfold(leaf)), leaf)
    assert fold.unfold(leaf)[6, 1 * 12 + 2 * 4 + 3] == leaf[2, 3, 1, 6]
    np.testing.assert_array_equal(fold.unfold(leaf[None, None])[0, 0], fold.unfold(leaf))


@pytest.mark.parametrize(
    ("name", "shape", "entry", "index"),
    [
        ("torch", (5, 24), (4, 1 * 12 + 2 * 4 + 3), (4, 1, 2, 3)),
        ("flax", (7, 24), (6, 1 * 12 + 2 * 4 + 3), (2, 3, 1, 6)),
        ("w", (3, 6), (2, 4), (2, 4)),
        ("b", (3, 1), (2, 0), (2,)),
    ],
)
def test_one_entry_arrives_where_it_belongs_and_nothing_else_moves(name, shape, entry, index):
    delta = np.zeros(shape)
    delta[entry] = 2.0
    adapted = nl.apply_delta(PARAMS, {name: delta})
    change = jax.tree.map(lambda new, old: np.asarray(new - old), adapted, PARAMS)
    assert change[name][index] == pytest.approx(2.0)
    assert sum(np.count_nonzero(part) for part in change.values()) == 1


def test_a_bare_delta_finds_the_only_leaf_of_its_shape():
    np.testing.assert_array_equal(nl.apply_delta(PARAMS, np.ones((3, 6)))["w"], PARAMS["w"] + 1)
    with pytest.raises(ValueError, match=r"2 leaves .* a, b; give a dict"):
        nl.apply_delta({"a": jnp.ones((2, 2)), "b": jnp.ones((2, 2))}, np.ones((2, 2)))
    with pytest.raises(ValueError, match="no leaves"):
        nl.apply_delta(PARAMS, np.ones((9, 9)))


def test_an_ambiguous_kernel_asks_for_the_operator():
    cube, delta = {"k": jnp.zeros((3, 3, 3, 3))}, {"k": RNG.normal(size=(3, 27))}
    with pytest.raises(ValueError, match="in 2 ways"):
        nl.apply_delta(cube, delta)
    block = nl.TangentOperator.from_dense({"k": np.ones((1, 1, 3, 27))}).blocks["k"]
    fold = Fold((3, 3, 3, 3), (3,), (2, 0, 1))
    op = nl.TangentOperator({"k": block}, True, (), (("k", fold),))
    np.testing.assert_array_equal(nl.apply_delta(cube, delta, op)["k"], fold.fold(delta["k"]))
    np.testing.assert_array_equal(nl.apply_delta(cube, delta["k"], op)["k"], fold.fold(delta["k"]))


def test_unknown_names_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="delta names 'v'"):
        nl.apply_delta(PARAMS, {"v": np.ones((3, 6))})
    with pytest.raises(ValueError, match="does not fit"):
        nl.apply_delta(PARAMS, {"w": np.ones((6, 3))})
