"""Without float64 the certified functions refuse, with the mend; float32 data are upcast and the result says so.

Where the default device has no float64 of its own they compute on the host's processor.
"""

import jax
import pytest

import ntklora as nl
from ntklora.certified.endpoints import find_endpoints
from ntklora.certified.optimum import solve
from ntklora.certified.precision import float64_device
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


def test_a_device_without_float64_leaves_certified_work_to_the_processor(monkeypatch):
    problem = random_problem(0)
    usual = solve(problem)
    assert float64_device() == jax.devices()[0]
    monkeypatch.setattr("ntklora.certified.precision._WITH_FLOAT64", ())
    assert float64_device().platform == "cpu"
    assert solve(problem).primal == usual.primal


def test_without_a_processor_the_mend_is_named(monkeypatch):
    monkeypatch.setattr("ntklora.certified.precision._WITH_FLOAT64", ())

    def left_out(backend):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", left_out)
    with pytest.raises(ValueError, match="JAX_PLATFORMS"):
        float64_device()
