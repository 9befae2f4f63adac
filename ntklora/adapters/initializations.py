"""Initializations of the factors: frozen values with one signature, `initialization(problem, rank, key) -> (u, v)`.

u = B (m, r) and v = Aᵀ (n, r); the factors come as dicts by the weight's name, in the precision of the
problem. What an initialization needs beyond the shapes, it carries (a target, a spectrum) or reads from the problem
(a gradient). Batch it with `jax.vmap` over keys.
"""

from __future__ import annotations

import abc
from difflib import get_close_matches
from functools import partial
from math import sqrt
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from ntklora.adapters.decompositions import orthonormalize
from ntklora.problem.problem import Problem

Array = Any
Matrices = dict[str, Any]

# The norm of Kaiming's draw: entries U(±1/√n) have variance 1/(3n), so E‖A‖² = r/3, that of r orthonormal columns
# of length 1/√3.
KAIMING_NORM = 1.0 / sqrt(3.0)


class Initialization(eqx.Module):
    """Where training starts. Subclasses return factors with `u vᵀ = 0` unless their docstring says otherwise."""

    @abc.abstractmethod
    def __call__(self, problem: Problem, rank: int, key: PRNGKeyArray) -> tuple[Matrices, Matrices]:
        """`(u, v)` by name, `(m, r)` and `(n, r)`. Errors: `ValueError` for a rank it cannot serve."""


class ZeroLeft(Initialization):
    """`B = 0` and a random A."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray, sizes: dict[str, int], rank: int, dtype: Any = float) -> Matrices:
        """The random factor of each weight, `(size, rank)`. Errors: `ValueError` for a rank it cannot serve."""

    def __call__(self, problem: Problem, rank: int, key: PRNGKeyArray) -> tuple[Matrices, Matrices]:
        """`u = 0`, `v` drawn."""
        dtype, shapes = precision(problem), problem.shapes
        us = {name: np.zeros((m, rank), dtype) for name, (m, _) in shapes.items()}
        return us, drawn(self, key, {name: n for name, (_, n) in shapes.items()}, rank, dtype)


class Kaiming(ZeroLeft):
    """LoRA's own: `A ~ U(±1/√n)`, `B = 0`."""

    def draw(self, key: PRNGKeyArray, sizes: dict[str, int], rank: int, dtype: Any = float) -> Matrices:
        """Uniform entries."""
        flat = jax.random.uniform(key, (rank * sum(sizes.values()),), dtype, -1.0, 1.0)
        pieces = cut(flat, {name: (size, rank) for name, size in sizes.items()})
        return {name: piece / sqrt(sizes[name]) for name, piece in pieces.items()}


class Gaussian(ZeroLeft):
    """`A ~ N(0, std²)`, `B = 0`; `std` is 1/r unless given."""

    std: float | None = None

    def draw(self, key: PRNGKeyArray, sizes: dict[str, int], rank: int, dtype: Any = float) -> Matrices:
        """Normal entries."""
        std = 1.0 / rank if self.std is None else self.std
        return {name: std * piece for name, piece in _normal(key, sizes, rank, dtype).items()}


class Orthonormal(ZeroLeft):
    """A uniformly (Haar) random frame, `AAᵀ = norm²·I`, `B = 0`. Needs r ≤ n."""

    norm: float = KAIMING_NORM

    def draw(self, key: PRNGKeyArray, sizes: dict[str, int], rank: int, dtype: Any = float) -> Matrices:
        """`norm` × orthonormal columns."""
        for name, size in sizes.items():
            if rank > size:
                raise ValueError(f"{rank} orthonormal columns do not fit the {size} dimensions of {name!r}")
        frames = orthonormalize(list(_normal(key, sizes, rank, dtype).values()))
        return {name: self.norm * frame for name, frame in zip(sizes, frames)}


class Padded(ZeroLeft):
    """A random factor of rank `rank` with zero columns beyond: one shape, hence one compilation, for several ranks.

    Training leaves zero columns at zero. The columns kept are the first of a draw of all, so one key's are nested;
    of Kaiming's draw and of a Haar frame they are what a draw of fewer columns is. `Gaussian` takes its default `std`
    from the number of all columns: give it.
    """

    random: ZeroLeft
    rank: int | Array

    def draw(self, key: PRNGKeyArray, sizes: dict[str, int], rank: int, dtype: Any = float) -> Matrices:
        """`(size, rank)`, of which the first `self.rank` columns are drawn."""
        kept = jnp.arange(rank) < self.rank
        return {name: jnp.where(kept, drawn, 0.0) for name, drawn in self.random.draw(key, sizes, rank, dtype).items()}


