"""Without float64 the certified functions refuse, with the mend; float32 data are upcast and the result says so."""

import jax
import pytest

import ntklora as nl
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import solve
from tests.solvers.instances import random_problem


@pytest.mark.parametrize("call", [solve, lambda p: find_endpoints(p, 1, jax.random.key(0))], ids=["solve", "endpoints"])
def test_x64_off_is_refused_with_the_mend(call):
    problem = random_problem(0)
    with jax.enable_x64(False), pytest.raises(ValueError, match="jax_enable_x64"):
        call(problem)


def test_data_in_float32_are_upcast_and_the_solution_says_so():
    problem = random_problem(0)
    narrow = nl.Problem(jax.tree.map(lambda x: x.astype("float32"), problem.op), problem.f0, problem.y, "squared", 0.1)
    solution = solve(narrow)
    assert narrow.precision == solution.precision == "float32"
    assert "float32" in solution.message
    assert solution.success
    assert solve(problem).precision == "float64"
