"""Property: what is called proved is a strict spurious minimum, exactly, and what is none is never called so."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import minimize

import ntklora as nl
from ntklora.certificates.inertia import curvature
from ntklora.instances.planted import plant_spurious_minimum, plant_tight_optimum
from ntklora.problem.objective import factor_gradients
from ntklora.proof.cases import control_cases, prove_case, spurious_cases
from ntklora.proof.spurious import Verdict, prove_spurious_minimum
from ntklora.theory.ranks import planting_threshold
from tests.proof import rationals


def problem_of(features, targets, lam):
    g = np.array(features, float)[:, None]
    return nl.Problem(nl.TangentOperator.from_dense(g), np.zeros(len(g)), np.array(targets, float), "squared", lam)


def dyadic_counterexample():
    """Rank 1, N = 2, 2 × 2, planted in dyadic rationals: stationary at u = v = e1 without any rounding.

    λ = 1/2, Γ0 = diag(−λ, λ(1 + 1/4)), ρ = (1, −1), G_1 = [[1, 2], [−2, 0]], G_2 = G_1 − 2Γ0, y_i = (G_i)_11 − ρ_i.
    """
    first = np.array([[1.0, 2.0], [-2.0, 0.0]])
    gamma = np.diag([-0.5, 0.625])
    features = np.stack([first, first - 2 * gamma])
    return features, features[:, 0, 0] - np.array([1.0, -1.0]), 0.5


def test_a_counterexample_in_dyadic_rationals_is_proved_with_its_exact_numbers():
    features, targets, lam = dyadic_counterexample()
    u = v = np.array([[1.0], [0.0]])
    exactly = [rationals.fractions(x) for x in (features, targets)]
    arguments = (*exactly, Fraction(lam))
    one = rationals.fractions(u)
    assert all(x == 0 for row in rationals.gradient(*arguments, one, one) for x in row)
    found = prove_spurious_minimum(problem_of(features, targets, lam), u + 1e-4, v - 1e-4)
    assert found.verdict is Verdict.proved
    assert max(np.abs(found.u - u).max(), np.abs(found.v - v).max()) <= found.radius < 1e-60
    # The Hessian at (e1, e1), exactly, by the definition: 2S ⊗ 1 + (1/2) Σ J Jᵀ.
    rows = [[*g[:, 0], *g[0]] for g in features]
    twice = np.block([[lam * np.eye(2), np.diag([-0.5, 0.625])], [np.diag([-0.5, 0.625]), lam * np.eye(2)]])
    hessian = rationals.fractions(twice + 0.5 * sum(np.outer(row, row) for row in rows))
    below, above = (_shifted(hessian, Fraction(found.curvature) * share) for share in (1, Fraction(101, 100)))
    assert all(pivot > 0 for pivot in rationals.pivots(below))
    assert not all(pivot > 0 for pivot in rationals.pivots(above))
    assert _within(rationals.value(*arguments, one, one), found.objective)
    assert found.excess.lower > 0


def _shifted(matrix, shift):
    return [[x - shift * (i == j) for j, x in enumerate(row)] for i, row in enumerate(matrix)]


def _within(number, interval):
    return Fraction(interval.lower) <= number <= Fraction(interval.upper)


def test_the_excess_is_that_of_the_points_in_exact_arithmetic():
    features, targets, lam = dyadic_counterexample()
    problem = problem_of(features, targets, lam)
    u = v = np.array([[1.0], [0.0]])
    better = np.array([[0.25], [0.5]]), np.array([[0.5], [-0.25]])
    found = prove_spurious_minimum(problem, u, v, better=better)
    values = [
        rationals.value(
            *(rationals.fractions(x) for x in (features, targets)), Fraction(lam), *map(rationals.fractions, pair)
        )
        for pair in ((u, v), better)
    ]
    assert _within(values[1], found.better)
    assert _within(values[0] - values[1], found.excess)
    assert (found.verdict is Verdict.proved) == (values[0] > values[1])


def test_a_global_minimum_in_closed_form_is_enclosed_and_not_called_spurious():
    # 1 × 1: F = ½(uv − 5/4)² + ½(u² + v²) is least at u = v = ½, with curvatures ½ and 2.
    problem = problem_of([[[1.0]]], [1.25], 1.0)
    half = np.array([[0.5]])
    found = prove_spurious_minimum(problem, half + 1e-3, half, better=(half, half))
    assert found.verdict is Verdict.not_lower
    assert max(abs(found.u - half), abs(found.v - half)) <= found.radius
    assert 0.499 < found.curvature <= 0.5
    assert _within(Fraction(1, 2) + Fraction(1, 4), found.objective)
    # Paths to the other minimum, −(½, ½), √2 away, pass the saddle 0, which lies 1/32 higher.
    assert 0.5 / 32 < found.barrier <= 1 / 32
    assert 0.5 < found.basin <= 2**0.5


@pytest.mark.parametrize(("rank", "seed", "excess"), [(1, 16, 1.0), (2, 49, 0.1), (3, 0, 0.1), (4, 4, 0.01)])
def test_the_curvature_is_that_of_the_floating_point_inertia_whatever_the_frame(rank, seed, excess):
    problem, u, v = plant_spurious_minimum(rank, planting_threshold(rank), seed=seed, excess=excess)
    better = lower_point(problem, rank)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((rank, rank)))[0]
    judged = curvature(problem, u, v).min_curvature
    for left, right in ((u, v), (u @ turn, v @ turn)):
        found = prove_spurious_minimum(problem, left, right, better=better)
        assert found.verdict is Verdict.proved
        assert found.curvature == pytest.approx(judged, rel=2e-3)
        assert found.moved < 1e-11


def lower_point(problem, rank):
    """The best of a few ends of SciPy's BFGS."""
    m, n = problem.shapes["w"]

    def split(x):
        return x[: m * rank].reshape(m, rank), x[m * rank :].reshape(n, rank)

    def slope(x):
        return np.concatenate([np.ravel(each["w"]) for each in factor_gradients(problem, *split(x))])

    rng = np.random.default_rng(0)
    ends = [
        minimize(lambda x: float(nl.objective(problem, *split(x))), rng.standard_normal((m + n) * rank), jac=slope)
        for _ in range(4)
    ]
    return split(min(ends, key=lambda end: end.fun).x)