class Orthogonal(Initialization):
    """Both factors non-zero with product zero, for even r.

    `A = (N Q_odd)ᵀ/10`, `B = N' Q_even/10` with N, N' Gaussian (n, r/2), (m, r/2) and Q_odd, Q_even the odd and even
    rows of a random orthogonal (r, r) matrix, so that `BA = N' Q_even Q_oddᵀ Nᵀ/100 = 0`.
    """

    def __call__(self, problem: Problem, rank: int, key: PRNGKeyArray) -> tuple[Matrices, Matrices]:
        """`(u, v)` with `u vᵀ = 0` up to rounding."""
        if rank % 2:
            raise ValueError(f"rank = {rank}: the orthogonal initialization needs an even rank")
        dtype, shapes = precision(problem), problem.shapes
        for_frames, for_left, for_right = jax.random.split(key, 3)
        squares = orthonormalize(list(_normal(for_frames, dict.fromkeys(shapes, rank), rank, dtype).values()))
        lefts = _normal(for_left, {name: m for name, (m, _) in shapes.items()}, rank // 2, dtype)
        rights = _normal(for_right, {name: n for name, (_, n) in shapes.items()}, rank // 2, dtype)
        us = {name: 0.1 * lefts[name] @ q[1::2] for name, q in zip(shapes, squares)}
        return us, {name: 0.1 * rights[name] @ q[::2] for name, q in zip(shapes, squares)}


class Wise(Initialization):
    """`A = norm × the first r of the given right directions`, `B = 0`: the well-informed start (H3).

    `right` holds orthonormal columns `(n, ≥ r)`, best first, as an array or a dict by name: `Wise.towards(δ)` takes
    the right singular vectors of δ.
    """

    right: Array | Matrices
    norm: float = KAIMING_NORM

    @classmethod
    def towards(cls, target: Array | Matrices, norm: float = KAIMING_NORM) -> Wise:
        """Directed at a known change of the weights."""
        return cls(jax.tree.map(lambda delta: jnp.linalg.svd(delta, full_matrices=False)[2].T, target), norm)

    def __call__(self, problem: Problem, rank: int, key: PRNGKeyArray) -> tuple[Matrices, Matrices]:
        """`u = 0`, `v = norm · right[:, :r]`; the key is not used."""
        directions = problem.op.as_dict(self.right)
        for name, (_, n) in problem.shapes.items():
            if directions[name].shape[0] != n or directions[name].shape[1] < rank:
                raise ValueError(
                    f"right directions of {name!r} have shape {directions[name].shape}; expected ({n}, >= {rank})"
                )
        vs = {name: self.norm * jnp.asarray(directions[name])[:, :rank] for name in problem.shapes}
        return {name: jnp.zeros((m, rank), vs[name].dtype) for name, (m, _) in problem.shapes.items()}, vs


class Given(Initialization):
    """These very factors, arrays or dicts by name: a start that is known, or shared with another run."""

    u: Array | Matrices
    v: Array | Matrices

    def __call__(self, problem: Problem, rank: int, key: PRNGKeyArray) -> tuple[Matrices, Matrices]:
        """`(u, v)` as given, in the precision of the problem; the key is not used."""
        us, vs = problem.op.as_dict(self.u), problem.op.as_dict(self.v)
        for name, (m, n) in problem.shapes.items():
            if us[name].shape != (m, rank) or vs[name].shape != (n, rank):
                raise ValueError(
                    f"factors given for {name!r} have shapes u {us[name].shape}, v {vs[name].shape}; "
                    f"expected ({m}, {rank}) and ({n}, {rank})"
                )
        dtype = precision(problem)
        return tuple({name: jnp.asarray(x, dtype) for name, x in side.items()} for side in (us, vs))  # type: ignore[return-value]


INITIALIZATIONS: dict[str, Initialization] = {
    "kaiming": Kaiming(),
    "gaussian": Gaussian(),
    "orthonormal": Orthonormal(),
    "orthogonal": Orthogonal(),
}


def resolve_initialization(initialization: str | Initialization) -> Initialization:
    """The initialization of this name, or the object itself. Errors: `ValueError` naming the nearest."""
    if isinstance(initialization, Initialization):
        return initialization
    if initialization not in INITIALIZATIONS:
        nearest = get_close_matches(str(initialization), INITIALIZATIONS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"unknown initialization {initialization!r}: did you mean {nearest!r}? "
            f"All: {', '.join(INITIALIZATIONS)}, or an Initialization object"
        )
    return INITIALIZATIONS[initialization]


def drawn(random: ZeroLeft, key: PRNGKeyArray, sizes: dict[str, int], rank: int, dtype: Any) -> Matrices:
    """`random.draw(key, sizes, rank, dtype)` as one program: a draw is a dozen operations."""
    return _drawn(random, key, sizes=tuple(sizes.items()), rank=rank, dtype=dtype)


@partial(jax.jit, static_argnames=("sizes", "rank", "dtype"))
def _drawn(random, key, *, sizes, rank, dtype):
    return random.draw(key, dict(sizes), rank, dtype)


def cut(flat: Array, shapes: dict[str, tuple[int, int]]) -> Matrices:
    """One vector cut into matrices, in order: a draw of its own for each would compile as many generators."""
    pieces, start = {}, 0
    for name, (rows, columns) in shapes.items():
        pieces[name] = flat[start : start + rows * columns].reshape(rows, columns)
        start += rows * columns
    return pieces


def precision(problem: Problem) -> Any:
    """The floating type in which JAX holds the problem."""
    return jnp.asarray(problem.f0).dtype


def _normal(key: PRNGKeyArray, sizes: dict[str, int], rank: int, dtype: Any) -> Matrices:
    flat = jax.random.normal(key, (rank * sum(sizes.values()),), dtype)
    return cut(flat, {name: (size, rank) for name, size in sizes.items()})
