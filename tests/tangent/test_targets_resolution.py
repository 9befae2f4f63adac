"""Property: targets are found by name and pattern, and an unknown one names the nearest."""

import jax.numpy as jnp
import pytest

from ntklora.tangent.folding import kernel_fold
from ntklora.tangent.targets import resolve_targets, split_parameters, target_folds

PARAMS = {
    "conv": {"kernel": jnp.ones((3, 3, 2, 5)), "bias": jnp.ones(5)},
    "layers": [{"w": jnp.ones((4, 5))}, {"w": jnp.ones((2, 4))}],
    "scale": jnp.ones(()),
    "step": jnp.asarray(3),
}
SHAPES = {name: array.shape for name, array in split_parameters(PARAMS).arrays.items()}
KERNELS = {"conv/kernel": kernel_fold((3, 3, 2, 5), 3, 2)}


@pytest.mark.parametrize(
    ("targets", "names"),
    [
        ("parameters", ("conv/bias", "conv/kernel", "layers/0/w", "layers/1/w", "scale")),
        ("matrices", ("conv/kernel", "layers/0/w", "layers/1/w")),
        ("layers/1/w", ("layers/1/w",)),
        ("layers/*", ("layers/0/w", "layers/1/w")),
        (["*/w", "conv/kernel"], ("conv/kernel", "layers/0/w", "layers/1/w")),
    ],
)
def test_names_in_the_order_of_the_pytree(targets, names):
    assert resolve_targets(targets, SHAPES, KERNELS) == names


def test_integers_are_no_parameters_and_come_back_unchanged():
    parameters = split_parameters(PARAMS)
    assert "step" not in parameters.arrays
    rebuilt = parameters.rebuild({"scale": jnp.zeros(())})
    assert (int(rebuilt["step"]), float(rebuilt["scale"])) == (3, 0.0)


@pytest.mark.parametrize(
    ("targets", "words"),
    [("layer/0/w", "nearest are 'layers/0/w'"), ("matrix", "'matrices'"), ([], "empty"), ([3], "names or patterns")],
)
def test_unknown_targets_name_the_nearest(targets, words):
    with pytest.raises(ValueError, match=words):
        resolve_targets(targets, SHAPES, KERNELS)


def test_no_matrix_at_all():
    with pytest.raises(ValueError, match="no matrix and no convolution kernel"):
        resolve_targets("matrices", {"b": (3,)}, {})


def test_how_leaves_are_read_as_matrices():
    folds = target_folds(tuple(SHAPES), SHAPES, KERNELS)
    assert {name: fold.matrix_shape for name, fold in folds.items()} == {
        "conv/kernel": (5, 18),
        "conv/bias": (5, 1),
        "layers/0/w": (4, 5),
        "layers/1/w": (2, 4),
        "scale": (1, 1),
    }
    assert target_folds(["stack"], {"stack": (2, 3, 4)}, {}) == {"stack": None}


def test_two_leaves_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two leaves of one name"):
        split_parameters({"a/b": jnp.ones(2), "a": {"b": jnp.ones(2)}})
