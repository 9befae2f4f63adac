"""Many endpoints at once get the verdicts that each would get alone."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.endpoints import ENDPOINT_CODES, Endpoint, classify_endpoint, classify_endpoints
from ntklora.instances.planted import plant_spurious_minimum
from tests.certificates.descent import descend, full_rank_optimum
from tests.certificates.random_problems import random_problem


def stacked(points):
    return tuple({k: np.stack([point[side][k] for point in points]) for k in points[0][side]} for side in (0, 1))


def test_batched_verdicts_equal_single_ones():
    problem, u, v = plant_spurious_minimum(2, 5, seed=3, excess=1e-3)
    rng = np.random.default_rng(0)
    optimum = full_rank_optimum(problem, rng)
    ends = [descend(problem, 2, rng) for _ in range(4)]
    turned = [np.linalg.qr(rng.standard_normal((2, 2)))[0] for _ in range(3)]
    planted = [({"w": u @ turn}, {"w": v @ turn}) for turn in turned]
    zero = ({"w": np.zeros_like(u)}, {"w": np.zeros_like(v)})
    far = ({"w": u + 1.0}, {"w": v})
    points = [*ends, *planted, zero, far]
    us, vs = stacked(points)
    together = classify_endpoints(problem, us["w"], vs["w"], solution=optimum)
    for point, report in zip(points, together):
        alone = classify_endpoint(problem, *point, solution=optimum, rivals=points)
        assert report.endpoint is alone.endpoint
        assert abs(report.gap - alone.gap) <= 1e-9
        assert abs(report.best_known - alone.best_known) <= 1e-12
    verdicts = [report.endpoint for report in together]
    assert verdicts[4:7] == [Endpoint.spurious] * 3
    assert verdicts[7:] == [Endpoint.saddle, Endpoint.unconverged]


def test_perturbed_problems_are_judged_by_their_own_objective():
    plain = random_problem(2, n=5, shapes=((3, 3),), lam=0.1)
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 6))
    problem = plain.with_perturbation(0.01 * root @ root.T)
    assert classify_endpoint(problem, *descend(plain, 3, rng)).endpoint is not Endpoint.global_
    report = classify_endpoints(problem, np.zeros((1, 3, 3)), np.zeros((1, 3, 3)))[0]
    assert report.endpoint is Endpoint.saddle
    strong = plain.with_perturbation((1.0 * nl.lam_max(plain)) * np.eye(6))
    assert classify_endpoint(strong, np.zeros((3, 3)), np.zeros((3, 3))).endpoint is Endpoint.global_


def test_codes_number_the_classes():
    assert sorted(ENDPOINT_CODES.values()) == list(range(7))
    assert {str(endpoint) for endpoint in ENDPOINT_CODES} == {
        "global", "spurious", "rank_limited", "flat", "saddle", "unconverged", "inconclusive"
    }  # fmt: skip
    assert classify_endpoints(random_problem(0), np.zeros((0, 4, 2)), np.zeros((0, 5, 2))) == []


MISTAKES = {
    "one point": (np.zeros((4, 2)), np.zeros((5, 2)), r"shapes \(4, 2\), \(5, 2\); expected \(S, m, r\)"),
    "other numbers of points": (np.zeros((3, 4, 2)), np.zeros((2, 5, 2)), "with the S = 3 of all weights"),
    "other ranks": (np.zeros((3, 4, 2)), np.zeros((3, 5, 1)), r"expected \(S, m, r\), \(S, n, r\)"),
    "other rows": (np.zeros((3, 4, 2)), np.zeros((3, 6, 2)), r"have \(4, 6\) rows"),
    "NaN": (np.full((3, 4, 2), np.nan), np.zeros((3, 5, 2)), "NaN or infinite"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_ends_that_do_not_fit_are_refused_in_a_line(mistake):
    us, vs, message = MISTAKES[mistake]
    with pytest.raises(ValueError, match=message):
        classify_endpoints(random_problem(0), us, vs)
