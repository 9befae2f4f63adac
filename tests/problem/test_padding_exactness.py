"""Property: samples that no feature sees and columns of zeros change nothing: objective, optimum, descent."""

import jax
import numpy as np
import pytest

import ntklora as nl


def problems(**changes):
    problem = nl.gaussian_problem((4, 5), num_samples=6, seed=3, **changes)
    return problem, nl.pad_samples(problem, 16)


@pytest.mark.parametrize("perturbed", [False, True])
def test_the_objective_is_the_same(perturbed):
    problem, _ = problems()
    problem = nl.random_perturbation(problem, 1e-2, 0) if perturbed else problem
    padded = nl.pad_samples(problem, 16)
    rng = np.random.default_rng(0)
    for _ in range(5):
        u, v = rng.normal(size=(4, 2)), rng.normal(size=(5, 2))
        assert nl.objective(padded, u, v) == pytest.approx(float(nl.objective(problem, u, v)), rel=1e-14)
    assert padded.num_samples == 16


def test_the_landscape_is_the_same():
    problem, padded = problems()
    assert nl.span_dimension(padded) == nl.span_dimension(problem) == 6
    assert padded.lam == problem.lam
    assert nl.lam_max(padded) == pytest.approx(nl.lam_max(problem), rel=1e-13)
    own, other = nl.solve(problem), nl.solve(padded)
    assert other.primal == pytest.approx(own.primal, rel=1e-9)
    np.testing.assert_allclose(other.delta, own.delta, atol=1e-6)
    surveys = [nl.survey_landscape(each, 1, jax.random.key(0), starts=16) for each in (problem, padded)]
    assert surveys[0].kinds == surveys[1].kinds
    assert len(set(surveys[0].kinds)) > 1


def test_what_cannot_be_padded_is_refused():
    with pytest.raises(ValueError, match="squared loss"):
        nl.pad_samples(nl.gaussian_problem((3, 3), num_samples=4, seed=0, loss="logistic"), 8)
    with pytest.raises(ValueError, match="below the 6"):
        nl.pad_samples(problems()[0], 5)


def test_columns_of_zeros_change_neither_objective_nor_descent():
    problem, _ = problems()
    rng = np.random.default_rng(1)
    u, v = {"w": rng.normal(size=(4, 2))}, {"w": rng.normal(size=(5, 2))}
    wide_u, wide_v = (nl.pad_columns(x, 5)["w"] for x in (u, v))
    own = nl.train_factors(problem, u["w"], v["w"], steps=20, learning_rate=0.01)
    wide = nl.train_factors(problem, wide_u, wide_v, steps=20, learning_rate=0.01)
    np.testing.assert_allclose(wide.objective, own.objective, rtol=1e-13)
    np.testing.assert_array_equal(np.asarray(wide.u)[:, 2:], 0.0)
    with pytest.raises(ValueError, match="below the 2"):
        nl.pad_columns(u, 1)
