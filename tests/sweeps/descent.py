"""A vmapped experiment with everything that batching and sharding could get wrong: the sweep's tests run it.

LoRA on ½‖uvᵀ − M‖², M drawn from the seed: the zero factor is created inside, the gradient is taken inside, ranks are
padded, the step size is halved in a loop that ends at another time for each cell, and LAPACK factorizes.

    python -m tests.sweeps.descent      prints, on the devices that XLA_FLAGS gives it, the rows of every way to run
"""

import json
import sys
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from ntklora.environment import prepare_environment
from ntklora.sweeps import Column, Experiment, Profile, Vmapped, stream_key
from ntklora.sweeps.chunk import Chunk, join, plan_groups
from ntklora.sweeps.numerics import Numerics
from ntklora.sweeps.run_chunk import num_devices, run_chunk

PROVENANCE = ("seconds", "date", "revision")
SIZE, MOST = (5, 7), 4
MIXER = np.linspace(-1.0, 1.0, SIZE[1] ** 2).reshape(SIZE[1], -1)  # not batched: the batch joins its free axis


@dataclass(frozen=True)
class Descent:
    seed: int
    rank: int = 2
    rate: float = 0.5
    fault: str = "none"
    """What goes wrong: none, prepare, finish, nan, compute, dtype, upcast, arrays."""


FORBIDDEN = None  # a seed and a rank that a test makes fail


def prepare(descent):
    if (descent.seed, descent.rank) == FORBIDDEN:
        raise RuntimeError("forbidden")
    if descent.fault == "prepare":
        raise RuntimeError("cannot be prepared")
    target = np.random.default_rng(descent.seed).normal(size=SIZE)
    arrays = {
        "target": target * np.nan if descent.fault == "nan" else target,
        "live": np.arange(MOST) < descent.rank,
        "rate": descent.rate,
        "key": stream_key("starts", descent.seed, rank=descent.rank),
        "seed": descent.seed,
        "rank": descent.rank,
    }
    if descent.fault == "arrays":
        arrays["target"] = target[:, :3]
    return arrays, float(np.linalg.norm(target))


def compute(shape, arrays):
    num_steps, fault = shape
    dtype = arrays["target"].dtype
    if fault == "compute":  # its answer is used, or it would not be called
        answer = jax.ShapeDtypeStruct((), dtype)
        arrays["rate"] *= jax.pure_callback(_one, answer, arrays["seed"], arrays["rank"], vmap_method="sequential")
    v = jax.random.normal(arrays["key"], (arrays["target"].shape[1], MOST), dtype) * arrays["live"]
    u = jnp.zeros((SIZE[0], MOST), dtype)

    def loss(u, v):
        return 0.5 * jnp.sum((u @ v.T - arrays["target"]) ** 2)

    def descend(rate):
        def step(factors, _):
            value, (du, dv) = jax.value_and_grad(loss, (0, 1))(*factors)
            return (factors[0] - rate * du, factors[1] - rate * dv), value

        return jax.lax.scan(step, (u, v), length=num_steps)

    def halve(state):
        factors, values = descend(0.5 * state[0])
        return 0.5 * state[0], factors, values, state[3] + 1

    def rises(state):
        return ~jnp.all(state[2][1:] <= state[2][:-1]) & (state[3] < 30)

    _, (u, v), values, halvings = jax.lax.while_loop(
        rises, halve, (arrays["rate"], *descend(arrays["rate"]), jnp.asarray(0))
    )
    mixer = jnp.asarray(MIXER, jnp.float64 if fault == "upcast" else dtype)[:, : v.shape[0]]
    return {
        "values": values.astype(jnp.float32) if fault == "dtype" else values,
        "spectrum": jnp.linalg.svd(u @ v.T, compute_uv=False)[:2],
        "mixed": jnp.sum(mixer @ v @ u.T).astype(dtype),
        "halvings": halvings,
        "start": arrays["key"],
    }


def _one(seed, rank):
    if (seed, rank) == (2, 3):
        raise RuntimeError("seed 2 of rank 3 cannot be computed")
    return np.ones(())


def finish(descent, norm, outputs):
    assert outputs["values"].dtype == np.float64
    if descent.fault == "finish":
        raise RuntimeError("cannot be finished")
    return {**outputs, "values": outputs["values"] / norm**2, "fits": outputs["values"][-1] < 0.1 * norm**2}


