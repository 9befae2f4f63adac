"""Property: the infinitely wide network's LoRA problem is a problem like any other, with the limit's kernel."""

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.infinite_width import gram_factor
from ntklora.models import MLP
from ntklora.ntk.infinite_width import infinite_width

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 5)), RNG.standard_normal((6, 2))
MODEL = MLP((5, 1, 1, 2))


@pytest.mark.parametrize("targets", ["matrices", "parameters", "hidden1/w", ["readout/w", "hidden0/*"]])
@pytest.mark.parametrize("activation", [jax.nn.relu, jax.lax.erf])
def test_the_gram_of_its_features_is_the_limit_kernel(activation, targets):
    model = MLP((5, 1, 1, 2), activation)
    problem = nl.infinite_width_problem(model, X, Y, targets=targets, loss="squared", lam=0.1)
    kernel = nl.infinite_width_ntk(model, X, targets=targets)
    assert np.allclose(problem.op.gram(), kernel, rtol=0, atol=1e-12 * np.abs(kernel).max())
    assert problem.op.bare == (targets == "hidden1/w")
    assert max(max(shape) for shape in problem.shapes.values()) <= 12
    assert not problem.f0.any()


def test_optimum_and_endpoints_are_found_and_certified():
    free = nl.infinite_width_problem(MODEL, X, Y, targets="hidden1/w", loss="squared", lam=0.0)
    problem = free.with_lam(0.02 * nl.lam_max(free))
    solution = nl.solve(problem)
    assert solution.status == nl.Status.certified
    rank = nl.landscape_rank(12)
    ends = nl.find_endpoints(problem, rank, jax.random.key(0), starts=4)
    assert ends.converged.all()
    assert np.allclose(ends.objective, solution.primal, rtol=1e-7)


def test_rank_one_in_one_hidden_weight_fits_any_targets():
    problem = nl.infinite_width_problem(MODEL, X, Y, targets="hidden1/w", loss="squared", lam=0.0)
    v = np.abs(RNG.standard_normal(problem.shapes["w"][1]))
    outputs = [problem.op.apply(np.outer(e, v)).ravel() for e in np.eye(problem.shapes["w"][0])]
    u = np.linalg.solve(np.transpose(outputs), Y.ravel())
    assert np.allclose(problem.op.apply(np.outer(u, v)), Y, atol=1e-8)


def test_the_problem_of_a_wide_network_has_nearly_its_optimum():
    free = nl.infinite_width_problem(MODEL, X, Y, targets="hidden1/w", loss="squared", lam=0.0)
    lam = 0.02 * nl.lam_max(free)
    limit = nl.solve(free.with_lam(lam)).primal
    wide = MLP((5, 2048, 2048, 2))
    init = jax.jit(wide.init)
    ratios = []
    for seed in range(4):
        op = nl.tangent_features(wide.apply, init(jax.random.key(seed)), X, targets="hidden1/w")
        problem = nl.reduce_problem(nl.Problem(op, np.zeros_like(Y), Y, "squared", lam)).problem
        ratios.append(nl.solve(problem).primal / limit)
    assert abs(np.mean(ratios) - 1) < 0.05


def test_outputs_at_initialization_are_draws_of_the_gaussian_process():
    model = MLP((5, 1, 256), bias_std=0.4)
    y = np.zeros((6, 256))
    draws = [
        nl.infinite_width_problem(model, X, y, targets="readout/b", loss="squared", lam=0.1, key=jax.random.key(k)).f0
        for k in (0, 0, 1)
    ]
    assert np.array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])
    covariance = infinite_width(model, X).covariance
    # 256 independent outputs: an entry is off by its standard error √(Σ_ii Σ_jj + Σ_ij²)/16.
    error = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / 16
    assert np.all(np.abs(draws[0] @ draws[0].T / 256 - covariance) < 5 * error)


def test_a_factor_has_the_rank_of_its_gram():
    for rank in (1, 3, 5):
        root = RNG.standard_normal((5, rank))
        factor = gram_factor(root @ root.T)
        assert factor.shape == (5, rank)
        assert np.allclose(factor @ factor.T, root @ root.T)


def test_targets_that_the_loss_refuses_are_refused():
    with pytest.raises(ValueError, match="squared loss expects"):
        nl.infinite_width_problem(MODEL, X, Y[:, :1], loss="squared", lam=0.1)
