"""Property: both brackets of the restricted curvature hold what matrices of low rank show, and say from which side."""

import numpy as np
import pytest

import ntklora as nl
from ntklora.certificates.restricted import restricted_curvature
from ntklora.problem.objective import full_objective

RNG = np.random.default_rng(0)


def problem_of(loss="squared", samples=40, shape=(3, 4)):
    g = RNG.normal(size=(samples, 1, *shape))
    y = RNG.normal(size=(samples, 1)) if loss == "squared" else RNG.choice([-1.0, 1.0], samples)
    return nl.Problem(nl.TangentOperator.from_dense(g), 0.3 * RNG.normal(size=(samples, 1)), y, loss, 0.0)


def second_derivative(problem, at, along, step=1e-4):
    """Of L along a line, by differences of F at λ = 0."""
    values = [float(full_objective(problem, at + t * along)) for t in (-step, 0.0, step)]
    return (values[0] - 2 * values[1] + values[2]) / step**2


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("rank", [1, 2])
def test_curvatures_in_the_ball_lie_between_the_safe_ends(loss, rank):
    problem, radius = problem_of(loss), 0.8
    found = restricted_curvature(problem, rank, radius)
    for _ in range(200):
        along = RNG.normal(size=(3, rank)) @ RNG.normal(size=(rank, 4))
        at = RNG.normal(size=(3, 4))
        at *= radius * RNG.random() / np.linalg.norm(at)
        value = second_derivative(problem, at, along / np.linalg.norm(along))
        assert found.convexity.low - 1e-6 <= value <= found.smoothness.high + 1e-6


def test_the_search_is_never_beaten_by_what_it_searches():
    """Its ends are attained by matrices of that rank, and no random one of them goes beyond."""
    problem = problem_of()
    found = restricted_curvature(problem, 1, 1.0)
    u, v = RNG.normal(size=(20_000, 3)), RNG.normal(size=(20_000, 4))
    z = np.einsum("kmn,sm,sn->sk", problem.op.blocks["w"].g[:, 0], u, v)
    values = (z**2).mean(1) / ((u**2).sum(1) * (v**2).sum(1))
    assert found.convexity.high <= values.min() <= 1.5 * found.convexity.high
    assert 0.8 * found.smoothness.low <= values.max() <= found.smoothness.low
    assert found.convexity.low < found.convexity.high
    assert found.smoothness.low < found.smoothness.high


def test_at_full_rank_both_ends_are_the_extreme_eigenvalues():
    problem = problem_of()
    rows = problem.op.blocks["w"].g.reshape(40, 12)
    values = np.linalg.svd(rows, compute_uv=False) ** 2 / 40
    found = restricted_curvature(problem, 3, 1.0)
    np.testing.assert_allclose(found.convexity, values[-1], rtol=1e-10)
    np.testing.assert_allclose(found.smoothness, values[0], rtol=1e-10)


def test_without_enough_samples_or_with_softmax_nothing_is_promised():
    found = restricted_curvature(problem_of(samples=6), 2, 1.0)
    assert found.convexity.low == 0.0
    classes = nl.Problem(problem_of().op, np.zeros((40, 1)), np.ones(40), "logistic", 0.0)
    assert restricted_curvature(classes, 2, 1e3).convexity.low < 1e-9
    g = RNG.normal(size=(20, 2, 3, 3))
    softmax = nl.Problem(nl.TangentOperator.from_dense(g), np.zeros((20, 2)), np.zeros(20, int), "cross_entropy", 0.0)
    assert restricted_curvature(softmax, 2, 1.0).convexity.low == 0.0


def test_misuse_is_an_error():
    problem = problem_of()
    with pytest.raises(ValueError, match="rank >= 1"):
        restricted_curvature(problem, 0, 1.0)
    g = {name: RNG.normal(size=(5, 1, 2, 2)) for name in ("first", "second")}
    several = nl.Problem(nl.TangentOperator.from_dense(g), np.zeros(5), np.ones(5), "squared", 0.1)
    with pytest.raises(ValueError, match="one weight"):
        restricted_curvature(several, 1, 1.0)
