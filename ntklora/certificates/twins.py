"""When two stationary points are next to each other modulo gauge: by what no gauge changes, without factorizing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

Matrices = dict[str, Any]

# Objectives of twins agree to this share, the random entries of their δ to that one.
_LEVEL = 1e-9
_SAME = 1e-5


def signature_of(value: float | np.ndarray, us: Matrices, vs: Matrices) -> np.ndarray:
    """The objective and three random entries of `δ = u vᵀ`, over all weights: `(4,)`.

    Of many points at once: `value (S,)`, `us (S, m, r)`, `vs (S, n, r)` give `(S, 4)`.
    """
    shapes = tuple((us[name].shape[-2], vs[name].shape[-2]) for name in us)
    entries = sum(((left @ us[name]) * (right @ vs[name])).sum(-1) for (left, right), name in zip(_probes(shapes), us))
    return np.concatenate([np.asarray(value)[..., None], entries], -1)


@lru_cache(maxsize=8)
def _probes(shapes: tuple[tuple[int, int], ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((3, m)), rng.standard_normal((3, n))) for m, n in shapes]


def distance(signature: np.ndarray, other: np.ndarray) -> float:
    """Relative distance of two points in δ; infinite where objective or entries say that they are no twins.

    >>> distance(np.array([2.0, 1.0, 0.0, 0.5]), np.array([2.0, 1.0, 1e-6, 0.5]))
    1e-06
    >>> distance(np.array([2.0, 1.0, 0.0, 0.5]), np.array([2.1, 1.0, 0.0, 0.5]))
    inf
    """
    if abs(signature[0] - other[0]) > _LEVEL * abs(other[0]):
        return np.inf
    apart = np.abs(signature - other)[1:].max() / max(np.abs(other[1:]).max(), np.finfo(np.float64).tiny)
    return float(apart) if apart <= _SAME else np.inf
