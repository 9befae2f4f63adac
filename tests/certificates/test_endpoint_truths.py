"""Endpoint verdicts on points of known truth, with the dense Hessian as judge of curvature and SciPy of values."""

from collections import Counter

import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.duality import dual_objective
from ntklora.certificates.endpoints import Endpoint, classify_endpoint
from ntklora.instances.planted import plant_spurious_minimum, plant_tight_optimum
from ntklora.instances.planted_optima import plant_optimum
from ntklora.problem.objective import balanced_factors, full_objective
from ntklora.theory.ranks import planting_threshold
from tests.certificates.denoising import matrix_denoising
from tests.certificates.dense_hessian import dense_hessian, projected_eigenvalues
from tests.certificates.descent import descend, full_rank_optimum
from tests.certificates.random_problems import random_problem

TOLERANCE = 1e-8


def judge(problem, u, v, optimum, rivals):
    """The verdicts that truth allows: one, unless a value or a curvature is within rounding of its boundary."""
    value = float(nl.objective(problem, u, v))
    if value - dual_objective(problem, optimum.alpha) <= TOLERANCE * value:
        return {Endpoint.global_}
    scale = np.abs(np.linalg.eigvalsh(dense_hessian(problem, u, v))).max()
    lowest = projected_eigenvalues(problem, u, v)[0] / scale
    undecided = {Endpoint.inconclusive} if abs(lowest) < 1e-7 else set()
    # The optimum that SciPy reached may itself be no better than the tolerance.
    if value - full_objective(problem, optimum.delta) <= TOLERANCE * value:
        undecided |= {Endpoint.inconclusive, Endpoint.global_}
    if lowest < -1e-14:
        return {Endpoint.saddle} | undecided
    if lowest < 1e-14:
        return {Endpoint.flat} | undecided
    better = min(float(nl.objective(problem, *rival)) for rival in rivals) < value * (1 - TOLERANCE)
    return ({Endpoint.spurious} if better else {Endpoint.spurious, Endpoint.rank_limited}) | undecided


def planted_cases():
    for rank in (1, 2, 3, 4):
        for excess in (1e-1, 1e-2, 1e-3, 1e-5):
            for offset in (-1, 0, 1):
                n = planting_threshold(rank) + offset
                yield plant_spurious_minimum(rank, n, seed=100 * rank, excess=excess)


def test_planted_points_are_judged_as_the_dense_hessian_judges_them():
    verdicts = Counter()
    for planted in planted_cases():
        problem, u, v = planted
        rng = np.random.default_rng(0)
        optimum = full_rank_optimum(problem, rng)
        rivals = [descend(problem, u.shape[1], rng)]
        report = classify_endpoint(problem, u, v, solution=optimum, rivals=rivals, tolerance=TOLERANCE)
        assert report.endpoint in judge(problem, u, v, optimum, rivals), report
        if report.endpoint is Endpoint.spurious:
            assert problem.num_samples >= planting_threshold(u.shape[1])
            assert report.best_known < report.objective * (1 - TOLERANCE)
            assert report.best_known >= dual_objective(problem, optimum.alpha) - 1e-12
        verdicts[report.endpoint] += 1
    assert sum(verdicts.values()) == 48
    assert verdicts[Endpoint.spurious] >= 10
    assert verdicts[Endpoint.saddle] >= 15
    # Minima within 1e-8 of an optimum that SciPy could not certify to 1e-8: the judge allows no others.
    assert verdicts[Endpoint.inconclusive] <= 3


