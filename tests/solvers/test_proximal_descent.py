"""Property: proximal gradient descent on full fine-tuning descends to the certified optimum."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.objective import full_objective
from ntklora.solvers.proximal import shrink_singular_values


@pytest.mark.parametrize(("loss", "outputs"), [("squared", 2), ("logistic", 1), ("cross_entropy", 3)])
def test_the_curve_falls_to_the_optimum(loss, outputs):
    problem = gaussian_problem((6, 5), num_samples=8, num_outputs=outputs, loss=loss, lam_ratio=0.3, seed=0)
    path = nl.train_full(problem, steps=800)
    assert path.objective.shape == (801,)
    assert (np.diff(path.objective) <= 1e-14).all()
    assert path.objective[-1] == pytest.approx(float(full_objective(problem, path.delta)), rel=1e-12)
    assert path.objective[-1] == pytest.approx(nl.solve(problem).primal, rel=1e-7)  # it converges sublinearly


def test_first_step_is_the_gradient_step_with_shrunk_singular_values():
    problem = gaussian_problem((6, 5), num_samples=4, lam_ratio=0.1, seed=1)
    path = nl.train_full(problem, steps=1)
    gradient = problem.op.adjoint(problem.f0 - problem.y) / 4
    left, values, right = np.linalg.svd(-path.learning_rate * gradient, full_matrices=False)
    kept = np.maximum(values - path.learning_rate * problem.lam, 0)
    np.testing.assert_allclose(path.delta, (left * kept) @ right, atol=1e-13)


def test_prox_is_the_minimizer_among_random_rivals():
    rng = np.random.default_rng(0)
    delta = rng.normal(size=(4, 3))
    best, norm = shrink_singular_values(delta, 0.4)
    assert norm == pytest.approx(np.linalg.norm(best, "nuc"))

    def value(x):
        return 0.5 * np.sum((x - delta) ** 2) + 0.4 * np.linalg.norm(x, "nuc")

    assert all(value(best + 0.01 * rng.normal(size=(4, 3))) > value(best) for _ in range(50))


def test_misuse_is_refused():
    problem = gaussian_problem((6, 5), num_samples=4, seed=1)
    with pytest.raises(ValueError, match="steps"):
        nl.train_full(problem, steps=-1)
