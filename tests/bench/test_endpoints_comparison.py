"""The endpoint benchmark compares like with like: same starts, both judged by the same rivals, failures listed."""

import jax
import numpy as np

from ntklora.bench.endpoints import compare
from ntklora.bench.lbfgs import lbfgs
from ntklora.bench.measure import interleaved
from ntklora.certified.starts import gaussian_starts
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.objective import factor_gradients, objective
from ntklora.problem.reduction import reduce_problem

STARTS = 6


def small_problem():
    return reduce_problem(gaussian_problem((4, 4), num_samples=6, seed=0)).problem


def test_both_methods_are_judged_start_by_start():
    record, verdicts = compare(small_problem(), 2, "small", starts=STARTS, repeats=1)
    assert record.ratio == record.baseline_seconds / record.seconds
    assert record.compile_seconds >= 0
    assert sum(verdicts.counts.values()) == sum(verdicts.baseline_counts.values()) == STARTS
    assert verdicts.same > 0
    assert verdicts.disagreements == ()
    assert verdicts.baseline_failed == ()


def test_baseline_reports_its_own_failures():
    problem = small_problem()
    u, v = gaussian_starts(problem, 2, jax.random.key(0), STARTS, None)
    ends = jax.device_get(lbfgs(problem, u, v, 1e-9, 3))
    assert not ends.converged.any()
    assert (ends.num_steps == 3).all()
    for s in range(STARTS):
        at = ({k: x[s] for k, x in ends.u.items()}, {k: x[s] for k, x in ends.v.items()})
        gradient = factor_gradients(problem, *at)
        norm = np.sqrt(sum((x**2).sum() for side in gradient for x in side.values()))
        np.testing.assert_allclose(ends.gradient_norm[s], norm, rtol=1e-12)
        np.testing.assert_allclose(ends.objective[s], objective(problem, *at), rtol=1e-12)


def test_jobs_take_turns():
    calls = []
    timings = interleaved([lambda: calls.append("a"), lambda: calls.append("b")], repeats=2)
    assert calls == ["a", "b"] * 3
    assert all(timing.seconds >= 0 and timing.compile_seconds >= 0 for timing in timings)
