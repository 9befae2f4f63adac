"""The jobs of `ntklora bench` by name: the cases of each, in full or a small one that only shows that it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ntklora.bench import endpoints, ntk, optimum, training
from ntklora.bench.measure import interleaved, product_gflops, square_product
from ntklora.bench.record import Case
from ntklora.instances.gaussian import gaussian_problem
from ntklora.problem.problem import Problem

_QUICK_SIDE = 256


def _ntk(quick: bool) -> list[Case]:
    return [partial(ntk.compare, "transformer", 2, "float32", repeats=1)] if quick else ntk.ntk_cases()


def _endpoints(quick: bool) -> list[Case]:
    if quick:
        return [lambda: [endpoints.compare(_small_problem(), 2, "small", starts=2, repeats=1).record]]
    return endpoints.endpoints_cases()


def _training(quick: bool) -> list[Case]:
    name = "factored 64x64"
    if quick:
        op = training.settings()[name]()
        return [lambda: [training.compare(op, name, "float64", rank=1, instances=2, steps=2, repeats=1)]]
    return training.training_cases()


def _optimum(quick: bool) -> list[Case]:
    if quick:
        return [lambda: [optimum.compare(_small_problem(), "small", repeats=1, time_limit=5.0)]]
    return optimum.optimum_cases()


# The empirical kernel, endpoints with verdicts, training by gradient descent, the certified optimum.
JOBS: dict[str, Callable[[bool], list[Case]]] = {
    "ntk": _ntk,
    "endpoints": _endpoints,
    "training": _training,
    "optimum": _optimum,
}


def matmul_rates(quick: bool) -> dict[str, float]:
    """Billions of operations per second of one large matrix product in each precision: what the machine can do."""
    side = _QUICK_SIDE if quick else None
    names = ("float64", "float32")
    timings = interleaved([square_product(name, side) for name in names], 1 if quick else 5)
    return {name: product_gflops(timing) for name, timing in zip(names, timings)}


def _small_problem() -> Problem:
    return gaussian_problem((4, 4), num_samples=6, seed=0)
