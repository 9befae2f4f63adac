"""Property: what many points get at once, each would get alone."""

from typing import Any

import equinox as eqx
import numpy as np
import pytest

from ntklora.problem import many
from ntklora.problem.losses import Squared
from ntklora.problem.many import values_and_gradient_norms
from ntklora.problem.objective import factor_gradients, objective
from tests.solvers.instances import random_factors, random_problem

FORMS = {
    "squared, dense": ("squared", {"layout": "dense"}),
    "squared, two weights": ("squared", {"shapes": ((6, 5), (3, 4))}),
    "logistic, positions": ("logistic", {"positions": 3}),
    "softmax, fan_in first": ("cross_entropy", {"layout": "transposed", "positions": 2}),
    "softmax, met both ways": ("cross_entropy", {"layout": "two-sided", "positions": 2, "shapes": ((5, 5),)}),
    "perturbed": ("squared", {"perturbed": True, "shapes": ((6, 5), (3, 4)), "layout": "dense"}),
    "no decay": ("squared", {"lam": 0.0}),
}


def assert_equal_to_each(problem, count):
    points = [random_factors(seed, problem, 2) for seed in range(count)]
    us, vs = ({k: np.stack([point[side][k] for point in points]) for k in problem.shapes} for side in (0, 1))
    values, norms = values_and_gradient_norms(problem, us, vs)
    expected = [np.sqrt(sum((g**2).sum() for x in factor_gradients(problem, *at) for g in x.values())) for at in points]
    np.testing.assert_allclose(values, [objective(problem, *point) for point in points], rtol=1e-13)
    np.testing.assert_allclose(norms, expected, rtol=1e-12)


@pytest.mark.parametrize("entries", [2**22, 1], ids=["all at once", "one by one"])
@pytest.mark.parametrize("form", FORMS)
def test_values_and_norms_of_many_are_those_of_each(form, entries, monkeypatch):
    monkeypatch.setattr(many, "_ENTRIES", entries)
    loss, options = FORMS[form]
    problem = random_problem(3, loss, **options).host()
    assert_equal_to_each(problem, 5)


def test_of_no_point_there_is_nothing():
    problem = random_problem(0).host()
    values, norms = values_and_gradient_norms(problem, {"w": np.zeros((0, 6, 2))}, {"w": np.zeros((0, 5, 2))})
    assert values.shape == norms.shape == (0,)


class OfItsOwnWeights(Squared):
    """A user's loss that holds a number for each sample."""

    weights: Any

    def value(self, z, y):
        return self.weights * super().value(z, y)

    def gradient(self, z, y):
        return self.weights[:, None] * super().gradient(z, y)


def test_a_loss_may_hold_what_belongs_to_its_samples():
    problem = random_problem(3).host()
    problem = eqx.tree_at(lambda p: p.loss, problem, OfItsOwnWeights(np.linspace(0.5, 1.5, problem.num_samples)))
    assert_equal_to_each(problem, 3)
