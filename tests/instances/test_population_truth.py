"""Property: the population's risk is least at its teacher, by the least norm, and samples have its law."""

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.optimize import minimize

import ntklora as nl
from ntklora.instances.population import (
    digits_population,
    linear_population,
    population_of,
    taught_population,
    teacher_population,
)

RNG = np.random.default_rng(5)
CASES = {
    "binary": lambda: teacher_population((4, 5), num_atoms=7, seed=0),
    "classes": lambda: teacher_population((4, 4), num_atoms=6, num_outputs=3, seed=1),
    "digits": lambda: digits_population("mlp", num_atoms=5, seed=0),
}


@pytest.fixture(params=CASES, scope="module")
def people(request):
    return CASES[request.param]()


def test_no_delta_has_a_smaller_risk(people):
    shape = people.delta_true.shape
    found = minimize(lambda x: people.risk(x.reshape(shape)), 0.1 * np.ones(people.delta_true.size), tol=1e-12)
    assert found.fun >= people.risk(people.delta_true) - 1e-12
    assert found.fun == pytest.approx(people.risk(people.delta_true), abs=1e-7)
    assert np.abs(people.gradient(people.delta_true)).max() < 1e-15


def test_the_gradient_is_the_derivative_of_the_risk(people):
    at, along = RNG.normal(size=(2, *people.delta_true.shape))
    slope = (people.risk(at + 1e-5 * along) - people.risk(at - 1e-5 * along)) / 2e-5
    assert np.sum(people.gradient(at) * along) == pytest.approx(slope, rel=1e-8)


def test_the_teacher_has_the_least_nuclear_norm_of_its_outputs(people):
    """The norm is convex: along no line of equal outputs (up to a shift common to all) does it fall below."""
    outputs = people.op.dense()
    if people.op.num_outputs > 1:
        outputs = outputs - outputs.mean(1, keepdims=True)
    unseen = null_space(outputs.reshape(-1, people.delta_true.size))
    assert unseen.shape[1] > 0
    for scale in 10.0 ** RNG.uniform(-4, 1, 400):
        moved = people.delta_true.ravel() + scale * unseen @ RNG.normal(size=unseen.shape[1])
        assert np.linalg.norm(moved.reshape(people.delta_true.shape), "nuc") >= people.norm * (1 - 1e-12)


def test_features_are_of_norm_one_and_many_samples_give_the_risk(people):
    assert people.radius == pytest.approx(1.0)
    problem = people.sample(10**12, 0.0, np.random.default_rng(0))
    for delta in (people.delta_true, 0 * people.delta_true):
        loss = problem.loss.value(problem.f0 + problem.op.apply(delta), problem.y).mean()
        assert loss == pytest.approx(people.risk(delta), abs=1e-5)


def test_a_small_sample_is_a_mean_over_its_draws():
    people = CASES["binary"]()
    problem = people.sample(5, 0.1, np.random.default_rng(3))
    counts = problem.y[:, 0] * 5 / problem.num_samples
    np.testing.assert_allclose(counts, np.round(counts), atol=1e-12)
    assert counts.sum() == pytest.approx(5)


def test_the_linear_population_loses_the_penalty_itself():
    people = linear_population(depth=64.0, share=0.9)
    zero = 0 * people.delta_true
    slope = float(np.abs(people.gradient(zero)).max())
    assert slope == pytest.approx(0.9, abs=1e-12)
    assert nl.lam_max(people.sample(10**10, 0.0, np.random.default_rng(0))) == pytest.approx(slope, abs=1e-3)
    assert 0.95 <= people.excess(zero) / (slope * people.norm) <= 1.0


def test_what_makes_no_population_is_refused():
    people = CASES["binary"]()
    with pytest.raises(ValueError, match="label probabilities"):
        population_of(people.op, people.f0, people.delta_true, "squared")
    with pytest.raises(ValueError, match="no room"):
        teacher_population((2, 2), num_atoms=5, num_outputs=3, seed=0)
    with pytest.raises(ValueError, match="sum to zero"):
        taught_population(RNG.normal(size=(4, 3, 2, 2)), np.ones((4, 3)), 1.0)
    with pytest.raises(ValueError, match="one weight"):
        digits_population("transformer", num_atoms=4, seed=0)