@pytest.mark.parametrize("case", control_cases(), ids=lambda case: case.name)
def test_no_control_is_proved(case):
    assert prove_case(case).proof.verdict is case.expected is not Verdict.proved


def test_a_shipped_case_is_proved_with_the_better_point_found_here():
    found = prove_case(spurious_cases()[0])
    assert found.as_expected
    assert found.must_be_proved


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_worst_case_has_the_excess_of_its_formula(rank):
    (case,) = (case for case in spurious_cases() if case.name == f"worst case r={rank}")
    proof = prove_case(case).proof
    assert proof.verdict is Verdict.proved
    assert proof.relative_excess.lower == pytest.approx(nl.worst_excess(0.5), rel=1e-9)
    # Its Hessian modulo gauge has the eigenvalues 2λ and hλ only, h = 4, λ = 0.1 (the decay of `plant_worst_minimum`).
    assert proof.curvature == pytest.approx(0.2, rel=2e-3)


@pytest.mark.parametrize("place", [0, 1, 6])
def test_around_the_minimum_the_objective_rises_as_promised(place):
    point = spurious_cases()[place].plant()
    problem, lower = point.problem, lower_point(point.problem, point.u.shape[1])
    found = prove_spurious_minimum(problem, point.u, point.v, better=lower)
    middle, m = np.vstack([found.u, found.v]), len(found.u)

    def rise(q):
        return float(nl.objective(problem, q[:m], q[m:])) - found.objective.lower

    rng = np.random.default_rng(0)
    for _ in range(200):
        q = middle + rng.standard_normal(middle.shape)
        q = _turned_to(middle, q)
        direction = (q - middle) / np.linalg.norm(q - middle)
        # At the basin's radius the bound is 0, at two thirds of it the barrier.
        assert rise(middle + 2 / 3 * found.basin * direction) >= found.barrier - 1e-15
        assert rise(middle + 0.99 * found.basin * direction) > -1e-15
    better = _turned_to(middle, np.vstack(lower))
    assert np.linalg.norm(better - middle) > found.basin
    assert max(rise(middle + t * (better - middle)) for t in np.linspace(0, 1, 1001)) >= found.barrier


def _turned_to(middle, q):
    """The point `qO` of the orbit that is nearest to `middle` (Procrustes)."""
    left, _, right = np.linalg.svd(q.T @ middle)
    return q @ left @ right


@pytest.mark.slow
@pytest.mark.parametrize("case", spurious_cases(), ids=lambda case: case.name)
def test_every_shipped_case_is_proved(case):
    assert prove_case(case).proof.verdict is Verdict.proved


@pytest.mark.slow
def test_below_the_boundary_nothing_is_proved():
    for rank in (1, 2, 3, 4):
        for seed in range(50):
            problem, u, v = plant_spurious_minimum(rank, planting_threshold(rank) - 1, seed=seed, excess=1e-3)
            assert prove_spurious_minimum(problem, u, v).verdict is Verdict.not_positive


def test_columns_of_zeros_leave_the_gauge_unfixed():
    problem, u, v = plant_tight_optimum(1, seed=0)
    wide = [np.pad(x, ((0, 0), (0, 2))) for x in (u, v)]
    assert prove_spurious_minimum(problem, *wide, better=(u, v)).verdict is Verdict.gauge_not_fixed


def test_a_point_that_is_far_from_every_stationary_point_is_not_enclosed():
    problem, u, v = plant_spurious_minimum(2, 5, seed=49, excess=0.1)
    assert prove_spurious_minimum(problem, u + 0.3, v - 0.2).verdict is Verdict.not_enclosed


def test_problems_and_points_that_it_cannot_treat_are_refused():
    problem, u, v = plant_spurious_minimum(1, 2, seed=16, excess=1.0)
    g = problem.op.dense()
    factored = nl.TangentOperator.from_factors(np.ones((2, 1, 5)), np.ones((2, 1, 1, 4)))
    two = nl.TangentOperator.from_dense({"a": g, "b": g})
    perturbation = np.eye(9)
    for wrong, words in (
        (problem.with_lam(0.0), "lam > 0"),
        (problem.with_perturbation(perturbation), "no perturbation"),
        (nl.Problem(problem.op, problem.f0, np.array([1.0, -1.0]), "logistic", 0.1), "squared loss"),
        (nl.Problem(factored, problem.f0, problem.y, "squared", 0.1), "from_dense"),
    ):
        with pytest.raises(ValueError, match=words):
            prove_spurious_minimum(wrong, u, v)
    both = {"a": u, "b": u}, {"a": v, "b": v}
    with pytest.raises(ValueError, match="one weight"):
        prove_spurious_minimum(nl.Problem(two, problem.f0, problem.y, "squared", 0.1), *both)
    with pytest.raises(ValueError, match="bits is 24"):
        prove_spurious_minimum(problem, u, v, bits=24)
    with pytest.raises(ValueError, match="rank at most 1"):
        prove_spurious_minimum(problem, u, v, better=(np.hstack([u, u]), np.hstack([v, v])))
