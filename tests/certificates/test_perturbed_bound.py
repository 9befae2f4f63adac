"""The gap of F_P encloses the optimum of the semidefinite program, and the bounds of C1 hold."""

import cvxpy as cp
import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.perturbed import longest_step, perturbation_excess, perturbed_gap, stationarity_bound
from ntklora.problem.objective import dual_vector, gradient_matrices, kkt_matrices
from tests.certificates.random_problems import random_factors, random_problem


def with_perturbation(problem, seed, size=0.05, rank=None):
    rng = np.random.default_rng(seed)
    roots = {name: rng.standard_normal((sum(s), rank or sum(s))) for name, s in problem.shapes.items()}
    return problem.with_perturbation(problem.op.like({k: size * x @ x.T for k, x in roots.items()}))


def semidefinite_optimum(problem):
    """min F_P over Z ⪰ 0 by Clarabel, with factors of its minimizer."""
    lifted = {name: cp.Variable((sum(s), sum(s)), PSD=True) for name, s in problem.shapes.items()}
    g = problem.op.as_dict(problem.op.dense())
    loss, decay = 0.0, 0.0
    for name, z in lifted.items():
        perturbation = 0.0 if problem.perturbation is None else problem.perturbation[name]
        decay += cp.trace((0.5 * float(problem.lam) * np.eye(z.shape[0]) + perturbation) @ z)
    for i in range(problem.num_samples):
        row = problem.f0[i, 0]
        for name, z in lifted.items():
            m = problem.shapes[name][0]
            row = row + cp.sum(cp.multiply(g[name][i, 0], z[:m, m:]))
        if problem.loss.name == "squared":
            loss += 0.5 * cp.square(row - problem.y[i, 0])
        else:
            loss += cp.logistic(-problem.y[i] * row)
    convex = cp.Problem(cp.Minimize(loss / problem.num_samples + decay))
    convex.solve(solver=cp.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    us, vs = {}, {}
    for name, z in lifted.items():
        values, vectors = np.linalg.eigh(z.value)
        q, m = vectors * np.sqrt(np.maximum(values, 0)), problem.shapes[name][0]
        us[name], vs[name] = q[:m], q[m:]
    return convex.value, problem.op.like(us), problem.op.like(vs)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("shapes", [((3, 4),), ((2, 3), (3, 2))])
@pytest.mark.parametrize("lam", [0.1, 0.0])
def test_the_gap_encloses_the_semidefinite_optimum(loss, shapes, lam):
    problem = with_perturbation(random_problem(1, loss, n=5, shapes=shapes, lam=lam), 2)
    optimum, u, v = semidefinite_optimum(problem)
    for seed in range(3):
        gap = perturbed_gap(problem, *random_factors(problem, 2, seed))
        assert gap.dual <= optimum + 1e-9 < gap.primal
        for s in kkt_matrices(problem, gradient_matrices(problem, gap.alpha)).values():
            assert np.linalg.eigvalsh(s)[0] >= -1e-15
    at_optimum = perturbed_gap(problem, u, v)
    assert -1e-9 < at_optimum.gap < 1e-4
    trace = sum((x**2).sum() for side in (u, v) for x in problem.op.as_dict(side).values())
    for seed in range(3):
        far = random_factors(problem, 2, seed)
        excess = float(nl.objective(problem, *far)) - optimum
        assert excess <= stationarity_bound(problem, *far, trace) + 1e-9


def test_without_perturbation_it_is_the_gap_of_the_balanced_factors():
    problem = random_problem(3, "squared", k=2, shapes=((3, 4), (2, 5)), lam=0.1)
    rng = np.random.default_rng(0)
    us, vs, deltas = {}, {}, {}
    for name, (m, n) in problem.shapes.items():
        delta = rng.standard_normal((m, n))
        left, values, right = np.linalg.svd(delta, full_matrices=False)
        us[name], vs[name], deltas[name] = left * np.sqrt(values), right.T * np.sqrt(values), delta
    assert perturbed_gap(problem, us, vs).gap == pytest.approx(nl.duality_gap(problem, deltas).gap, rel=1e-10)
    alpha = dual_vector(problem, problem.f0)
    slopes = [np.linalg.norm(gamma, 2) for gamma in gradient_matrices(problem, alpha).values()]
    expected = float(problem.lam) / max(slopes)
    assert longest_step(problem, alpha) == pytest.approx(expected, rel=1e-12)


def test_a_singular_constraint_leaves_no_step():
    # λ = 0 and P of rank 2 in 7 coordinates: Γ acts on the kernel of P.
    problem = with_perturbation(random_problem(4, lam=0.0, shapes=((3, 4),)), 0, rank=2)
    assert longest_step(problem, dual_vector(problem, problem.f0)) == 0.0
    assert perturbed_gap(problem, *random_factors(problem, 1, 0)).dual == 0.0


def test_the_perturbation_bounds_what_it_costs():
    plain = random_problem(5, n=4, shapes=((3, 3),), lam=0.1)
    optimum, u_best, v_best = semidefinite_optimum(plain)
    for size in (1e-2, 1e-3):
        problem = with_perturbation(plain, 6, size)
        _, u, v = semidefinite_optimum(problem)
        sharp = perturbation_excess(problem, u, v, u_best @ v_best.T)
        excess = float(nl.objective(plain, u, v)) - optimum
        loose = (
            2
            * max(np.linalg.norm(p, 2) for p in problem.perturbation.values())
            * np.linalg.svd(u_best @ v_best.T)[1].sum()
        )
        assert excess <= sharp + 1e-8
        assert sharp <= loose
    with pytest.raises(ValueError, match="no perturbation"):
        perturbation_excess(plain, u, v, u_best @ v_best.T)
