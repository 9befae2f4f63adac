"""What an accelerator would be given, 256 lanes side by side, ends where a processor's threads end."""

from contextlib import nullcontext
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.certified import runs
from tests.solvers.instances import random_problem


@pytest.fixture
def accelerator(monkeypatch):
    """This machine's processor under another name; counts the calls of the program for many lanes."""
    calls = []
    minimize_all = runs.minimize_all
    monkeypatch.setattr(
        runs, "minimize_all", lambda *given, **lanes: calls.append(lanes) or minimize_all(*given, **lanes)
    )
    monkeypatch.setattr(jax, "default_device", lambda device: nullcontext())

    def pretend():
        monkeypatch.setattr(runs, "float64_device", lambda: SimpleNamespace(platform="gpu"))
        return calls

    return pretend


def test_optimum_endpoints_and_verdicts_are_the_same(accelerator):
    problem = random_problem(3, "squared", shapes=((6, 5), (6, 5)), lam=0.02)

    def everything():
        solution = nl.solve(problem)
        return solution, nl.survey_landscape(problem, 1, jax.random.key(0), starts=270, solution=solution)

    here, landscape = everything()
    calls = accelerator()
    there, other = everything()
    assert len(calls) >= 3  # one for the optimum, two for 270 starts
    assert there.status is nl.Status.certified
    assert there.primal == pytest.approx(here.primal, rel=1e-12)
    assert other.ends.converged.all()
    # Rounding may send a start on a border elsewhere: few do, and the same ends are there.
    same = np.abs(other.objective / landscape.objective - 1) <= 1e-9
    assert same.mean() > 0.95
    assert {kind for kind, count in other.counts.items() if count} == {k for k, n in landscape.counts.items() if n}
    assert all(a is b for a, b, equal in zip(landscape.kinds, other.kinds, same) if equal)
