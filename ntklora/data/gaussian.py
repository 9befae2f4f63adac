"""Gaussian tangent features: the generic instance of the landscape theorems, no network behind it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def gaussian_features(
    num_samples: int, num_outputs: int, shape: tuple[int, int], seed: int
) -> Float[np.ndarray, "N K m n"]:
    """`G (N, K, m, n)` of independent standard normals, for `TangentOperator.from_dense`."""
    return np.random.default_rng(seed).standard_normal((num_samples, num_outputs, *shape))


def gaussian_factors(
    num_samples: int, num_outputs: int, num_positions: int, shape: tuple[int, int], seed: int
) -> tuple[Float[np.ndarray, "N T n"], Float[np.ndarray, "N K T m"]]:
    """Inputs `a (N, T, n)` and signals `b (N, K, T, m)` of independent standard normals, for `from_factors`."""
    rng, (m, n) = np.random.default_rng(seed), shape
    a = rng.standard_normal((num_samples, num_positions, n))
    return a, rng.standard_normal((num_samples, num_outputs, num_positions, m))
