"""What an accelerator would be given, 256 lanes side by side, ends where a processor's threads end."""

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.certified import runs
from ntklora.certified.starts import gaussian_starts
from ntklora.solvers.lanes import lane_bytes, minimize_all
from ntklora.solvers.newton import DEFAULT
from ntklora.solvers.stacked import stack_alike, stacked
from tests.solvers.instances import random_problem


def test_optimum_endpoints_and_verdicts_are_the_same(accelerator):
    problem = random_problem(3, "squared", shapes=((6, 5), (6, 5)), lam=0.02)

    def everything():
        solution = nl.solve(problem)
        return solution, nl.survey_landscape(problem, 1, jax.random.key(0), starts=270, solution=solution)

    here, landscape = everything()
    calls = accelerator()
    there, other = everything()
    assert calls[0] == 8  # the optimum's
    assert max(calls) == 256
    assert there.status is nl.Status.certified
    assert there.primal == pytest.approx(here.primal, rel=1e-12)
    assert other.ends.converged.all()
    # Rounding may send a start on a border elsewhere: few do, and the same ends are there.
    same = np.abs(other.objective / landscape.objective - 1) <= 1e-9
    assert same.mean() > 0.95
    assert {kind for kind, count in other.counts.items() if count} == {k for k, n in landscape.counts.items() if n}
    assert all(a is b for a, b, equal in zip(landscape.kinds, other.kinds, same) if equal)


def test_no_more_starts_side_by_side_than_memory_takes(accelerator, monkeypatch):
    problem = random_problem(3, "squared").host()
    u, v = gaussian_starts(problem, 2, jax.random.key(0), 40, None)
    lams = np.full(40, float(problem.lam))
    here = runs.run_newton(problem, lams, u, v)
    monkeypatch.setattr(runs, "lane_bytes", lambda *_: 1000)
    monkeypatch.setattr(runs, "memory_allowance", lambda device: 5000)
    calls = accelerator()
    there = runs.run_newton(problem, lams, u, v)
    assert calls == [4]
    assert there.converged.all()
    assert (np.abs(there.objective / here.objective - 1) <= 1e-9).mean() > 0.9
    monkeypatch.setattr(runs, "memory_allowance", lambda device: 10)
    runs.run_newton(problem, lams[:2], *({k: x[:2] for k, x in factor.items()} for factor in (u, v)))
    assert calls[1:] == [1]


FORMS = {
    "factored": ("squared", {"samples": 24, "shapes": ((24, 16),)}),
    "dense": ("cross_entropy", {"samples": 24, "shapes": ((24, 16),), "layout": "dense"}),
    "positions": ("cross_entropy", {"samples": 12, "shapes": ((24, 16),) * 2, "positions": 6, "layout": "transposed"}),
    "many alike": ("squared", {"samples": 12, "shapes": ((24, 16),) * 12, "positions": 4}),
    "many samples": ("logistic", {"samples": 300, "shapes": ((24, 16),)}),
    "perturbed": ("squared", {"samples": 24, "shapes": ((24, 16),), "perturbed": True}),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_lane_sets_aside_about_what_is_counted(form):
    loss, options = FORMS[form]
    problem = random_problem(0, loss, **options).host()
    u, v = gaussian_starts(problem, 8, jax.random.key(0), 32, None)
    together, groups = stack_alike(problem)
    given = (together, np.full(32, 0.1), stacked(u, groups), stacked(v, groups), np.asarray(32), DEFAULT)

    def temporary(lanes):
        return minimize_all.lower(*given, lanes=lanes).compile().memory_analysis().temp_size_in_bytes

    measured = (temporary(24) - temporary(8)) / 16
    assert 0.2 < measured / lane_bytes(problem, 8) < 1.05