@pytest.mark.parametrize(
    ("chosen", "tie", "expected"),
    [
        ([0, 1], False, Endpoint.rank_limited),
        ([0], False, Endpoint.rank_limited),
        ([0, 2], False, Endpoint.saddle),
        ([3], False, Endpoint.saddle),
        ([0, 1], True, Endpoint.flat),
        ([0, 1, 2, 3], False, Endpoint.global_),
    ],
)
def test_denoising_is_judged_as_eckart_and_young_say(chosen, tie, expected):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        values = np.sort(rng.uniform(2, 4, 4))[::-1]
        values[2] = values[1] if tie else values[2]
        problem, u, v = matrix_denoising(rng, values, chosen, lam=0.02)
        turn, _ = np.linalg.qr(rng.standard_normal((len(chosen), len(chosen))))
        report = classify_endpoint(problem, u @ turn, v @ turn)
        assert report.endpoint is expected, report


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_optima_are_global_and_their_padding_too(rank):
    for seed in range(6):
        valley = plant_optimum([rank], 3 + seed, seed=seed)
        left, right = balanced_factors(valley.delta["layer0"], rank)
        for problem, u, v in (
            (valley.problem, {"layer0": left}, {"layer0": right}),
            plant_tight_optimum(rank, seed=seed),
        ):
            assert classify_endpoint(problem, u, v).endpoint is Endpoint.global_
            wide = [{k: np.pad(x, ((0, 0), (0, 2))) for k, x in problem.op.as_dict(side).items()} for side in (u, v)]
            padded = classify_endpoint(problem, *wide)
            assert padded.endpoint is Endpoint.global_
            assert padded.min_curvature >= -1e-12


def test_rank_deficient_points_that_are_not_optimal_are_saddles():
    for seed in range(5):
        problem, u, v = plant_spurious_minimum(2, 5, seed=seed, excess=0.3)
        for width in (0.0, 1e-9):
            rng = np.random.default_rng(seed)
            wide_u, wide_v = (np.concatenate([x, width * rng.standard_normal((len(x), 1))], 1) for x in (u, v))
            assert classify_endpoint(problem, wide_u, wide_v).endpoint is Endpoint.saddle
    problem = random_problem(0, lam=0.1)
    assert classify_endpoint(problem, np.zeros((4, 2)), np.zeros((5, 2))).endpoint is Endpoint.saddle


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("logistic", {"k": 1, "n": 12}),
        ("cross_entropy", {"k": 3, "n": 6}),
        ("squared", {"k": 2, "n": 8, "shapes": ((3, 4), (4, 3))}),
        ("squared", {"k": 1, "n": 12, "factored": True}),
    ],
)
def test_ends_of_descent_agree_with_the_judge(loss, options):
    verdicts = Counter()
    for seed in range(6):
        problem = random_problem(seed, loss, lam=0.02, **options)
        rng = np.random.default_rng(seed)
        optimum = full_rank_optimum(problem, rng)
        ends = [descend(problem, 1, rng, scale=10.0**-k) for k in range(3)]
        for end in ends:
            report = classify_endpoint(problem, *end, solution=optimum, rivals=ends, tolerance=1e-6)
            allowed = judge(problem, *end, optimum, ends) | {Endpoint.global_}
            if report.endpoint is Endpoint.global_:
                assert report.objective - dual_objective(problem, optimum.alpha) <= 1e-6 * report.objective
            assert report.endpoint in allowed, report
            verdicts[report.endpoint] += 1
    assert verdicts[Endpoint.unconverged] == 0


def test_two_layers_one_spurious_one_with_a_valley_are_flat():
    # Layer `a` holds a planted minimum; layer `b` an optimum of rank 3 on 4 samples, which has a valley of 6 - 4 > 0
    # dimensions. No sample meets both layers, so F is a sum.
    spurious = plant_spurious_minimum(1, 3, seed=1, excess=1e-3)
    valley = plant_optimum([3], 4, seed=2)
    first, second = spurious.problem, valley.problem
    assert projected_eigenvalues(first, spurious.u, spurious.v)[0] > 1e-3
    left, right = balanced_factors(valley.delta["layer0"], 3)
    # With features scaled by √(7/N_l), targets too, the mean over all 7 samples gives each layer its own mean.
    g = {
        "a": np.sqrt(7 / 3) * np.pad(first.op.dense(), ((0, 4), (0, 0), (0, 0), (0, 0))),
        "b": np.sqrt(7 / 4) * np.pad(second.op.dense()["layer0"], ((3, 0), (0, 0), (0, 0), (0, 0))),
    }
    y = np.concatenate([np.sqrt(7 / 3) * first.y, np.sqrt(7 / 4) * (second.y - second.f0)])
    problem = nl.Problem(nl.TangentOperator.from_dense(g), np.zeros(7), y, "squared", first.lam)
    u, v = {"a": spurious.u, "b": left}, {"a": spurious.v, "b": right}
    assert np.abs(projected_eigenvalues(problem, u, v)[:2]).max() < 1e-14
    assert classify_endpoint(problem, u, v, tolerance=TOLERANCE).endpoint is Endpoint.flat


