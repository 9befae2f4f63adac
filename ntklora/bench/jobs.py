"""The jobs of `ntklora bench` by name, each in full or as a small case that only shows that it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from ntklora.bench import endpoints, ntk, optimum, training
from ntklora.bench.measure import interleaved
from ntklora.bench.record import Record
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.problem import Problem

_SIDE, _QUICK_SIDE = 2048, 256


def job_kernel(quick: bool) -> list[Record]:
    """Job 1, the empirical kernel."""
    return ntk.compare("transformer", 2, "float32", repeats=1) if quick else ntk.bench_ntk()


def job_endpoints(quick: bool) -> list[Record]:
    """Job 2, endpoints with verdicts."""
    if quick:
        return [endpoints.compare(_small_problem(), 2, "small", starts=2, repeats=1).record]
    return [comparison.record for comparison in endpoints.bench_endpoints()]


def job_training(quick: bool) -> list[Record]:
    """Job 3, training by gradient descent."""
    if quick:
        op = training.settings()["factored 64x64"]()
        return [training.compare(op, "factored 64x64", "float64", rank=1, instances=2, steps=2, repeats=1)]
    return training.bench_training()


def job_optimum(quick: bool) -> list[Record]:
    """Job 4, the certified optimum."""
    if quick:
        return [optimum.compare(_small_problem(), "small", repeats=1, time_limit=5.0)]
    return optimum.bench_optimum()


JOBS: dict[str, Callable[[bool], list[Record]]] = {
    "ntk": job_kernel,
    "endpoints": job_endpoints,
    "training": job_training,
    "optimum": job_optimum,
}


def matmul_rates(quick: bool) -> dict[str, float]:
    """Billions of operations per second of one large matrix product in each precision: what the machine can do."""
    side = _QUICK_SIDE if quick else _SIDE
    product = jax.jit(partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST))
    names = ("float64", "float32")
    squares = [jnp.ones((side, side), name) for name in names]
    timings = interleaved([partial(product, square, square) for square in squares], 1 if quick else 5)
    return {name: 2e-9 * side**3 / timing.seconds for name, timing in zip(names, timings)}


def _small_problem() -> Problem:
    return gaussian_problem((4, 4), num_samples=6, seed=0)
