"""Small networks for the regime's tests: the house's, equinox's and flax's, and one that is linear in its weight."""

from functools import cache
from typing import Any, NamedTuple

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np

import ntklora as nl
from ntklora.models import MLP
from tests.tangent.networks import drawn


class Case(NamedTuple):
    f: Any
    params: Any
    targets: list[str]


RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 5))
Y = np.sign(RNG.standard_normal(6))
HELD_OUT = RNG.standard_normal((4, 5))
KEY = jax.random.key(0)
# The same number of recorded steps everywhere, and the same functions: one compilation for each network and method.
RECORDED = (0, 4, 8, 12)


@cache
def house():
    net = MLP((5, 7, 6, 1), activation=jnp.tanh)
    return Case(net.apply, drawn(net.init, KEY), ["hidden0/w", "hidden1/w"])


@cache
def equinox():
    def init(key):
        return eqx.nn.MLP(5, 1, 8, 1, activation=jnp.tanh, key=key)

    return Case(lambda net, x: net(x), drawn(init, KEY), ["layers/0/weight"])


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(1)(jnp.tanh(linen.Dense(8)(x)))


@cache
def flax():
    net = LinenNet()
    return Case(net.apply, drawn(net.init, KEY, X[0]), ["params/Dense_1/kernel"])


@cache
def linear():
    """Linear in the weight, not in x."""
    return Case(lambda p, x: p["w"] @ jnp.sin(3 * x) + p["b"], {"w": jnp.ones((1, 5)), "b": jnp.ones(1)}, ["w"])


NETWORKS = {"house": house, "equinox": equinox, "flax": flax}


def problem_of(case, lam=0.02, y=Y, loss="squared"):
    return nl.make_problem(case.f, case.params, X, y, targets=case.targets, loss=loss, lam=lam)


def regime_of(case, **options):
    asked = {"targets": case.targets, "loss": "squared", "lam": 0.02, "rank": 2, "key": KEY, "steps": 12}
    shared = {"held_out": HELD_OUT, "recorded": RECORDED}
    return nl.ntk_regime(case.f, case.params, X, Y, **{**asked, **shared, **options})
