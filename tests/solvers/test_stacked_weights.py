"""Property: weights of one form side by side take the steps that they take apart, in hardly more operations."""

import re

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from ntklora.solvers.curve import newton_curve, values_along
from ntklora.solvers.lanes import minimize_each
from ntklora.solvers.newton import DEFAULT
from ntklora.solvers.point import evaluate
from ntklora.solvers.scale import scale_of
from ntklora.solvers.stacked import Stacked, stack_alike, stacked, unstacked
from ntklora.solvers.system import assemble
from tests.solvers.instances import random_factors, random_problem

FORMS = {
    "factored": {"shapes": ((6, 5), (6, 5), (3, 7))},
    "dense": {"layout": "dense", "shapes": ((4, 9),) * 3},
    "positions": {"positions": 3, "samples": 5, "shapes": ((6, 5),) * 2},
    "with fan_in first": {"layout": "transposed", "positions": 2, "shapes": ((6, 5), (3, 4), (6, 5))},
}


def of_one(factors, groups):
    """The factors of one start, stacked."""
    return {name: x[0] for name, x in stacked({k: x[None] for k, x in factors.items()}, groups).items()}


def apart(factors, groups):
    return {name: x[0] for name, x in unstacked({k: x[None] for k, x in factors.items()}, groups).items()}


@pytest.mark.parametrize("form", FORMS)
def test_a_step_is_the_one_of_the_weights_apart(form):
    problem = random_problem(1, "cross_entropy", **FORMS[form]).host()
    together, groups = stack_alike(problem)
    u, v = random_factors(2, problem, 3)

    @jax.jit
    def step(problem, at):
        point = evaluate(problem, at)
        curve = newton_curve(problem, assemble(problem, point, 0.7), point)
        return point.objective, curve.direction, curve.bend, values_along(problem, at, point, curve), scale_of(problem)

    expected = step(problem, (u, v))
    found = step(together, (of_one(u, groups), of_one(v, groups)))
    directions = [tuple(apart(half, groups) for half in factors) for factors in found[1:3]]
    for one, other in zip([found[0], *directions, *found[3:]], expected, strict=True):
        one, other = ravel_pytree(one)[0], ravel_pytree(other)[0]
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12 * np.abs(other).max())


def test_what_has_another_form_a_perturbation_or_large_features_stays_alone(monkeypatch):
    def forms(**options):
        together, groups = stack_alike(random_problem(0, **options).host())
        return groups, [isinstance(block, Stacked) for block in together.op.blocks.values()]

    three = ((6, 5), (5, 6), (6, 5))
    assert forms(shapes=three) == ([["w0", "w2"], ["w1"]], [True, False])
    assert forms(shapes=three, perturbed=True) == ([["w0"], ["w1"], ["w2"]], [False] * 3)
    assert forms(shapes=((5, 5),) * 2, layout="two-sided") == ([["w0"], ["w1"]], [False] * 2)
    monkeypatch.setattr("ntklora.solvers.stacked._MOST", 8)
    assert forms(shapes=((5, 5),) * 2) == ([["w0"], ["w1"]], [False] * 2)


def starts(problem, groups, count):
    factors = [random_factors(seed, problem, 2) for seed in range(count)]
    return tuple(
        stacked({k: np.stack([each[side][k] for each in factors]) for k in factors[0][0]}, groups) for side in (0, 1)
    )


def test_runs_end_where_those_of_the_weights_apart_end():
    problem = random_problem(3, "logistic", shapes=((6, 5),) * 3).host()
    together, groups = stack_alike(problem)
    lams, count = np.full(4, float(problem.lam)), np.asarray(4)
    expected = jax.device_get(
        minimize_each(problem, lams, *starts(problem, [[k] for k in problem.shapes], 4), count, DEFAULT)
    )
    ends = jax.device_get(minimize_each(together, lams, *starts(problem, groups, 4), count, DEFAULT))
    assert ends.converged.all()
    np.testing.assert_allclose(ends.objective, expected.objective, rtol=1e-12)
    u, v = unstacked(ends.u, groups), unstacked(ends.v, groups)
    for name in problem.shapes:
        one, other = (
            np.einsum("smr,snr->smn", *pair) for pair in ((u[name], v[name]), (expected.u[name], expected.v[name]))
        )
        np.testing.assert_allclose(one, other, atol=1e-8)


def test_more_weights_are_hardly_more_operations_and_no_batched_factorization():
    def program(weights):
        problem = random_problem(0, "logistic", shapes=((6, 5),) * weights).host()
        together, groups = stack_alike(problem)
        queue = np.full(2, float(problem.lam)), *starts(problem, groups, 2), np.asarray(2), DEFAULT
        return minimize_each.lower(together, *queue).compile().as_text()

    few, many = program(2), program(10)
    assert many.count("\n") < 1.3 * few.count("\n")
    factorized = re.findall(r"\(?f64\[([\d,]*)\]\S*(?: \S+)*? custom-call\([^\n]*lapack", many)
    assert factorized
    assert all(shape.count(",") == 1 for shape in factorized)
