"""Job 1: the empirical neural tangent kernel, beside the plain Jacobian product and beside code written by hand.

Every network that reverse-mode differentiation takes has the first baseline, the multilayer perceptron also the second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.bench.layerwise import layerwise_kernel
from ntklora.bench.measure import Timing, interleaved, peak_bytes, product_gflops, square_product
from ntklora.bench.operations import count_operations
from ntklora.bench.record import Case, Record
from ntklora.models import CNN, MLP, Parametrization, Transformer
from ntklora.ntk.empirical import empirical_ntk
from ntklora.tangent.memory import memory_allowance

Array = Any
Kernel = Callable[[Any, Array], Array]

_OUTPUTS = 10
# A baseline that would take more than this share of what memory allows is left out, and the note says so.
_BASELINE_SHARE = 0.5

_STANDARD = Parametrization.standard
NETWORKS: dict[str, tuple[MLP | CNN | Transformer, tuple[int, ...]]] = {
    "mlp": (MLP((64, 512, 512, 512, _OUTPUTS), parametrization=_STANDARD), (64,)),
    "cnn": (CNN(_OUTPUTS, (64, 64, 64), (3, 8, 8), parametrization=_STANDARD), (3, 8, 8)),
    "transformer": (Transformer(_OUTPUTS, (16, 64), 64, 4, 2, 128, parametrization=_STANDARD), (16, 64)),
}


class _Program(NamedTuple):
    """A compiled kernel, and what it sets aside beside arguments and result, where the backend says so."""

    run: Callable[[Any, Array], Array]
    compile_seconds: float
    megabytes: str

    @classmethod
    def of(cls, kernel: Kernel, params: Any, x: Array) -> _Program:
        start = time.perf_counter()
        compiled = jax.jit(kernel).lower(params, x).compile()
        seconds, analysis = time.perf_counter() - start, compiled.memory_analysis()
        return cls(compiled, seconds, "?" if analysis is None else f"{analysis.temp_size_in_bytes / 1e6:.0f}")


def ntk_cases(
    *, sizes: Sequence[int] = (64, 256), precisions: Sequence[str] = ("float32", "float64"), repeats: int = 5
) -> list[Case]:
    """The perceptron at all `sizes` (numbers of examples N), full and traced; the others, full, at the smallest.

    Errors: `ValueError` when float64 is asked for and switched off.
    """
    if "float64" in precisions and not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        raise ValueError('float64 is switched off: jax.config.update("jax_enable_x64", True), or leave it out')
    cases: list[Case] = []
    for precision in precisions:
        for size in sizes:
            cases += [partial(compare, "mlp", size, precision, trace=trace, repeats=repeats) for trace in (False, True)]
        for name in ("cnn", "transformer"):
            cases.append(partial(compare, name, min(sizes), precision, repeats=repeats))
    return cases


def compare(name: str, size: int, precision: str, *, trace: bool = False, repeats: int = 5) -> list[Record]:
    """One network's kernel on `size` random examples, full or traced, beside each of its baselines."""
    net, shape = NETWORKS[name]
    params = jax.tree.map(lambda leaf: leaf.astype(precision), net.init(jax.random.key(0)))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(size, *shape)), precision)

    def ours(params: Any, x: Array) -> Array:
        return empirical_ntk(net.apply, params, x, trace=trace)

    baselines: dict[str, Kernel] = {"layerwise code": partial(layerwise_kernel, trace=trace)} if name == "mlp" else {}
    jacobian = size * _OUTPUTS * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(params))
    left_out = ""
    if jacobian <= _BASELINE_SHARE * memory_allowance():
        baselines["plain Jacobian product"] = partial(jacobian_product, net.apply, trace=trace)
    else:
        left_out = f"; the plain Jacobian product would take {jacobian / 1e9:.1f} GB"
    programs = [_Program.of(kernel, params, x) for kernel in (ours, *baselines.values())]
    jobs = [partial(program.run, params, x) for program in programs]
    own, *others, peak = interleaved([*jobs, square_product(precision)], repeats)
    gflops = count_operations(ours, params, x) / own.seconds / 1e9
    peak_gflops = product_gflops(peak)
    resident, mine = peak_bytes(jobs[0]), programs[0]

    def record(baseline: str, other: Timing, program: _Program) -> Record:
        return Record(
            job="ntk",
            case=f"{name} N={size} {precision} {'traced' if trace else 'full'}",
            baseline=baseline,
            seconds=own.seconds,
            baseline_seconds=other.seconds,
            ratio=other.seconds / own.seconds,
            compile_seconds=mine.compile_seconds,
            baseline_compile_seconds=program.compile_seconds,
            gflops=gflops,
            peak_share=gflops / peak_gflops,
            peak_bytes=resident,
            note=f"working memory {mine.megabytes} MB, baseline {program.megabytes} MB; "
            f"result {own.value.nbytes / 1e6:.0f} MB; "
            f"{_difference(own.value, other.value):.0e} apart; matmul {peak_gflops:.0f} GFLOP/s{left_out}",
        )

    return [record(*row) for row in zip(baselines, others, programs[1:])]


def jacobian_product(f: Callable[[Any, Any], Any], params: Any, x: Array, *, trace: bool) -> Array:
    """`Σ J Jᵀ` over the parameters, by reverse-mode differentiation of one example at a time: the definition.

    `(N, N, K, K)`, or, traced over the outputs and divided by K, `(N, N)`.
    """
    jacobians = jax.tree.leaves(jax.vmap(jax.jacrev(f), (None, 0))(params, x))
    rows = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jacobians]
    subscripts = "ikp,jkp->ij" if trace else "ikp,jlp->ijkl"
    shares = [jnp.einsum(subscripts, leaf, leaf, precision=jax.lax.Precision.HIGHEST) for leaf in rows]
    return sum(shares[1:], shares[0]) / (rows[0].shape[1] if trace else 1)


def _difference(one: Array, two: Array) -> float:
    """The relative distance of two kernels."""
    return float(jnp.linalg.norm(jnp.ravel(one - two)) / jnp.linalg.norm(jnp.ravel(two)))
