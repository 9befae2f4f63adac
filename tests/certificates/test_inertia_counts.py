"""Inertia count and smallest curvature agree with the dense Hessian, whatever the loss, layers, P, λ and padding."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.hessian import count_below, hessian, multiply, solve_shifted, to_coordinates, to_factors
from ntklora.certificates.inertia import curvature, lowest_mode
from ntklora.instances.planted import plant_spurious_minimum
from ntklora.theory.ranks import planting_threshold
from tests.certificates.dense_hessian import dense_hessian, differentiated_hessian, flatten, projected_eigenvalues
from tests.certificates.random_problems import random_factors, random_problem

CASES = [
    ("squared", {"k": 1}),
    ("squared", {"k": 2, "factored": True}),
    ("squared", {"k": 1, "shapes": ((3, 4), (2, 5))}),
    ("squared", {"k": 1, "shapes": ((5, 2), (3, 3))}),
    ("squared", {"k": 1, "n": 60}),  # more outputs than coordinates
    ("logistic", {"k": 1}),
    ("cross_entropy", {"k": 3, "shapes": ((3, 4), (2, 5))}),
]


def instance(seed, loss, options):
    """Every third without weight decay, every fourth perturbed, every fifth with a zero column."""
    problem = random_problem(seed, loss, lam=(0.1, 1e-3, 0.0)[seed % 3], **options)
    rng = np.random.default_rng(seed)
    if seed % 4 == 1:
        roots = {name: rng.standard_normal((sum(s), sum(s))) for name, s in problem.shapes.items()}
        problem = problem.with_perturbation(problem.op.like({k: 0.01 * x @ x.T for k, x in roots.items()}))
    u, v = random_factors(problem, 1 + seed % 3, seed)
    if seed % 5 == 0:
        us, vs = problem.op.as_dict(u), problem.op.as_dict(v)
        u, v = (problem.op.like({k: np.pad(x, ((0, 0), (0, 1))) for k, x in side.items()}) for side in (us, vs))
    return problem, u, v


def test_the_judge_is_judged():
    for loss, options in (CASES[1], CASES[-1]):
        problem, u, v = instance(1, loss, options)
        expected = differentiated_hessian(problem, u, v)
        assert np.abs(dense_hessian(problem, u, v) - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize(("loss", "options"), CASES)
def test_count_equals_dense_count(loss, options):
    for seed in range(6):
        problem, u, v = instance(seed, loss, options)
        eigenvalues, h = projected_eigenvalues(problem, u, v), hessian(problem, u, v)
        rng = np.random.default_rng(seed)
        shifts = [*rng.choice(eigenvalues, 8) + rng.choice([-1, 1], 8) * 10.0 ** -rng.uniform(1, 11, 8) * h.scale]
        for mu in [*shifts, *(0.5 * (eigenvalues[1:] + eigenvalues[:-1]))[:6]]:
            if np.abs(eigenvalues - mu).min() > 1e-12 * h.scale:
                assert count_below(h, mu) == (eigenvalues < mu).sum()


@pytest.mark.parametrize(("loss", "options"), CASES)
def test_smallest_curvature_equals_dense_one_and_its_direction_has_it(loss, options):
    for seed in range(6):
        problem, u, v = instance(seed, loss, options)
        found = curvature(problem, u, v)
        assert found.min_curvature == pytest.approx(projected_eigenvalues(problem, u, v)[0], abs=1e-13 * found.scale)
        direction = flatten(*found.direction)
        assert np.linalg.norm(direction) == pytest.approx(1.0, abs=1e-12)
        exhibited = direction @ dense_hessian(problem, u, v) @ direction
        assert exhibited == pytest.approx(found.min_curvature, abs=1e-12 * found.scale)


@pytest.mark.parametrize(("loss", "options"), CASES)
def test_product_solve_and_scale(loss, options):
    for seed in (1, 2, 3):  # no zero column: the coordinates are all of the space
        problem, u, v = instance(seed, loss, options)
        h, dense = hessian(problem, u, v), dense_hessian(problem, u, v)
        x = np.random.default_rng(seed).standard_normal(len(dense))
        direction = flatten(*to_factors(h, x))
        product = multiply(h, x)
        assert np.abs(flatten(*to_factors(h, product)) - dense @ direction).max() <= 1e-12 * h.scale * len(x)
        np.testing.assert_allclose(to_coordinates(h, *to_factors(h, x)), x, atol=1e-12)
        assert np.abs(np.linalg.eigvalsh(dense)).max() <= h.scale * (1 + 1e-12)
        shift = -0.1 * h.scale
        solution = solve_shifted(h, shift, x)
        image = multiply(h, solution) - shift * solution - x
        image -= h.gauge @ (h.gauge.T @ image)
        assert np.abs(image).max() <= 1e-11 * np.abs(x).max()


def test_planted_minima_are_strict_from_the_threshold_on_and_never_below():
    for rank in (1, 2, 3):
        for offset, expected in ((-1, 0), (0, 1)):
            strict = 0
            for seed in range(8):
                n = planting_threshold(rank) + offset
                problem, u, v = plant_spurious_minimum(rank, n, seed=seed, excess=1e-5)
                found = curvature(problem, u, v)
                lowest = projected_eigenvalues(problem, u, v)[0]
                assert (found.negative > 0) == (lowest < -found.resolution)
                strict += found.negative == found.zero == 0
            assert (strict > 0) == bool(expected)


def test_a_point_at_the_origin_curves_as_the_gradient_says():
    # At u = v = 0 the Hessian is [[λ, Γ], [Γᵀ, λ]] for each column: no data enter but Γ(0).
    problem = random_problem(0, lam=0.3)
    found = curvature(problem, np.zeros((4, 2)), np.zeros((5, 2)))
    assert found.min_curvature == pytest.approx(float(problem.lam) - nl.lam_max(problem), rel=1e-12)
    assert found.negative == 2 * int(
        (np.linalg.svd(problem.op.adjoint(problem.f0 - problem.y) / 6)[1] > problem.lam).sum()
    )


def test_nearly_stationary_points_stay_within_the_resolution():
    # The calibration of _GAUGE_SAFETY = 10: moving a planted minimum by 1e-7 changes its smallest curvature by at most
    # 2.2 ‖HB‖ in 360 trials.
    worst = 0.0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        problem, u, v = plant_spurious_minimum(3, 9, seed=seed, excess=1e-3)
        exact = curvature(problem, u, v).min_curvature
        u, v = (x + 1e-7 * rng.standard_normal(x.shape) for x in (u, v))
        moved = curvature(problem, u, v)
        worst = max(worst, abs(moved.min_curvature - exact) / moved.resolution)
    assert worst < 0.5


def test_smallest_curvature_is_the_same_from_random_vectors(monkeypatch):
    for seed in range(6):
        h = hessian(*instance(seed, "logistic", {"k": 1, "shapes": ((3, 4), (2, 5))}))
        dense, _ = lowest_mode(h)
        monkeypatch.setattr("ntklora.certificates.inertia._DENSE", 0)
        assert lowest_mode(h)[0] == pytest.approx(dense, abs=1e-13 * h.scale)
        monkeypatch.undo()
