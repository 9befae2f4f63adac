"""Property: under a perturbation the optimum's own factors tell a minimum from it, however small the excess."""

import pytest

import ntklora as nl
from tests.certificates import truths


@pytest.fixture(scope="module")
def minima():
    """Strict minima planted 1e-3 above `‖Γ‖ = λ`, turned by P, with the optimum of the turned problem."""
    planted = [truth for truth in truths.planted([0], (1e-3,)) if truth is not None]
    chosen = [truth for truth in planted if truth.kind is nl.Endpoint.rank_limited][:3]
    return [(truth, nl.solve(truth.problem)) for truth in truths.perturbed(chosen) if truth is not None]


def verdict(truth, solution):
    return nl.classify_endpoint(truth.problem, truth.u, truth.v, solution=solution, tolerance=1e-8)


def test_the_optimums_factors_decide(minima):
    assert len(minima) == 3
    assert nl.Endpoint.inconclusive in [verdict(truth, None).endpoint for truth, _ in minima]
    for truth, solution in minima:
        report = verdict(truth, solution)
        fits = solution.rank <= max(x.shape[1] for x in truth.problem.op.as_dict(truth.u).values())
        assert report.endpoint is (nl.Endpoint.spurious if fits else nl.Endpoint.rank_limited)
        assert report.best_known == pytest.approx(solution.primal if fits else report.objective, rel=1e-12)


def test_balanced_factors_of_the_same_product_are_worse(minima):
    """Why the factors are read and not the product: balanced ones do not attain the least of `F_P`."""
    for truth, solution in minima:
        u, v = nl.reduce_rank(truth.problem, solution.delta)
        assert float(nl.objective(truth.problem, u, v)) > solution.primal * (1 + 1e-6)
