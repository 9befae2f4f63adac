"""Starts one after the other and starts through lanes end at the same points."""

import jax
import numpy as np

from ntklora.problem.objective import factor_gradients, objective
from ntklora.solvers.lanes import minimize_all, minimize_each
from ntklora.solvers.newton import DEFAULT
from tests.solvers.instances import random_factors, random_problem

STARTS, COUNT = 7, 5


def test_lanes_and_single_runs_end_at_the_same_points():
    problem = random_problem(1, "logistic")
    u, v = jax.tree.map(lambda *x: np.stack(x), *(random_factors(seed, problem, 3) for seed in range(STARTS)))
    lams = float(problem.lam) * np.linspace(0.5, 2.0, STARTS)
    arguments = (problem, lams, u, v, np.asarray(COUNT), DEFAULT)
    each = jax.device_get(minimize_each(*arguments))
    lanes = jax.device_get(minimize_all(*arguments, lanes=3))
    assert each.converged[:COUNT].all()
    assert lanes.converged[:COUNT].all()
    np.testing.assert_allclose(each.objective[:COUNT], lanes.objective[:COUNT], rtol=1e-12)
    for ends in (each, lanes):
        for s in range(COUNT):
            at = problem.with_lam(lams[s])
            point = ({k: x[s] for k, x in ends.u.items()}, {k: x[s] for k, x in ends.v.items()})
            norm = np.sqrt(sum((x**2).sum() for side in factor_gradients(at, *point) for x in side.values()))
            np.testing.assert_allclose(ends.objective[s], objective(at, *point), rtol=1e-13)
            np.testing.assert_allclose(ends.gradient_norm[s], norm, atol=1e-13)
        # What lies beyond the queue's end comes back as it was.
        for name in problem.shapes:
            np.testing.assert_array_equal(ends.u[name][COUNT:], u[name][COUNT:])
        assert not ends.num_steps[COUNT:].any()
