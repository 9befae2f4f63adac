"""A path of decays is its solves: the same certified optima in the order asked for, in fewer steps."""

import numpy as np
import pytest

from ntklora.certified.optimum import solve, solve_path
from ntklora.problem.objective import lam_max
from tests.solvers.instances import random_problem


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("squared", {}),
        ("cross_entropy", {"shapes": ((6, 5), (3, 7))}),
        ("squared", {"perturbed": True}),
    ],
)
def test_a_path_is_its_solves(loss, options):
    problem = random_problem(3, loss, **options).host()
    top = lam_max(problem)
    lams = top * np.random.default_rng(0).permutation([*np.geomspace(0.5, 1e-3, 9), 0.5])  # one of them twice
    path, alone = solve_path(problem, lams), [solve(problem.with_lam(lam)) for lam in lams]
    for one, other, lam in zip(path, alone, lams):
        assert one.success
        assert one.lam == lam
        np.testing.assert_allclose(one.primal, other.primal, rtol=1e-8)
        assert one.ranks == other.ranks
    assert sum(one.num_steps for one in path) < sum(other.num_steps for other in alone)
