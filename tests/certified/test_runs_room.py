"""Property: room for neighbouring sizes changes no end, and lets them share one program."""

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.certified import runs
from ntklora.certified.runs import run_newton
from ntklora.certified.starts import gaussian_starts
from ntklora.solvers.lanes import minimize_each
from tests.solvers.instances import random_problem


@pytest.mark.parametrize(("loss", "perturbed"), [("cross_entropy", False), ("logistic", True)])
def test_ends_do_not_depend_on_the_room(loss, perturbed, monkeypatch):
    problem = random_problem(1, loss, samples=6, perturbed=perturbed).host()
    u, v = gaussian_starts(problem, 2, jax.random.key(0), 6, None)
    lams = np.full(6, float(problem.lam))
    roomy = run_newton(problem, lams, u, v)
    monkeypatch.setattr(runs, "_roomy", lambda problem, full: problem)
    own = run_newton(problem, lams, u, v)
    assert own.converged.all()
    assert roomy.converged.all()
    np.testing.assert_allclose(roomy.objective, own.objective, rtol=1e-12)
    for name in u:
        one, other = (np.einsum("smr,snr->smn", ends.u[name], ends.v[name]) for ends in (roomy, own))
        assert ends_shape(roomy, name) == ends_shape(own, name)
        np.testing.assert_allclose(one, other, atol=1e-8)


def ends_shape(ends, name):
    return ends.u[name].shape, ends.v[name].shape


def test_neighbouring_sizes_share_a_program():
    before = minimize_each._cache_size()
    for num_samples, shape in ((3, (3, 4)), (9, (5, 7)), (13, (8, 8))):
        assert nl.solve(nl.gaussian_problem(shape, num_samples=num_samples, seed=0)).success
    assert minimize_each._cache_size() - before <= 1


def test_reduced_forms_of_a_small_weight_share_a_program():
    before = minimize_each._cache_size()
    for num_samples in (2, 3, 7):  # reduced to 4×8, 4×12, 4×28
        assert nl.solve(nl.gaussian_problem((4, 72), num_samples=num_samples, seed=0)).success
    assert minimize_each._cache_size() - before <= 1


def test_long_steps_get_no_room(monkeypatch):
    problem = random_problem(0, samples=6, shapes=((6, 5),)).host()
    assert runs._roomy(problem, problem.shapes).num_samples == 16
    monkeypatch.setattr(runs, "_LARGE", 8)
    assert runs._roomy(problem, problem.shapes).num_samples == 6
    assert set(runs._roomy(problem, problem.shapes).shapes.values()) == {(8, 8)}
    monkeypatch.setattr(runs, "_LONG", 8)
    assert runs._roomy(problem, problem.shapes) is problem
