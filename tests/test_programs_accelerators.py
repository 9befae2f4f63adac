"""Kernels, features, training, Newton's method and vmapped sweeps are lowered for accelerators without the host."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ntklora as nl
from ntklora.certified.starts import gaussian_starts
from ntklora.models import CNN, MLP, Transformer
from ntklora.solvers.lanes import minimize_all, minimize_several
from ntklora.solvers.newton import DEFAULT
from ntklora.solvers.stacked import stack_alike, stacked
from ntklora.sweeps.catalogue import all_experiments
from ntklora.sweeps.computation import Vmapped
from ntklora.sweeps.profile import Profile
from ntklora.sweeps.program import in_precision
from tests.solvers.instances import random_factors, random_problem

PLATFORMS = ("cuda", "rocm", "tpu")
KEY = jax.random.key(0)
NETWORKS = {
    "mlp": (MLP((5, 8, 2)), (5,)),
    "cnn": (CNN(2, (4, 4), (3, 6, 6)), (3, 6, 6)),
    "transformer": (Transformer(2, (4, 8), 8, 2, 1, 16), (4, 8)),
}


def newton(loss, **options):
    problem = random_problem(0, loss, **options).host()
    u, v = gaussian_starts(problem, 2, KEY, 4, None)
    problem, groups = stack_alike(problem)
    u, v = stacked(u, groups), stacked(v, groups)
    arguments = (problem, np.full(4, 0.1), u, v, np.asarray(4), DEFAULT)
    return lambda *given: minimize_all(*given, lanes=4), arguments


def newton_of_several(loss, **options):
    _, arguments = newton(loss, **options)
    several = jax.tree.map(lambda *leaves: np.stack(leaves), *[arguments[:-1]] * 3)
    return lambda *given: minimize_several(*given, lanes=4), (*several, DEFAULT)


def kernel(name, **options):
    net, shape = NETWORKS[name]
    return lambda params, x: nl.empirical_ntk(net.apply, params, x, **options), (net.init(KEY), jnp.ones((3, *shape)))


def features(name):
    net, shape = NETWORKS[name]
    return lambda params, x: nl.tangent_features(net.apply, params, x), (net.init(KEY), jnp.ones((3, *shape)))


def training(**options):
    problem = random_problem(1, "cross_entropy", shapes=((6, 5), (4, 3)))
    return lambda problem, key: nl.train_lora(problem, 2, key, steps=3, **options), (problem, KEY)


def minibatches():
    problem = random_problem(1)
    u, v = (problem.op.like(x) for x in random_factors(2, problem, 2))
    options = {"steps": 3, "batch_size": 4, "optimizer": optax.sgd(1e-2)}
    return lambda problem, u, v, key: nl.train_minibatches(problem, u, v, key=key, **options), (problem, u, v, KEY)


def of_experiment(name):
    experiment = all_experiments()[name]
    parameters = experiment.parameters(**experiment.cells(Profile.smoke)[0])
    arrays, _ = experiment.run.prepare(parameters)
    shape = experiment.shape(parameters)
    return jax.vmap(lambda given: experiment.run.compute(shape, given)), (
        jax.tree.map(lambda x: x[None], in_precision(arrays, "float64")),
    )


PROGRAMS = {
    "newton, squared": lambda: newton("squared"),
    "newton, logistic, dense": lambda: newton("logistic", layout="dense"),
    "newton, softmax, positions": lambda: newton("cross_entropy", positions=2),
    "newton, weights side by side": lambda: newton("squared", shapes=((6, 5),) * 3),
    "newton, perturbed": lambda: newton("squared", perturbed=True),
    "newton, problems side by side": lambda: newton_of_several("cross_entropy", positions=2),
    "kernel, mlp": lambda: kernel("mlp"),
    "kernel, mlp, traced": lambda: kernel("mlp", trace=True),
    "kernel, cnn": lambda: kernel("cnn"),
    "kernel, transformer": lambda: kernel("transformer"),
    "features, cnn": lambda: features("cnn"),
    "features, transformer": lambda: features("transformer"),
    "gradient descent": training,
    "gradient descent, any optimizer": lambda: training(optimizer=optax.adam(1e-2)),
    "high-rank preheating": lambda: training(initialization=nl.HRP(preheat_rank=4, steps=2)),
    "mini-batches": minibatches,
    "full fine-tuning": lambda: (lambda problem: nl.descend_proximally(problem, steps=3), (random_problem(1),)),
    "full fine-tuning, accelerated": lambda: (
        lambda problem: nl.descend_accelerated(problem, steps=3),
        (random_problem(1),),
    ),
} | {
    f"experiment {name}": lambda name=name: of_experiment(name)
    for name, experiment in all_experiments().items()
    if isinstance(experiment.run, Vmapped)
}  # fmt: skip


def foreign_calls(function, arguments, platform):
    """What the program lowered for a platform calls that is compiled elsewhere."""
    text = jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,)).as_text()
    return set(re.findall(r"custom_call @([\w.]+)", text))


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_are_lowered_without_the_host(name, platform):
    function, arguments = PROGRAMS[name]()
    calls = foreign_calls(function, arguments, platform)
    assert not [call for call in calls if "callback" in call or "lapack" in call], calls


def test_a_callback_and_a_host_library_would_be_seen():
    def asks_python(x):
        return jax.pure_callback(np.sin, x, x)

    with pytest.raises(ValueError, match="platform"):  # JAX binds a callback to the backend at hand
        foreign_calls(asks_python, (jnp.ones(3),), "cuda")
    assert any("lapack" in call for call in foreign_calls(jnp.linalg.inv, (jnp.eye(3),), "cpu"))
