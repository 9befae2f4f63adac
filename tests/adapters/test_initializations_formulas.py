"""Every initialization follows its formula, starts at a zero product, and batches over keys."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ntklora.adapters.hrp import HRP
from ntklora.adapters.initializations import (
    INITIALIZATIONS,
    KAIMING_NORM,
    Gaussian,
    Kaiming,
    Orthonormal,
    Padded,
    Wise,
    resolve_initialization,
)
from ntklora.data.gaussian import gaussian_features
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

KEY = jax.random.key(0)
SHAPES = {"q": (6, 30), "v": (5, 20)}
OP = TangentOperator.from_dense({k: gaussian_features(4, 1, s, seed=i) for i, (k, s) in enumerate(SHAPES.items())})
PROBLEM = Problem(OP, np.zeros((4, 1)), np.ones((4, 1)), "squared", 0.1)
RIGHT = {k: np.linalg.qr(np.random.default_rng(0).standard_normal((n, 4)))[0] for k, (_, n) in SHAPES.items()}
EVERY = {**INITIALIZATIONS, "wise": Wise(RIGHT), "hrp": HRP(preheat_rank=5, steps=3), "padded": Padded(Kaiming(), 3)}


@pytest.mark.parametrize("name", EVERY)
def test_every_initialization_gives_factors_of_zero_product_and_batches(name):
    initialization = resolve_initialization(EVERY[name])
    draw = jax.jit(jax.vmap(lambda key: (initialization(PROBLEM, 4, key), jax.random.uniform(key))))
    keys = jax.random.split(KEY, 2)
    (us, vs), marks = draw(keys)
    for target, (m, n) in SHAPES.items():
        assert us[target].shape == (2, m, 4)
        assert vs[target].shape == (2, n, 4)
        assert us[target].dtype == vs[target].dtype == jnp.float64
        np.testing.assert_allclose(np.einsum("kmr,knr->kmn", us[target], vs[target]), 0.0, atol=1e-15)
    (us_swapped, vs_swapped), marks_swapped = draw(keys[::-1])
    np.testing.assert_array_equal(marks, marks_swapped[::-1])
    for target in SHAPES:
        np.testing.assert_array_equal(us[target], us_swapped[target][::-1])
        np.testing.assert_array_equal(vs[target], vs_swapped[target][::-1])
        assert np.any(vs[target][0] != vs[target][1]) == (name != "wise")


@pytest.fixture(scope="module")
def draws():
    """Large factors of three initializations, drawn at once."""

    @jax.jit
    def draw(key):
        return [i.draw(key, {"w": 400}, 50)["w"] for i in (Kaiming(), Gaussian(), Gaussian(2.0))]

    return [np.asarray(factor) for factor in draw(KEY)]


def test_random_factors_have_their_moments(draws):
    uniform, normal, wide = draws
    assert np.abs(uniform).max() <= 1 / 20
    # The square of U(±1) has standard deviation sqrt(4/45); five standard errors over 20,000 entries.
    np.testing.assert_allclose(np.mean((20 * uniform) ** 2), 1 / 3, atol=5 * np.sqrt(4 / 45 / uniform.size))
    np.testing.assert_allclose(np.sum(uniform**2) / 50, KAIMING_NORM**2, rtol=0.03)
    np.testing.assert_allclose(normal.var(), 1 / 50**2, rtol=5 * np.sqrt(2 / normal.size))
    np.testing.assert_allclose(wide, 100 * normal, rtol=1e-12)


def test_orthonormal_frames_are_orthonormal_and_uniform():
    draws = 3000
    frames = jax.jit(jax.vmap(lambda key: Orthonormal(2.0).draw(key, {"w": 4}, 2)["w"]))(jax.random.split(KEY, draws))
    gram = np.einsum("kir,kis->krs", frames, frames)
    np.testing.assert_allclose(gram, np.broadcast_to(4 * np.eye(2), gram.shape), atol=1e-12)
    projector = np.einsum("kir,kjr->ij", frames, frames) / (4 * draws)
    # Entries of a projector have standard deviation below 1/2: five standard errors.
    np.testing.assert_allclose(projector, 0.5 * np.eye(4), atol=2.5 / np.sqrt(draws))
    np.testing.assert_allclose(np.mean(frames, 0), 0.0, atol=5 / np.sqrt(draws))


def test_orthogonal_factors_are_gaussian_images_of_complementary_rows():
    us, vs = jax.jit(lambda key: INITIALIZATIONS["orthogonal"](PROBLEM, 4, key))(KEY)
    for factor in (us["q"], vs["q"]):
        assert np.linalg.matrix_rank(factor) == 2
    np.testing.assert_allclose(us["q"] @ vs["q"].T, 0.0, atol=1e-15)
    with pytest.raises(ValueError, match="rank = 3: the orthogonal initialization needs an even rank"):
        INITIALIZATIONS["orthogonal"](PROBLEM, 3, KEY)


def test_wise_takes_the_leading_right_directions():
    target = {name: np.random.default_rng(3).standard_normal(shape) for name, shape in SHAPES.items()}
    us, vs = jax.jit(lambda target: Wise.towards(target, norm=2.0)(PROBLEM, 2, KEY))(target)
    for name, delta in target.items():
        top = np.linalg.svd(delta)[2][:2].T
        np.testing.assert_allclose(np.asarray(vs[name] @ vs[name].T), 4.0 * top @ top.T, atol=1e-10)
        assert not np.any(us[name])


@pytest.mark.parametrize(
    ("initialization", "rank", "message"),
    [
        (Orthonormal(), 21, "21 orthonormal columns do not fit the 20 dimensions of 'v'"),
        (Wise(RIGHT), 5, r"'q' have shape \(30, 4\); expected \(30, >= 5\)"),
        (HRP(preheat_rank=3, steps=1), 4, "preheat_rank = 3 must be at least rank = 4"),
        (HRP(preheat_rank=8, steps=1), 6, "rank = 6 exceeds 5, the least of R, m and n of the factors of 'v'"),
    ],
)
def test_ranks_that_cannot_be_served_are_named(initialization, rank, message):
    with pytest.raises(ValueError, match=message):
        initialization(PROBLEM, rank, KEY)
