"""Property: the wide network in its layer's coordinates is trained as the whole network is."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntklora as nl
from ntklora.instances.digits import digits_task
from ntklora.models import MLP

WIDTH, N, HELD_OUT, RANK, SEED = 24, 6, 5, 3, 2
KEY = jax.random.key(4)
OPTIONS = {"num_samples": N, "num_held_out": HELD_OUT, "seed": SEED}
RIGHT = np.random.default_rng(0).uniform(-1, 1, (WIDTH, RANK)) / np.sqrt(WIDTH)
TRAINING = {"steps": 10, "learning_rate": 1.0, "recorded": (0, 5, 10)}
MEASURES = ("objective", "linearized_objective", "change", "kernel_drift", "output_distance", "held_out_distance")


class Side(NamedTuple):
    f: Any
    params: Any
    x: Any
    problem: nl.Problem
    held_out: Any
    right: Any


def networks(activation, scaling, directions, rows):
    """The network in its layer's coordinates, and whole."""
    wide = nl.wide_network(WIDTH, directions, KEY, activation=activation, scaling=scaling, rows=rows, **OPTIONS)
    net = MLP(
        (64, WIDTH, WIDTH, 1),
        {"relu": jax.nn.relu, "tanh": jnp.tanh}[activation],
        readout_std=1.0 if scaling == "ntk" else WIDTH**-0.5,
    )
    params = net.init(KEY)
    assert wide.weight_norm == pytest.approx(np.linalg.norm(params["hidden1"]["w"]), rel=1e-12)
    f = nl.centred(net.apply, params)
    data = digits_task(N + HELD_OUT, 1, "squared", "true", SEED)
    whole = nl.make_problem(f, params, data.x[:N], data.y[:N], targets=["hidden1/w"], loss="squared", lam=0.0)
    lam = 0.02 * nl.lam_max(whole)
    reduced = nl.make_problem(wide.f, wide.params, wide.x, wide.y, targets=["w"], loss="squared", lam=lam)
    return (
        Side(wide.f, wide.params, wide.x, reduced, wide.held_out, wide.right),
        Side(f, params, data.x[:N], whole.with_lam(lam), data.x[N:], directions),
    )


def test_lora_follows_the_same_path():
    wide, whole_one = networks("relu", "mean_field", RIGHT, rows=40)
    paths = [
        nl.lora_departure(
            *network[:3], network.problem, RANK, KEY, initialization=nl.Given(np.zeros((rows, RANK)), right),
            held_out=network.held_out, **TRAINING,
        )
        for network, rows, right in ((wide, 40, wide.right), (whole_one, WIDTH, RIGHT))
    ]  # fmt: skip
    same(paths)


def test_full_fine_tuning_follows_the_same_path():
    pair = networks("tanh", "ntk", RIGHT[:, :0], rows=None)
    same([nl.full_departure(*each[:3], each.problem, held_out=each.held_out, **TRAINING) for each in pair])


def same(paths):
    assert paths[0].change[-1] > 0.05
    for name in MEASURES:
        np.testing.assert_allclose(*(getattr(path, name) for path in paths), rtol=1e-7, atol=1e-12, err_msg=name)


def test_labels_are_scaled_and_outputs_kept_where_asked():
    wide = nl.wide_network(WIDTH, RIGHT, KEY, activation="relu", centred=False, label_scale=3.0, **OPTIONS)
    net = MLP((64, WIDTH, WIDTH, 1))
    data = digits_task(N + HELD_OUT, 1, "squared", "true", SEED)
    np.testing.assert_array_equal(wide.y, 3.0 * data.y[:N])
    outputs = jax.vmap(net.apply, (None, 0))(net.init(KEY), data.x)
    for examples, expected in ((wide.x, outputs[:N]), (wide.held_out, outputs[N:])):
        np.testing.assert_allclose(jax.vmap(wide.f, (None, 0))(wide.params, examples), expected, atol=1e-12)


def test_widths_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"width = 24 must be at least N \+ r = 24 and at most rows = 20"):
        nl.wide_network(
            24, np.zeros((24, 18)), KEY, activation="relu", num_samples=6, num_held_out=2, seed=0, rows=20
        )  # fmt: skip
