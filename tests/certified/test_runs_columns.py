"""A run ends at the same points however many columns of zeros it is padded with, its features whole or in factors."""

import jax
import numpy as np
import pytest

from ntklora.certified.runs import _whole_where_small, run_newton
from ntklora.certified.starts import gaussian_starts
from ntklora.tangent.blocks import Dense, Factored
from tests.solvers.instances import random_problem


@pytest.mark.parametrize("layout", ["dense", "factored"])
def test_ends_do_not_depend_on_the_padding(layout, monkeypatch):
    problem = random_problem(1, "logistic", layout=layout)
    u, v = gaussian_starts(problem, 1, jax.random.key(0), 6, None)
    lams = np.full(6, float(problem.lam))
    ends = {}
    for long in (1, 10**9):
        monkeypatch.setattr("ntklora.certified.runs._LONG", long)
        ends[long] = run_newton(problem, lams, u, v)
    few, many = ends.values()
    assert few.converged.all()
    assert many.converged.all()
    np.testing.assert_allclose(few.objective, many.objective, rtol=1e-12)
    for one, other in zip(few.u.values(), many.u.values()):
        assert one.shape == other.shape == (6, 6, 1)
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_ends_do_not_depend_on_whether_features_are_whole(monkeypatch):
    problem = random_problem(1, "cross_entropy", positions=3, samples=4, shapes=((4, 3), (12, 9)))
    u, v = gaussian_starts(problem, 2, jax.random.key(0), 4, None)
    lams = np.full(4, float(problem.lam))
    ends = {}
    for share in (0, 2):
        monkeypatch.setattr("ntklora.certified.runs._WHOLE", share)
        layouts = [type(block) for block in _whole_where_small(problem).op.blocks.values()]
        assert layouts == ([Dense, Factored] if share else [Factored, Factored])
        ends[share] = run_newton(problem, lams, u, v)
    factors, whole = ends.values()
    assert whole.converged.all()
    np.testing.assert_allclose(whole.objective, factors.objective, rtol=1e-12)
    for name in problem.shapes:
        one, other = (np.einsum("smr,snr->smn", ends.u[name], ends.v[name]) for ends in (whole, factors))
        np.testing.assert_allclose(one, other, atol=1e-8)
