"""Two batched LAPACK calls in one program come back: without the settings of the process they may hang for ever."""

import os

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.environment import prepare_environment


def test_independent_batched_factorizations_come_back():
    @jax.jit
    @jax.vmap
    def both(key):
        a, b = jax.random.normal(key, (2, 16, 8))
        return jnp.linalg.cholesky(a.T @ a).sum() + jnp.linalg.qr(b)[1].sum()

    keys = jax.random.split(jax.random.key(0), 1000)
    first = both(keys)
    for _ in range(10):
        np.testing.assert_array_equal(both(keys), first)


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_concurrency_optimized_scheduler=true --other=1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.setenv("JAX_DEFAULT_MATMUL_PRECISION", "default")
    prepare_environment()
    assert os.environ["XLA_FLAGS"] == "--xla_cpu_enable_concurrency_optimized_scheduler=true --other=1"
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"
    assert os.environ["JAX_DEFAULT_MATMUL_PRECISION"] == "default"
    monkeypatch.setenv("XLA_FLAGS", "--other=1")
    prepare_environment()
    assert os.environ["XLA_FLAGS"] == "--other=1 --xla_cpu_enable_concurrency_optimized_scheduler=false"
