"""Property: a landscape counts every start once, finds what was planted, and judges the ends it is given."""

import jax
import numpy as np

import ntklora as nl


def test_every_start_is_counted_once_and_above_the_threshold_all_are_global():
    problem = nl.gaussian_problem((8, 9), num_samples=5, seed=0, lam_ratio=0.05)
    landscape = nl.survey_landscape(problem, 3, jax.random.key(0), starts=12)
    assert sum(landscape.counts.values()) == len(landscape.kinds) == 12
    assert set(landscape.counts) == set(nl.Endpoint)
    assert landscape.counts[nl.Endpoint.global_] == 12
    np.testing.assert_allclose(landscape.objective, landscape.solution.primal, rtol=1e-8)


def test_a_planted_minimum_is_found_from_around_it_and_is_spurious():
    problem, u, v = nl.plant_spurious_minimum(2, 5, seed=0, excess=1e-3, shape=(8, 9))
    rng = np.random.default_rng(0)
    initial = tuple(x + 0.01 * rng.standard_normal((4, *x.shape)) for x in (u, v))
    ends = nl.find_endpoints(problem, 2, jax.random.key(0), starts=4, initial=initial)
    landscape = nl.judge_endpoints(problem, ends)
    assert landscape.kinds == (nl.Endpoint.spurious,) * 4
    np.testing.assert_allclose(landscape.objective, nl.objective(problem, u, v), rtol=1e-10)
