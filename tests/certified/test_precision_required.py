"""Without float64 the certified functions refuse, and say what to do."""

import jax
import pytest

from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import solve
from tests.solvers.instances import random_problem


@pytest.mark.parametrize("call", [solve, lambda p: find_endpoints(p, 1, jax.random.key(0))], ids=["solve", "endpoints"])
def test_x64_off_is_refused_with_the_mend(call):
    problem = random_problem(0)
    with jax.enable_x64(False), pytest.raises(ValueError, match="jax_enable_x64"):
        call(problem)
