"""Property: a family's instance in the coordinates of its weights is the reduced one, seen whole."""

import numpy as np
import pytest

import ntklora as nl


@pytest.mark.parametrize("family", ["mlp", "cnn_random_labels"])
def test_reduced_and_whole_have_one_optimum(family):
    task = {"num_samples": 6, "seed": 3, "num_outputs": 2, "loss": "cross_entropy", "lam_ratio": 0.1}
    reduced, whole = nl.named_problem(family, **task), nl.named_linearization(family, **task)
    assert nl.lam_max(whole) == pytest.approx(nl.lam_max(reduced), rel=1e-12)
    assert nl.solve(whole).primal == pytest.approx(nl.solve(reduced).primal, rel=1e-7)
    sizes = [sum(np.prod(shape) for shape in problem.shapes.values()) for problem in (whole, reduced)]
    assert sizes[0] > sizes[1] or family.startswith("cnn"), "the CNN's kernel is small already"


def test_gaussian_features_are_square_in_the_samples_and_strangers_are_refused():
    assert nl.named_linearization("gaussian", num_samples=5, seed=0).shapes == {"w": (5, 5)}
    with pytest.raises(ValueError, match="unknown family 'perceptron'"):
        nl.named_linearization("perceptron", num_samples=5, seed=0)
