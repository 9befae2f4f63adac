"""Teacher and student: targets produced by a known low-rank change of the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

Matrices = np.ndarray | Mapping[str, np.ndarray]


class Teacher(NamedTuple):
    """The change `delta` (array, or dict by name) and the targets `outputs (N, K)` it produces, noise included."""

    delta: Any
    outputs: np.ndarray


def low_rank_matrix(
    shape: tuple[int, int], singular_values: Sequence[float], rng: np.random.Generator
) -> Float[np.ndarray, "m n"]:
    """`U diag(σ) Vᵀ` with `U`, `V` uniformly random orthonormal columns: invariant under rotation on both sides.

    Errors: `ValueError` for more singular values than min(m, n).
    """
    rank = len(singular_values)
    if rank > min(shape):
        raise ValueError(f"{rank} singular values do not fit a {shape[0]} x {shape[1]} matrix")
    left, right = (random_frame(size, rank, rng) for size in shape)
    return left * np.asarray(singular_values, np.float64) @ right.T


def random_frame(size: int, count: int, rng: np.random.Generator) -> Float[np.ndarray, "size count"]:
    """Uniformly (Haar) distributed orthonormal columns."""
    q, r = np.linalg.qr(rng.standard_normal((size, count)))
    # QR alone fixes signs by convention; multiplying by those of R's diagonal makes the law invariant.
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


def teach(
    apply: Callable[[Any], Any],
    f0: np.ndarray,
    shapes: tuple[int, int] | Mapping[str, tuple[int, int]],
    singular_values: Sequence[float],
    *,
    noise: float = 0.0,
    seed: int,
) -> Teacher:
    """Targets `f0 + A(δ_true) + noise·ε` of a low-rank truth with these singular values in every weight.

    `apply` is the tangent operator's `A` (or a network's own response), `shapes` one (m, n) or a dict of them by name;
    ε is standard normal. Classification: take `np.sign` or `argmax` of `outputs`.
    """
    rng = np.random.default_rng(seed)
    delta: Matrices
    if isinstance(shapes, Mapping):
        delta = {name: low_rank_matrix(shape, singular_values, rng) for name, shape in shapes.items()}
    else:
        delta = low_rank_matrix(shapes, singular_values, rng)
    clean = np.asarray(f0) + np.asarray(apply(delta))
    return Teacher(delta, clean + noise * rng.standard_normal(clean.shape))
