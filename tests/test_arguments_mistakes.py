"""Property: a slip in an argument is one `ValueError` that names the argument, what came and what was expected."""

import jax
import numpy as np
import optax
import pytest

import ntklora as nl
from ntklora.arguments import require_key, whole_number
from ntklora.problem.losses import Logistic

KEY = jax.random.key(0)
PROBLEM = nl.gaussian_problem((4, 3), num_samples=5, seed=0)
U, V = np.ones((4, 2)), np.ones((3, 2))


def network(params, x):
    return params @ x


PARAMS, X, Y = np.ones((1, 3)), np.eye(3), np.ones(3)
LINEAR = nl.make_problem(network, PARAMS, X, Y, targets="matrices", loss="squared", lam=0.1)

MISTAKES = {
    "a seed for a key": (lambda: nl.find_endpoints(PROBLEM, 2, 0), "key must be a random key of JAX.*got 0"),
    "a seed for a key in training": (lambda: nl.train_lora(PROBLEM, 2, 7, steps=1), "key must be .* got 7"),
    "a rank that is no count": (lambda: nl.train_lora(PROBLEM, 2.5, KEY, steps=1), "rank must be .* >= 1, got 2.5"),
    "a rank in words": (lambda: nl.find_endpoints(PROBLEM, "two", KEY), "rank must be .*, got 'two'"),
    "no rank": (lambda: nl.survey_landscape(PROBLEM, None, KEY), "rank must be .*, got None"),
    "half a step": (lambda: nl.train_full(PROBLEM, steps=0.5), "steps must be a whole number >= 0, got 0.5"),
    "half a step to the end": (lambda: nl.train_to_end(PROBLEM, U, V, steps=0.5), "steps must be .* got 0.5"),
    "half a step of preheating": (lambda: nl.HRP(4, steps=0.5), "steps must be .* got 0.5"),
    "an optimizer's name": (lambda: nl.train_lora(PROBLEM, 2, KEY, steps=1, optimizer="adam"), "optax.*'adam'"),
    "a step uphill": (lambda: nl.train_lora(PROBLEM, 2, KEY, steps=1, learning_rate=-0.1), "learning_rate must be"),
    "a network misspelt": (
        lambda: nl.digits_problem("mpl", "true", num_samples=4, seed=0),
        "network must be one of mlp, cnn, transformer, got 'mpl'",
    ),
    "labels misspelt": (
        lambda: nl.digits_problem("mlp", "rnd", num_samples=4, seed=0),
        "labels must be one of true, random, got 'rnd'",
    ),
    "no targets": (lambda: nl.empirical_ntk(network, PARAMS, X, targets=None), "targets must be .* got None"),
    "no batch": (
        lambda: nl.train_minibatches(PROBLEM, U, V, KEY, steps=1, batch_size=0, optimizer=optax.sgd(0.1)),
        "batch_size = 0: expected 1 to N = 5",
    ),
    "a tolerance below 0": (lambda: nl.solve(PROBLEM, tolerance=-1.0), "tolerance must be .* >= 0, got -1.0"),
    "one decay for a path": (lambda: nl.solve_path(PROBLEM, 0.1), "lams must be a sequence"),
    "a decay in words": (lambda: nl.Problem(PROBLEM.op, PROBLEM.f0, PROBLEM.y, "squared", "much"), "lam .* 'much'"),
    "delta transposed": (lambda: nl.predict(PROBLEM.op, PROBLEM.f0, np.ones((3, 4))), r"\(3, 4\).* = \(4, 3\)"),
    "delta transposed for reduction": (lambda: nl.reduce_rank(PROBLEM, np.ones((3, 4))), r"\(3, 4\).* = \(4, 3\)"),
    "factors swapped": (lambda: nl.objective(PROBLEM, V, U), r"expected \(4, r\) and \(3, r\)"),
    "factors of two ranks": (lambda: nl.objective(PROBLEM, U, V[:, :1]), r"expected \(4, r\) and \(3, r\)"),
    "factors with NaN": (lambda: nl.classify_endpoint(PROBLEM, np.nan * U, V), "NaN or infinite"),
    "no matrix": (lambda: nl.matrix_factorization(np.ones(3)), r"target has shape \(3,\)"),
    "another network": (
        lambda: nl.infinite_width_problem(network, X, Y, loss="squared", lam=0.1),
        "model must be an MLP",
    ),
    "other parameters": (
        lambda: nl.lora_departure(network, 2 * PARAMS, X, LINEAR, 1, KEY, steps=1),
        "not the problem's f0",
    ),
    "other examples": (lambda: nl.full_departure(network, PARAMS, X[:2], LINEAR, steps=1), "not the problem's f0"),
    "held-out examples of another length": (
        lambda: nl.full_departure(network, PARAMS, X, LINEAR, steps=1, held_out=np.ones((2, 4))),
        r"held_out must hold examples like those of x, got \(4,\) and \(3,\)",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_that_says_what_came(case):
    call, message = MISTAKES[case]
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_what_is_right_passes():
    assert (whole_number("steps", 1e4, 0), whole_number("rank", np.int64(3), 1)) == (10000, 3)
    for key in (KEY, jax.random.PRNGKey(0), jax.random.split(KEY, 3)):
        require_key(key)
    keys = jax.random.split(KEY, 2)
    assert jax.vmap(lambda key: nl.train_lora(PROBLEM, 1, key, steps=1, learning_rate=0.1).u)(keys).shape == (2, 4, 1)


def test_a_weighted_loss_may_be_named():
    assert nl.Weighted("logistic").of == Logistic()
