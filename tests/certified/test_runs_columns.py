"""However many columns of zeros a run is padded with, it ends at the same points."""

import jax
import numpy as np
import pytest

from ntklora.certified.runs import run_newton
from ntklora.certified.starts import gaussian_starts
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