def test_a_point_that_is_not_stationary_is_unconverged():
    problem, u, v = plant_spurious_minimum(2, 6, seed=0, excess=0.3)
    rng = np.random.default_rng(1)
    report = classify_endpoint(problem, u + 0.3 * rng.standard_normal(u.shape), v)
    assert report.endpoint is Endpoint.unconverged
    near = classify_endpoint(problem, u + 1e-6 * rng.standard_normal(u.shape), v)
    assert near.endpoint is classify_endpoint(problem, u, v).endpoint
    assert 1e-7 < near.moved < 1e-3
    assert near.gradient_norm > 1e-8


def test_components_outside_the_span_must_vanish():
    problem, u, v = matrix_denoising(np.random.default_rng(0), np.array([3.0, 2.5]), [0], lam=0.02)
    wide = nl.TangentOperator.from_dense(np.pad(problem.op.dense(), ((0, 0), (0, 0), (0, 3), (0, 2))))
    full = nl.Problem(wide, problem.f0, problem.y, "squared", problem.lam)
    u, v = np.pad(u, ((0, 3), (0, 0))), np.pad(v, ((0, 2), (0, 0)))
    assert classify_endpoint(full, u, v).endpoint is Endpoint.rank_limited
    outside = u + np.array([0, 0, 0.1, 0, 0])[:, None]
    assert classify_endpoint(full, outside, v).endpoint is Endpoint.unconverged
    trace = u + np.array([0, 0, 1e-6, 0, 0])[:, None]
    report = classify_endpoint(full, trace, v)
    assert report.endpoint is Endpoint.rank_limited
    assert report.moved == pytest.approx(1e-6, rel=1e-3)


def test_wrong_shapes_and_wide_rivals_are_refused():
    problem, u, v = plant_spurious_minimum(2, 6, seed=0, excess=0.3)
    with pytest.raises(ValueError, match=r"\(7, 6\) rows"):
        classify_endpoint(problem, np.zeros((7, 2)), v)
    with pytest.raises(ValueError, match=r"expected \(m, r\), \(n, r\)"):
        classify_endpoint(problem, u[:, :1], v)
    with pytest.raises(ValueError, match="more columns"):
        classify_endpoint(problem, u, v, rivals=[(np.zeros((5, 3)), np.zeros((6, 3)))])


@pytest.mark.parametrize(("features", "outputs"), [(1e6, 1.0), (1e-6, 1.0), (1.0, 1e5), (1e-5, 1e5)])
def test_verdicts_do_not_depend_on_units(features, outputs):
    rng = np.random.default_rng(0)
    values = np.array([3.5, 3.0, 2.5, 2.0])
    cases = [
        (plant_spurious_minimum(2, 6, seed=1, excess=1e-2), {Endpoint.rank_limited}),
        (plant_spurious_minimum(2, 4, seed=1, excess=1e-2), {Endpoint.saddle}),
        (matrix_denoising(rng, values, [0, 1], lam=0.02), {Endpoint.rank_limited}),
        (matrix_denoising(rng, np.array([3.5, 3.0, 3.0, 2.0]), [0, 1], lam=0.02), {Endpoint.flat}),
        (plant_tight_optimum(2, seed=0), {Endpoint.global_}),
    ]
    for (problem, u, v), expected in cases:
        op = nl.TangentOperator.from_dense(features * problem.op.dense())
        scaled = nl.Problem(op, outputs * problem.f0, outputs * problem.y, "squared", features * outputs * problem.lam)
        size = np.sqrt(outputs / features)
        assert classify_endpoint(problem, u, v, tolerance=TOLERANCE).endpoint in expected
        assert classify_endpoint(scaled, size * u, size * v, tolerance=TOLERANCE).endpoint in expected
        zero = classify_endpoint(scaled, 0 * u, 0 * v)
        assert zero.endpoint is Endpoint.saddle
        near = classify_endpoint(scaled, size * (u + 1e-7), size * v, tolerance=TOLERANCE)
        assert near.endpoint in expected
