"""The structured Newton system is the one of the dense Hessian, for every kind of problem; zero columns stay zero."""

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ntklora.problem.objective import objective
from ntklora.solvers import curve
from ntklora.solvers.curve import LENGTHS, moved, newton_curve, values_along
from ntklora.solvers.newton import chosen_value, minimize
from ntklora.solvers.point import evaluate
from ntklora.solvers.system import assemble, solve_system
from tests.solvers.instances import random_factors, random_problem

KINDS = {
    "factored": {},
    "dense": {"layout": "dense"},
    "positions": {"positions": 3, "samples": 5},
    "positions, few": {"positions": 2, "samples": 3, "shapes": ((16, 20),)},
    "wide": {"shapes": ((4, 9),)},
    "three weights": {"shapes": ((6, 5), (3, 7), (5, 5))},
    "perturbed": {"perturbed": True, "shapes": ((6, 5), (3, 4))},
    "no decay": {"lam": 0.0},
    "with fan_in first": {"layout": "transposed", "positions": 2},
    "met both ways": {"layout": "two-sided", "shapes": ((5, 5),)},
}


CASES = [
    ("squared", "factored"),
    ("logistic", "dense"),
    ("cross_entropy", "positions"),
    ("cross_entropy", "positions, few"),
    ("squared", "wide"),
    ("cross_entropy", "three weights"),
    ("logistic", "perturbed"),
    ("squared", "no decay"),
    ("cross_entropy", "with fan_in first"),
    ("squared", "met both ways"),
]


@pytest.mark.parametrize(("loss", "kind"), CASES)
def test_system_is_the_dense_one(loss, kind):
    problem = random_problem(1, loss, **KINDS[kind])
    u, v = random_factors(2, problem, 3)
    flat, unravel = ravel_pytree((u, v))
    shift = 0.7

    def structured(at):
        point = evaluate(problem, at)
        return point, ravel_pytree(solve_system(assemble(problem, point, shift), point.gradient))[0]

    def derivatives(x):
        gradient = jax.grad(lambda x: objective(problem, *unravel(x)))
        return gradient(x), jax.jacfwd(gradient)(x)

    point, solved = jax.jit(structured)((u, v))
    gradient, hessian = jax.jit(derivatives)(flat)
    expected = np.linalg.solve(hessian + shift * np.eye(flat.size), gradient)
    np.testing.assert_allclose(point.objective, objective(problem, u, v), rtol=1e-13)
    np.testing.assert_allclose(ravel_pytree(point.gradient)[0], gradient, atol=1e-13)
    np.testing.assert_allclose(solved, expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("kind", "cache"), [("perturbed", curve._BEYOND_CACHE), ("dense", curve._BEYOND_CACHE), ("dense", 0)]
)
def test_values_along_the_curve_are_those_of_the_objective(kind, cache, monkeypatch):
    monkeypatch.setattr(curve, "_BEYOND_CACHE", cache)
    problem = random_problem(1, "logistic", **KINDS[kind])
    at = random_factors(2, problem, 3)

    def tried(at):
        point = evaluate(problem, at)
        path = newton_curve(problem, assemble(problem, point, 0.7), point)
        places = [moved(at, path, 0.5, bent) for bent in (False, True)]
        return values_along(problem, at, point, path), [evaluate(problem, place).objective for place in places]

    values, expected = jax.jit(tried)(at)
    for bent in (0, 1):
        np.testing.assert_allclose(values[bent][LENGTHS.index(0.5)], expected[bent], rtol=1e-13)


def test_the_full_step_is_taken_unless_it_gains_much_less_than_the_best():
    count, full = len(LENGTHS), LENGTHS.index(1.0)
    for gains, expected in (
        ({3: 1.0, full: 0.71}, full),
        ({3: 1.0, full: 0.71, count + full: 0.72}, count + full),
        ({3: 1.0, full: 0.69}, 3),
        ({count + 1: 1.0, full: -1.0}, count + 1),
    ):
        values = np.full(2 * count, 5.0)
        values[list(gains)] = 5.0 - np.array(list(gains.values()))
        assert chosen_value(values, 5.0) == expected


def test_runs_over_problems_are_the_single_runs_and_zero_columns_stay_zero():
    problem, run = random_problem(1, "logistic"), jax.jit(minimize)
    starts = []
    for seed in range(3):
        u, v = random_factors(seed, problem, 2)
        starts.append(tuple({k: np.pad(x, ((0, 0), (0, 2))) for k, x in factor.items()} for factor in (u, v)))
    alone = jax.device_get([run(problem, *start) for start in starts])
    problems = jax.tree.map(lambda x: np.stack([x] * 3), problem)
    across = jax.device_get(jax.jit(jax.vmap(minimize))(problems, *jax.tree.map(lambda *x: np.stack(x), *starts)))
    for k in range(3):
        value = objective(problem, alone[k].best_u, alone[k].best_v)
        end = jax.tree.map(lambda x, k=k: x[k], across)
        assert end.converged
        assert not any(factor[:, 2:].any() for half in (end.best_u, end.best_v) for factor in half.values())
        np.testing.assert_allclose(objective(problem, end.best_u, end.best_v), value, rtol=1e-12)
