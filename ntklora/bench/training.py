"""Job 3: LoRA by full-batch gradient descent, many instances at once, beside the program that everybody writes.

The baseline is that program: `vmap` over instances of gradient descent with the features whole, `G (N, K, m, n)`, and
einsums. Both start from the same factors, take the same steps of the same size, and must give the same objectives.
Widths: with the features factored a step costs the same at every width; what grows with it is done once, before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.adapters.learning_rate import adjoint_norm
from ntklora.adapters.training import train_factors
from ntklora.bench.measure import beside, interleaved, peak_bytes, product_gflops, square_product
from ntklora.bench.operations import count_operations
from ntklora.bench.record import Case, Record
from ntklora.data.gaussian import gaussian_factors, gaussian_features
from ntklora.instances.digits import digits_task
from ntklora.problem.problem import Problem
from ntklora.tangent.operator import TangentOperator

Array = Any

WIDTHS = (128, 512, 2048, 8192, 16384)
# Small enough for every case here: no path diverges, and the last objectives are far below the first.
_RATE = 0.02


class Width(NamedTuple):
    """One point of the curve: seconds of one step of all instances, and of everything that is done once."""

    width: int
    step_seconds: float
    once_seconds: float


def digits_features(width: int, num_samples: int, seed: int = 0) -> TangentOperator:
    """Features of the middle weight of an MLP 64-width-width-1 on digits, ReLU, NTK parametrization, in law.

        a = φ(√2 W_0 x/8),   h = √(2/width) W_1 a,   G_i = √(2/width) · (φ'(h_i)∘w_2) a_iᵀ / √width

    Rows of the Gaussian W_1 are independent, so `h` is drawn from its Gram matrix: W_1 itself, 2 GiB at a width of
    16,384, is never needed.
    """
    rng = np.random.default_rng([seed, width])
    x = np.asarray(digits_task(num_samples, 1, "squared", "true", 0).x).reshape(num_samples, -1)
    a = np.maximum(x @ rng.standard_normal((x.shape[1], width)) * np.sqrt(2 / x.shape[1]), 0.0)
    values, vectors = np.linalg.eigh(2 / width * a @ a.T)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    active = root @ rng.standard_normal((num_samples, width)) > 0
    b = np.sqrt(2) / width * active * rng.standard_normal(width)
    return TangentOperator.from_factors(a[:, None, :], b[:, None, None, :])


def settings() -> dict[str, Callable[[], TangentOperator]]:
    """Operators by name, N = 32 and K = 1 each: factored and without structure at 64x64, digits at width 128."""

    def from_factors() -> TangentOperator:
        a, b = gaussian_factors(32, 1, 1, (64, 64), seed=0)
        return TangentOperator.from_factors(a / 8, b / 8)

    return {
        "factored 64x64": from_factors,
        "no structure 64x64": lambda: TangentOperator.from_dense(gaussian_features(32, 1, (64, 64), seed=0) / 8),
        "digits width 128": partial(digits_features, 128, 32),
    }


def training_cases(
    *, rank: int = 8, instances: int = 512, steps: int = 40, repeats: int = 3, widths: Sequence[int] = WIDTHS
) -> list[Case]:
    """Every setting in both precisions, then the curve of widths."""

    def case(build: Callable[[], TangentOperator], name: str, precision: str) -> list[Record]:
        return [compare(build(), name, precision, rank=rank, instances=instances, steps=steps, repeats=repeats)]

    def curve() -> list[Record]:
        # Many steps of few instances: what is done once would drown them at the largest width.
        few = max(instances // 16, 1)
        points = width_curve(widths, rank=rank, instances=few, steps=25 * steps, repeats=repeats)
        return [_record_of(point, points[0]) for point in points]

    both = [(name, precision) for name in settings() for precision in ("float64", "float32")]
    return [*(partial(case, settings()[name], name, precision) for name, precision in both), curve]


def compare(
    op: TangentOperator, case: str, precision: str, *, rank: int, instances: int, steps: int, repeats: int
) -> Record:
    """`train_factors` under `vmap` beside the program with the features whole."""
    problem, u, v = _instances(op, precision, rank, instances)
    whole = jnp.asarray(np.asarray(op.dense()), precision)
    own, other, peak = interleaved(
        [
            lambda: _ours(problem, u, v, steps=steps),
            lambda: dense_descent(whole, problem.f0, problem.y, problem.lam, u, v, _RATE, steps=steps),
            square_product(precision),
        ],
        repeats,
    )
    gflops = count_operations(partial(_ours, steps=steps), problem, u, v) / own.seconds / 1e9
    apart = float(np.max(np.abs(own.value - other.value)) / np.max(np.abs(other.value)))
    done = instances * steps
    return beside(
        own,
        other,
        job="training",
        case=f"{case} {precision} r={rank} x{instances}",
        baseline="vmapped descent, features whole",
        gflops=gflops,
        peak_share=gflops / product_gflops(peak),
        peak_bytes=peak_bytes(lambda: _ours(problem, u, v, steps=steps)),
        note=f"{done / own.seconds:.3g} instance-steps/s against {done / other.seconds:.3g}; "
        f"objectives differ by {apart:.1e} of the largest",
    )


def width_curve(widths: Sequence[int], *, rank: int, instances: int, steps: int, repeats: int) -> list[Width]:
    """Seconds of a step and of what is done once (Gram matrices, the start, the final factors) at each width."""
    jobs: list[Callable[[], Array]] = []
    for width in widths:
        problem, u, v = _instances(digits_features(width, 32), "float64", rank, instances)
        jobs += [partial(_ours, problem, u, v, steps=count) for count in (steps, 0)]
    timings = interleaved(jobs, repeats)
    return [
        Width(width, max(long.seconds - once.seconds, 0.0) / steps, once.seconds)
        for width, long, once in zip(widths, timings[::2], timings[1::2])
    ]


@partial(jax.jit, static_argnames="steps")
def dense_descent(g: Array, f0: Array, y: Array, lam: Array, u: Array, v: Array, rate: float, *, steps: int) -> Array:
    """The baseline: objectives `(S, steps + 1)` of gradient descent on the squared loss from `u (S, m, r)`, `v`."""

    def one(u: Array, v: Array) -> Array:
        def value(u: Array, v: Array) -> Array:
            z = f0 + jnp.einsum("ikmn,mr,nr->ik", g, u, v)
            return 0.5 * jnp.mean(jnp.sum((z - y) ** 2, 1)) + 0.5 * lam * (jnp.sum(u**2) + jnp.sum(v**2))

        def step(factors: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
            now, slopes = jax.value_and_grad(value, (0, 1))(*factors)
            return jax.tree.map(lambda x, slope: x - rate * slope, factors, slopes), now

        factors, values = jax.lax.scan(step, (u, v), length=steps)
        return jnp.append(values, value(*factors))

    return jax.vmap(one)(u, v)


@partial(jax.jit, static_argnames="steps")
def _ours(problem: Problem, u: Array, v: Array, *, steps: int) -> Array:
    paths = jax.vmap(lambda u, v: train_factors(problem, u, v, steps=steps, learning_rate=_RATE))(u, v)
    # The final factors are part of the work: what comes of them must be used, or XLA leaves it out.
    ends = jnp.einsum("smr,snr->s", jnp.asarray(paths.u)[:, :1], jnp.asarray(paths.v)[:, :1])
    return paths.objective + 0.0 * ends[:, None]


def _instances(op: TangentOperator, precision: str, rank: int, instances: int) -> tuple[Problem, Array, Array]:
    """A problem with Gaussian targets at `λ = 0.01 λ_max` in this precision, and starts of many instances."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((op.num_samples, op.num_outputs))
    problem = Problem(op, np.zeros(y.shape), y, "squared", 0.0)
    ((m, n),) = op.shapes.values()
    # λ_max without the gradient matrix, which is 2 GiB at a width of 16,384.
    (block,) = op.blocks.values()
    problem = problem.with_lam(0.01 * float(adjoint_norm(block, jnp.asarray(-y / len(y)))))
    u, v = rng.standard_normal((instances, m, rank)) / m**0.5, rng.standard_normal((instances, n, rank)) / n**0.5
    cast = jax.tree.map(lambda x: jnp.asarray(x, precision), problem)
    return cast, jnp.asarray(u, precision), jnp.asarray(v, precision)


def _record_of(point: Width, first: Width) -> Record:
    """A point of the curve as a row: the baseline is the first width."""
    return Record(
        job="training",
        case=f"one step at width {point.width}",
        baseline=f"one step at width {first.width}",
        seconds=point.step_seconds,
        baseline_seconds=first.step_seconds,
        ratio=first.step_seconds / point.step_seconds if point.step_seconds else float("nan"),
        compile_seconds=0.0,
        baseline_compile_seconds=0.0,
        gflops=None,
        peak_share=None,
        peak_bytes=None,
        note=f"once, before and after the steps: {point.once_seconds:.4f} s",
    )
