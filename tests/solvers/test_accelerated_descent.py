"""Property: accelerated proximal descent ends at the certified optimum, sooner than the plain one, within its bound."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.objective import full_objective


def first_below(excess, level):
    return int(np.argmax(excess <= level))


def test_it_arrives_sooner_than_the_plain_method_and_within_the_bound_of_beck_and_teboulle():
    problem = gaussian_problem((6, 5), num_samples=8, num_outputs=3, loss="cross_entropy", lam_ratio=0.1, seed=0)
    path, plain = nl.descend_accelerated(problem, steps=800), nl.descend_proximally(problem, steps=800)
    assert path.objective.shape == (801,)
    assert path.learning_rate == plain.learning_rate
    np.testing.assert_allclose(path.objective[-1], full_objective(problem, path.delta), rtol=1e-12)
    certificate = nl.duality_gap(problem, path.delta)
    assert certificate.gap < 1e-9
    np.testing.assert_allclose(path.objective[:2], plain.objective[:2], rtol=1e-13)  # no momentum yet
    excess, slow = (np.asarray(each.objective) / certificate.dual - 1 for each in (path, plain))
    assert 0 < 3 * first_below(excess, 1e-4) < (first_below(slow, 1e-4) or len(slow))
    bound = 2 * np.linalg.norm(path.delta) ** 2 / float(path.learning_rate) / np.arange(1, 802) ** 2
    assert (excess * certificate.dual <= bound)[1:].all()
    assert (excess * certificate.dual > 1e-2 * bound)[1:].any()


def test_misuse_is_refused():
    with pytest.raises(ValueError, match=r"steps must be .* got -1"):
        nl.descend_accelerated(gaussian_problem((6, 5), num_samples=4, seed=1), steps=-1)