def experiment(grid, chunk=4):
    return Experiment(
        name="descent",
        version=1,
        question="How far down?",
        parameters=Descent,
        columns=(
            Column("values", list[float], "loss, relative"),
            Column("spectrum", list[float], "largest singular values of the product"),
            Column("mixed", float, "a sum"),
            Column("halvings", int, "of the step size"),
            Column("start", list[int], "key data"),
            Column("fits", bool, "the loss fell to a tenth", verdict=True),
        ),
        profiles={Profile.smoke: (grid,)},
        run=Vmapped(prepare, compute, finish),
        chunk=chunk,
        shape=lambda descent: (20, descent.fault if descent.fault in ("compute", "dtype", "upcast") else "none"),
    )


# Eleven cells in chunks of four: the last chunk is partly filled, and for four devices so is the call.
GRID = {"seed": range(4), "rank": (1, 2, 4), "rate": 0.5}


def everything():
    """The experiment as a reference names it: `tests.sweeps.descent:everything`."""
    return experiment(GRID)


def rows_of(described, cells, missing, numerics, split=lambda chunk: (chunk,)):
    """The rows by key, chunks joined for the devices of this process; `split` cuts what is run at once."""
    rows = {}
    width = num_devices(described)
    for group in plan_groups(described, cells, missing):
        for start in range(0, len(group), width):
            for part in split(join(group[start : start + width])):
                for row in run_chunk(described, part, numerics):
                    rows[row["key"]] = {name: value for name, value in row.items() if name not in PROVENANCE}
    return rows


def bisected(chunk: Chunk):
    """A chunk cut down to single cells, as after a failure."""
    return (part for half in chunk.halves() for part in bisected(half)) if len(chunk.cells) > 1 else (chunk,)


def every_way(numerics):
    """The rows of every way to run the same cells."""
    described = experiment(GRID)
    cells = described.cells(Profile.smoke)[:11]
    everything = range(len(cells))
    return {
        "unbroken": rows_of(described, cells, everything, numerics),
        "resumed": rows_of(described, cells, (1, 2, 7, 10), numerics)
        | rows_of(described, cells, (0, 3, 4, 5, 6, 8, 9), numerics),
        "bisected": rows_of(described, cells, everything, numerics, bisected),
    }


def trap(shape, target):
    """Five steps from a zero factor made inside, with the gradient taken inside: what `shard_map` gets wrong."""
    u = jnp.zeros(SIZE[0])
    for _ in range(5):
        u = u - 0.1 * jax.grad(lambda u: 0.5 * jnp.sum((jnp.outer(u, jnp.ones(SIZE[1])) - target) ** 2))(u)
    return jnp.sum(u)


def trapped():
    """The last number of `trap` for four seeds: as the engine gives it, one by one, and by `shard_map`."""
    described = replace(
        experiment({"seed": range(4)}, chunk=2),
        columns=(Column("total", float, "sum of the factor"),),
        run=Vmapped(lambda descent: (prepare(descent)[0]["target"], None), trap, lambda *args: {"total": args[2]}),
    )
    cells = described.cells(Profile.smoke)
    rows = rows_of(described, cells, range(len(cells)), Numerics())
    targets = np.stack([prepare(Descent(seed))[0]["target"] for seed in range(4)])
    axis = jax.sharding.PartitionSpec("cells")
    mesh = jax.make_mesh((2,), ("cells",), axis_types=(jax.sharding.AxisType.Auto,))
    mapped = jax.shard_map(jax.vmap(partial(trap, ())), mesh=mesh, in_specs=(axis,), out_specs=axis)
    return {
        "engine": [row["total"] for row in rows.values()],
        "alone": [float(jax.jit(partial(trap, ()))(target)) for target in targets],
        "shard_map": np.asarray(jax.jit(mapped)(targets)).tolist(),
    }


if __name__ == "__main__":
    prepare_environment()
    jax.config.update("jax_enable_x64", True)
    result = {"devices": jax.local_device_count()}
    result |= {precision: every_way(Numerics(precision)) for precision in ("float64", "float32")}
    if jax.local_device_count() == 2:
        result["trap"] = trapped()
    json.dump(result, sys.stdout)
