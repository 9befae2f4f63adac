"""Every row of `find_endpoints` is a stationary point in the user's coordinates, and no recognised saddle."""

import jax
import numpy as np
import pytest

from ntklora.certificates.inertia import curvature
from ntklora.certified.endpoints import find_endpoints
from ntklora.problem.objective import factor_gradients, lam_max, objective
from ntklora.solvers import lanes
from tests.solvers.instances import random_problem

KEY = jax.random.key(0)
KINDS = {
    "several weights, reduced": ("squared", {"samples": 3, "outputs": 1, "shapes": ((6, 5), (3, 4))}),
    "perturbed": ("logistic", {"perturbed": True}),
}
ONE = {"samples": 7, "outputs": 1, "shapes": ((6, 5),)}  # the shapes of one compilation for most tests here


def row(problem, factor, index):
    """The factor of one start by name."""
    return {name: value[index] for name, value in problem.op.as_dict(factor).items()}


def test_one_compilation_serves_ranks_problems_and_decays(monkeypatch):
    traces = []
    step = lanes.step
    monkeypatch.setattr(lanes, "step", lambda *args: traces.append(1) or step(*args))
    own = ONE | {"samples": 70}  # a size that no other test has compiled before
    for seed, rank, lam in [(0, 1, 0.1), (1, 2, 0.1), (2, 5, 0.01)]:
        find_endpoints(random_problem(seed, "logistic", lam=lam, **own), rank, KEY, starts=4)
    assert len(traces) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_end_is_stationary_and_no_saddle(kind):
    loss, options = KINDS[kind]
    problem = random_problem(7, loss, **options).host()
    for rank in (1, 3):
        ends = find_endpoints(problem, rank, KEY, starts=8)
        assert ends.converged.all()
        for index in range(8):
            u, v = row(problem, ends.u, index), row(problem, ends.v, index)
            gradients = [g for side in factor_gradients(problem, u, v) for g in side.values()]
            assert max(np.abs(g).max() for g in gradients) <= 1e-10 * lam_max(problem)
            np.testing.assert_allclose(objective(problem, u, v), ends.objective[index], rtol=1e-13)
            assert curvature(problem, u, v).negative == 0


def test_the_saddle_at_zero_is_left():
    problem = random_problem(7, "logistic", **ONE)
    zeros = (np.zeros((3, 6, 2)), np.zeros((3, 5, 2)))
    ends = find_endpoints(problem, 2, KEY, initial=zeros)
    assert (ends.num_escapes >= 1).all()
    assert (ends.objective < objective(problem.host(), zeros[0][0], zeros[1][0])).all()


def test_rows_depend_on_the_key_and_on_nothing_else():
    problem = random_problem(7, "logistic", **ONE)
    first, again = (find_endpoints(problem, 1, KEY, starts=8) for _ in range(2))
    other = find_endpoints(problem, 1, jax.random.key(1), starts=8)
    assert np.array_equal(first.u, again.u)
    assert not np.array_equal(first.u, other.u)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rank": 0}, "rank must be a whole number >= 1"),
        ({"rank": 1, "starts": 0}, "starts must be a whole number >= 1"),
        ({"rank": 1, "scale": -1.0}, "scale must be a positive number"),
        ({"rank": 2, "initial": (np.zeros((1, 6, 1)), np.zeros((1, 5, 1)))}, "initial u 'w' has shape"),
    ],
)
def test_misuse_is_one_line(arguments, message):
    rank = arguments.pop("rank")
    with pytest.raises(ValueError, match=message):
        find_endpoints(random_problem(7), rank, KEY, **arguments)
