"""Problems computed side by side on an accelerator share programs, and each ends where it ends alone."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic, sleep

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.certified import meeting, runs
from ntklora.certified.meeting import ABREAST, side_by_side
from ntklora.certified.starts import gaussian_starts
from ntklora.solvers.lanes import Ends
from tests.solvers.instances import random_problem

KEY = jax.random.key(0)


def survey(seed, rank=1, starts=24):
    problem = random_problem(seed, "squared", samples=6, shapes=((6, 5),), lam=0.02)
    return nl.survey_landscape(problem, rank, KEY, starts=starts)


def newton(seed, starts, lam=0.02, loss="squared"):
    problem = random_problem(seed, loss, samples=6, shapes=((6, 5),), lam=lam).host()
    u, v = gaussian_starts(problem, 2, KEY, starts, None)
    return runs.run_newton(problem, np.full(starts, lam), u, v)


def test_landscapes_are_those_of_a_processor(accelerator):
    jobs = [partial(survey, seed, rank) for seed in range(10) for rank in (1, 2)]
    here = [job() for job in jobs]
    calls = accelerator()
    there = list(side_by_side(jobs))
    for one, other in zip(here, there, strict=True):
        assert other.solution.status is nl.Status.certified
        assert other.solution.primal == pytest.approx(one.solution.primal, rel=1e-12)
        assert other.ends.converged.all()
        same = np.abs(other.objective / one.objective - 1) <= 1e-9
        assert same.mean() > 0.8
        assert all(a is b for a, b, equal in zip(one.kinds, other.kinds, same) if equal)
    # Twenty optima, twenty surveys, and now and then a start that leaves a saddle: alone a call for each at least.
    assert len(calls) < 20


def test_no_bit_depends_on_whom_a_call_meets(accelerator):
    accelerator()
    jobs = [partial(newton, seed, starts) for seed, starts in ((0, 5), (1, 30), (2, 64), (3, 70), (4, 12))]
    jobs += [partial(newton, 5, 20, lam) for lam in (0.01, 0.1)]
    together = list(side_by_side(jobs))
    alone = [next(side_by_side([job])) for job in jobs]
    for one, other in zip(alone, together, strict=True):
        assert one.converged.all()
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            assert np.array_equal(a, b)


def test_ends_are_those_of_the_calls_alone(accelerator):
    starts = (5, 70, 130)
    here = [newton(seed, count) for seed, count in enumerate(starts)]
    accelerator()
    there = list(side_by_side([partial(newton, seed, count) for seed, count in enumerate(starts)]))
    for one, other in zip(here, there, strict=True):
        assert other.objective.shape == one.objective.shape
        assert (np.abs(other.objective / one.objective - 1) <= 1e-9).mean() > 0.9


def test_what_comes_in_meanwhile_goes_together(accelerator, monkeypatch):
    """The first program is held until every call waits: the others need but one more."""
    accelerator()
    minimize, ends, met, filled = meeting.minimize_several, meeting.Meeting.ends, [], []

    def seen(self, given, lanes):
        met.append(self)
        return ends(self, given, lanes)

    def held(problems, lams, u, v, counts, limits, *, lanes):
        deadline = monotonic() + 60
        while not filled and len(met[0]._waiting) < ABREAST:
            assert monotonic() < deadline
            sleep(0.01)
        filled.append(int((np.asarray(counts) > 0).sum()))
        return minimize(problems, lams, u, v, counts, limits, lanes=lanes)

    monkeypatch.setattr(meeting, "minimize_several", held)
    monkeypatch.setattr(meeting.Meeting, "ends", seen)
    list(side_by_side([partial(newton, seed, 6) for seed in range(ABREAST)]))
    assert len(filled) == 2
    assert sum(filled) == ABREAST


def test_forms_do_not_mix(accelerator):
    calls = accelerator()
    jobs = [partial(newton, 0, 6), partial(newton, 0, 6, loss="logistic"), partial(newton, 0, 40)]
    squared, logistic, many = side_by_side(jobs)
    assert sorted(calls) == [8, 8, 64]
    assert squared.objective.shape == logistic.objective.shape == (6,)
    assert not np.allclose(squared.objective, logistic.objective)
    assert many.objective.min() <= squared.objective.min() + 1e-12


def test_an_error_is_raised_in_its_place_and_harms_no_other(accelerator, monkeypatch):
    accelerator()
    minimize, failures = meeting.minimize_several, []

    def failing_once(*given, lanes):
        if lanes == 64 and not failures:
            failures.append(lanes)
            raise jax.errors.JaxRuntimeError("INTERNAL: broken")
        return minimize(*given, lanes=lanes)

    def caught(job):
        try:
            return job()
        except RuntimeError as error:
            return error

    monkeypatch.setattr(meeting, "minimize_several", failing_once)
    jobs = [partial(newton, 0, 6), partial(newton, 1, 40), partial(newton, 2, 40)]
    small, *large = side_by_side([partial(caught, job) for job in jobs])
    assert small.converged.all()
    assert sorted(isinstance(answer, RuntimeError) for answer in large) == [False, True]
    failures.clear()
    with pytest.raises(RuntimeError, match="broken"):
        list(side_by_side(jobs))


def test_a_problem_that_fills_the_memory_goes_alone(accelerator, monkeypatch):
    calls, under_way, most = accelerator(), [], []

    def pretended(problem, lams, u, v, count, limits, *, lanes):
        calls.append((np.ndim(count), lanes))
        under_way.append(lanes)
        most.append(len(under_way))
        sleep(0.05)
        under_way.pop()
        return Ends(u, v, *[np.zeros(np.shape(lams))] * 2, np.ones(np.shape(lams), bool), np.ones(np.shape(lams), int))

    def ways(allowance):
        calls.clear()
        monkeypatch.setattr(meeting, "memory_allowance", lambda device: allowance)
        assert all(ends.converged.all() for ends in side_by_side([partial(newton, seed, 40) for seed in range(4)]))
        return set(calls)

    monkeypatch.setattr(runs, "lane_bytes", lambda *_: 1000)
    monkeypatch.setattr(runs, "minimize_all", pretended)
    monkeypatch.setattr(meeting, "minimize_several", pretended)
    together, alone = 1, 0  # axes of the counts of starts
    assert ways(400_000) == {(together, 16)}  # 16 · 16 · 1000 bytes beside the features
    most.clear()
    assert ways(100_000) == {(alone, 64)}
    assert len(most) == 4
    assert max(most) == 1
    monkeypatch.setattr(runs, "_FILLING", 1)
    assert ways(10**9) == {(alone, 256)}


def test_what_does_not_fit_together_goes_one_by_one(accelerator, monkeypatch):
    calls = accelerator()
    here = [newton(seed, 40) for seed in range(3)]
    calls.clear()

    def too_much(*given, lanes):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(meeting, "minimize_several", too_much)
    there = list(side_by_side([partial(newton, seed, 40) for seed in range(3)]))
    assert calls == [64] * 3
    assert all((np.abs(b.objective / a.objective - 1) <= 1e-9).mean() > 0.9 for a, b in zip(here, there, strict=True))


def test_who_is_served_does_not_wait_for_other_programs(accelerator):
    accelerator()
    met = meeting.Meeting(meeting.float64_device())
    met._busy = True  # another thread computes, from here to the end
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(met.ends, [(np.zeros(3),)], 8)
        deadline = monotonic() + 60
        while not met._waiting:
            assert monotonic() < deadline
            sleep(0.01)
        with met._changed:
            met._waiting[0].ends = "ends"
            met._changed.notify_all()
        assert answer.result(60) == ["ends"]
    assert met._busy


def test_outside_and_on_a_processor_nothing_changes(accelerator):
    assert list(side_by_side([meeting.meeting_of_thread, lambda: 2])) == [None, 2]
    calls = accelerator()
    newton(0, 40)
    assert calls == [256]
    assert meeting.meeting_of_thread() is None
