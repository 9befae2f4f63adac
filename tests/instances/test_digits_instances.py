"""Property: linearized networks on digits are the problems their names say."""

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.digits import digits_task, initialized_network, linearized_digits
from ntklora.instances.named import FAMILIES, named_problem


@pytest.mark.parametrize(("network", "loss", "outputs"), [("mlp", "logistic", 1), ("transformer", "cross_entropy", 2)])
def test_the_problem_is_that_of_the_network(network, loss, outputs):
    problem = linearized_digits(network, "random", num_samples=5, seed=3, num_outputs=outputs, loss=loss, lam_ratio=0.1)
    data = digits_task(5, outputs, loss, "random", 3)
    net = initialized_network(network, outputs, 3)
    rebuilt = nl.make_problem(net.apply, net.params, data.x, data.y, targets=net.targets, loss=loss, lam=0.0)
    np.testing.assert_allclose(problem.f0, jax.vmap(net.apply, (None, 0))(net.params, data.x), atol=1e-12)
    np.testing.assert_array_equal(problem.y, data.y)
    np.testing.assert_allclose(problem.op.gram(), rebuilt.op.gram(), atol=1e-12)
    assert problem.lam == pytest.approx(0.1 * nl.lam_max(rebuilt))


def test_random_labels_permute_the_true_ones_over_the_same_images():
    true, random = (digits_task(12, 1, "squared", labels, 0) for labels in ("true", "random"))
    np.testing.assert_array_equal(true.x, random.x)
    np.testing.assert_array_equal(np.sort(true.y), np.sort(random.y))
    assert not np.array_equal(true.y, random.y)
    assert abs(true.y.sum()) <= 1


def test_one_hot_targets_for_several_outputs_of_the_squared_loss():
    assert digits_task(6, 3, "squared", "true", 0).y.shape == (6, 3)


@pytest.mark.parametrize("family", ["gaussian", "mlp_random_labels"])
def test_named_instances_are_seeded(family):
    assert family in FAMILIES
    first, again, other = (named_problem(family, num_samples=4, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.y, again.y)
    np.testing.assert_array_equal(first.op.gram(), again.op.gram())
    assert not np.allclose(first.op.gram(), other.op.gram())


def test_an_unknown_family_names_the_known_ones():
    with pytest.raises(ValueError, match="mlp_random_labels"):
        named_problem("vgg", num_samples=4, seed=0)
