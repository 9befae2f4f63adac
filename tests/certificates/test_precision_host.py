"""Certificates are NumPy float64 on the host, whatever the flag, the dtype and the kind of array of the problem."""

import jax
import jax.numpy as jnp
import numpy as np

import ntklora as nl
from ntklora.certificates.inertia import curvature
from ntklora.certificates.perturbed import perturbed_gap
from tests.certificates.random_problems import random_delta, random_factors, random_problem


def test_single_precision_arrays_on_a_device_give_the_double_precision_certificate():
    problem = random_problem(0, "cross_entropy", k=3, n=5, factored=True)
    single = jax.tree.map(lambda x: np.float32(x) if np.issubdtype(x.dtype, np.floating) else x, problem)
    u, v = (np.float32(x) for x in random_factors(problem, 2, 1))
    delta = np.float32(random_delta(problem, 1))
    expected = (
        nl.duality_gap(single, delta),
        perturbed_gap(single, u, v),
        nl.classify_endpoint(single, u, v),
        curvature(single, u, v),
    )
    with jax.enable_x64(False):
        device = jax.tree.map(jnp.asarray, single)
        assert device.f0.dtype == jnp.float32
        found = (
            nl.duality_gap(device, jnp.asarray(delta)),
            perturbed_gap(device, jnp.asarray(u), jnp.asarray(v)),
            nl.classify_endpoint(device, jnp.asarray(u), jnp.asarray(v)),
            curvature(device, jnp.asarray(u), jnp.asarray(v)),
        )
    for one, two in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        if isinstance(one, str):
            assert one == two
        else:
            assert not isinstance(one, jax.Array)
            # λ itself becomes a float32 number on the device; nothing else may differ.
            np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-12)
