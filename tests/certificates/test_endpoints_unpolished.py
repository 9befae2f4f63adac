"""Property: a point that shows its curvature where it stands gets the verdict that it gets after polishing."""

from collections import Counter

import jax
import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates import endpoints
from ntklora.certificates.endpoints import Endpoint, classify_endpoint
from ntklora.instances.gaussian import gaussian_problem
from ntklora.instances.planted import plant_spurious_minimum
from tests.solvers.instances import random_problem


def stationary_points():
    """Planted and found: spurious, rank limited, and saddles with negative curvature at full rank."""
    for seed in range(4):
        planted = plant_spurious_minimum(2, 6, seed=seed, excess=1e-2)
        yield planted.problem, planted.u, planted.v
    for problem in (
        gaussian_problem((8, 8), num_samples=8, seed=0),
        random_problem(1, "logistic", lam=0.02),
        random_problem(1, "squared", lam=0.05, perturbed=True, shapes=((6, 5), (3, 4))),
    ):
        ends = nl.find_endpoints(problem, 1, jax.random.key(0), starts=6)
        for s in range(6):
            yield (
                problem,
                *(problem.op.like({k: x[s] for k, x in problem.op.as_dict(side).items()}) for side in ends[:2]),
            )
    problem = nl.matrix_factorization(np.diag([3.0, 2.0]), lam=1.0)  # e₂e₂ᵀ is a saddle
    yield problem, np.array([[1e-12], [1.0]]), np.array([[0.0], [1.0]])


def polished_first(monkeypatch):
    monkeypatch.setattr(endpoints, "_clear_curvature", lambda *_: None)


def test_verdicts_before_and_after_polishing_are_the_same(monkeypatch):
    points = list(stationary_points())
    solutions = [nl.solve(problem) for problem, *_ in points]
    found = [classify_endpoint(*point, solution=best) for point, best in zip(points, solutions)]
    polished_first(monkeypatch)
    for point, best, report in zip(points, solutions, found, strict=True):
        after = classify_endpoint(*point, solution=best)
        assert (report.endpoint, report.negative, report.zero) == (after.endpoint, after.negative, after.zero)
        assert report.min_curvature == pytest.approx(after.min_curvature, rel=1e-5)
    kinds = Counter(report.endpoint for report in found)
    assert kinds.keys() >= {Endpoint.spurious, Endpoint.rank_limited, Endpoint.saddle}
    assert any(report.moved == 0 for report in found if report.endpoint is Endpoint.spurious)


def test_a_point_whose_gradient_hides_its_curvature_is_polished(monkeypatch):
    problem, u, v = plant_spurious_minimum(2, 6, seed=0, excess=1e-2)[:3]
    calls = []
    polish = endpoints.polish
    monkeypatch.setattr(endpoints, "polish", lambda *given: calls.append(given) or polish(*given))
    beside = u + 1e-6 * np.random.default_rng(0).normal(size=u.shape)
    report = classify_endpoint(problem, beside, v, solution=nl.solve(problem))
    assert report.endpoint is Endpoint.spurious
    assert len(calls) == 1
    assert report.moved > 0
