"""Property: the search reaches the bound of T2-worst at the boundary, never passes it, and finds nothing below."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.problem.objective import factor_gradients
from ntklora.theory import planting_threshold
from tests.certificates.dense_hessian import dense_hessian, projected_eigenvalues

BALANCE = 0.5


def search(rank, side, **named):
    """The instance found, its relative curvature by dense eigenvalues, its relative excess, its verdict."""
    found = nl.search_worst_minimum(rank, planting_threshold(rank) + side, seed=0, balance=BALANCE, **named)
    problem, u, v, *rival = found
    assert max(np.abs(g["w"]).max() for g in factor_gradients(problem, u, v)) < 1e-13
    curvature = projected_eigenvalues(problem, u, v)[0] / np.linalg.norm(dense_hessian(problem, u, v), 2)
    value, better = float(nl.objective(problem, u, v)), float(nl.objective(problem, *rival))
    report = nl.classify_endpoint(problem, u, v, rivals=[rival], tolerance=1e-9)
    assert report.best_known == pytest.approx(min(value, better), rel=1e-12)
    return problem, curvature, (value - better) / value, report.endpoint


RANKS = [1, 2, 3, pytest.param(4, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)]


@pytest.mark.parametrize("rank", RANKS)
def test_at_the_boundary_it_comes_close_to_the_bound_and_stays_below(rank):
    problem, curvature, excess, endpoint = search(rank, 0)
    assert nl.span_dimension(problem) == problem.num_samples
    assert endpoint is nl.Endpoint.spurious
    assert excess <= nl.worst_excess(curvature)
    best = nl.worst_excess(nl.balanced_curvature(BALANCE))
    assert min(curvature / BALANCE, excess) >= 0.9 * best


@pytest.mark.parametrize("rank", RANKS)
def test_one_sample_below_the_same_search_finds_no_strict_minimum(rank):
    _, curvature, _, endpoint = search(rank, -1)
    assert curvature <= 1e-12
    assert endpoint in (nl.Endpoint.flat, nl.Endpoint.saddle)


def test_the_weight_decay_is_a_unit_only():
    one, other = (nl.search_worst_minimum(1, 2, seed=1, lam=lam) for lam in (0.1, 3.0))
    first, second = (nl.relative_curvature(found.problem, found.u, found.v) for found in (one, other))
    assert first == pytest.approx(second, rel=1e-9)
    assert float(nl.objective(other.problem, other.u, other.v)) == pytest.approx(
        30 * float(nl.objective(one.problem, one.u, one.v)), rel=1e-9
    )


@pytest.mark.parametrize("changes", [{"rank": 0}, {"num_samples": 0}, {"starts": 0}, {"steps": 0}, {"balance": 0.0}])
def test_impossible_searches_are_refused(changes):
    with pytest.raises(ValueError, match="expected rank"):
        nl.search_worst_minimum(**{"rank": 2, "num_samples": 5, "seed": 0, **changes})
