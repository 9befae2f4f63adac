"""Property: room for more samples and larger weights changes the unit of the objective and nothing else."""

import numpy as np
import pytest

from ntklora.problem.losses import LOSSES, Loss, Squared
from ntklora.problem.objective import factor_gradients, objective
from ntklora.problem.problem import Problem
from ntklora.problem.room import with_room
from ntklora.problem.weighted import Weighted
from tests.solvers.instances import OUTPUTS, random_factors, random_problem

SHAPES = {"w0": (8, 16), "w1": (8, 8)}


@pytest.mark.parametrize("perturbed", [False, True])
@pytest.mark.parametrize("layout", ["dense", "factored", "transposed", "two-sided"])
@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_values_and_gradients_are_scaled_and_added_rows_see_nothing(loss, layout, perturbed):
    shapes = ((6, 5), (4, 7)) if layout == "factored" else ((6, 6),)
    problem = random_problem(1, loss, layout=layout, shapes=shapes, perturbed=perturbed).host()
    larger = {name: SHAPES[f"w{index}"] for index, name in enumerate(problem.shapes)}
    roomy, unit = with_room(problem, 16, larger), 10 / 16
    assert (roomy.num_samples, roomy.shapes) == (16, larger)
    u, v = random_factors(0, problem, 2)
    wide_u, wide_v = (
        {name: np.pad(x, ((0, larger[name][side] - len(x)), (0, 0))) for name, x in factor.items()}
        for side, factor in enumerate((u, v))
    )
    assert objective(roomy, wide_u, wide_v) == pytest.approx(unit * float(objective(problem, u, v)), rel=1e-14)
    for own, wide in zip(factor_gradients(problem, u, v), factor_gradients(roomy, wide_u, wide_v)):
        for name, gradient in own.items():
            np.testing.assert_allclose(wide[name][: len(gradient)], unit * gradient, atol=1e-14)
            assert not wide[name][len(gradient) :].any()


@pytest.mark.parametrize("loss", [*LOSSES.values(), Weighted(LOSSES["logistic"], 3.0)], ids=lambda loss: loss.name)
def test_idle_samples_cost_and_pull_nothing_at_all(loss):
    outputs = OUTPUTS.get(loss.name, 1)
    z, y = loss.idle_samples(3, outputs)
    assert z.shape == (3, outputs)
    np.testing.assert_array_equal(loss.encode(y, 3, outputs), y)
    np.testing.assert_array_equal(loss.value(z, y), 0.0)
    np.testing.assert_array_equal(loss.gradient(z, y), 0.0)
    assert np.isfinite(loss.hessian_factor(z, y)).all()


class Untold(Squared):
    """A loss of which no idle samples are known."""

    idle_samples = Loss.idle_samples


def test_what_has_no_room_is_refused():
    problem = random_problem(0)
    (name,) = problem.shapes
    with pytest.raises(ValueError, match="below the N = 10"):
        with_room(problem, 8, problem.shapes)
    with pytest.raises(ValueError, match="below"):
        with_room(problem, 10, {name: (5, 5)})
    untold = Problem(problem.op, problem.f0, problem.y, Untold(), problem.lam)
    with pytest.raises(ValueError, match="idle_samples"):
        with_room(untold, 16, problem.shapes)
    assert with_room(untold, 10, {name: (8, 8)}).shapes == {name: (8, 8)}
