"""Where a start ends does not depend on how many cores share the starts, nor on how many starts there are beside it."""

import jax
import numpy as np

from ntklora.certified.runs import run_newton
from ntklora.certified.starts import gaussian_starts
from tests.solvers.instances import random_problem


def test_ends_are_the_same_bits_on_any_number_of_cores(monkeypatch):
    problem = random_problem(1, "logistic")
    u, v = gaussian_starts(problem, 2, jax.random.key(0), 70, None)
    lams = np.full(70, float(problem.lam))
    ends = {}
    for cores in (1, 3, 8):
        monkeypatch.setattr("ntklora.certified.runs.num_threads", lambda cores=cores: cores)
        ends[cores] = run_newton(problem, lams, u, v)
    few = run_newton(problem, lams[:5], *({k: x[:5] for k, x in factor.items()} for factor in (u, v)))
    assert ends[1].converged.all()
    for other in (ends[3], ends[8]):
        jax.tree.map(np.testing.assert_array_equal, ends[1], other)
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x[:5], y), ends[1], few)
