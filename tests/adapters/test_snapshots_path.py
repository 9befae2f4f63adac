"""Property: snapshots are the path of `train_factors`, factors and objective, at the steps kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntklora.adapters.snapshots import descend_with_snapshots
from ntklora.problem.objective import factor_gradients, objective
from tests.solvers.instances import random_factors, random_problem


def test_a_snapshot_is_where_the_plain_loop_is_after_so_many_steps():
    kept = (0, 1, 5, 12)
    problem = random_problem(1, "cross_entropy", shapes=((6, 5), (30, 4)))
    u, v = random_factors(2, problem, 3)
    seen = descend_with_snapshots(problem, u, v, learning_rate=0.1, kept=kept)
    assert seen.objective.shape == (kept[-1] + 1,)
    for step in range(kept[-1] + 1):
        np.testing.assert_allclose(seen.objective[step], objective(problem, u, v), rtol=1e-11)
        if step in kept:
            for found, expected in ((seen.u, u), (seen.v, v)):
                for name, x in expected.items():
                    np.testing.assert_allclose(found[name][kept.index(step)], x, rtol=1e-9, atol=1e-12)
        slopes = factor_gradients(problem, u, v)
        u, v = ({k: x[k] - 0.1 * g[k] for k in x} for x, g in zip((u, v), slopes))


def test_a_batch_over_starts_and_rates_is_its_members():
    problem = random_problem(3, layout="dense")
    (u, v), rates = random_factors(4, problem, 2), jnp.array([0.02, 0.1])
    us, vs = (jnp.stack([x["w"], 2 * x["w"]]) for x in (u, v))

    def run(u, v, rate):
        return descend_with_snapshots(problem, u, v, learning_rate=rate, kept=(2, 9))

    batch = jax.vmap(run)(us, vs, rates)
    for row in (0, 1):
        alone = run(us[row], vs[row], rates[row])
        jax.tree.map(lambda x, y, row=row: np.testing.assert_allclose(x[row], y, rtol=1e-12), batch, alone)


@pytest.mark.parametrize("kept", [(), (3, 1), (-1, 2), (1, 1)])
def test_steps_that_do_not_rise_are_refused(kept):
    problem = random_problem(3)
    with pytest.raises(ValueError, match="rising steps from 0 on"):
        descend_with_snapshots(problem, np.zeros((6, 1)), np.ones((5, 1)), learning_rate=0.1, kept=kept)
